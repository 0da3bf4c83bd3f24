"""How training shows that it goes on: a bar in a terminal, plain lines elsewhere."""

import sys
from collections.abc import Mapping

from tqdm import tqdm

SHOWN = {"loss": "loss", "kl_sum": "KL", "lagrange_multiplier": "multiplier"}

FORMAT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class ProgressBar:
    """Loss, KL, multiplier, images per second and time left."""

    def __init__(self, first_step: int, num_steps: int, *, silent: bool = False) -> None:
        """Starts at a step; `silent` shows nothing, for hosts that do not report."""
        self._silent = silent
        self._num_steps = num_steps
        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=num_steps,
            initial=first_step,
            disable=silent or not self._terminal,
            bar_format=FORMAT,
            dynamic_ncols=True,
            smoothing=0.05,
        )

    def update(self) -> None:
        """One step more."""
        self._bar.update()

    def show(self, step: int, scalars: Mapping[str, float]) -> None:
        """Newest values of one logged step."""
        shown = {label: scalars[name] for name, label in SHOWN.items() if name in scalars}
        speed = scalars.get("images_per_second")
        text = ", ".join(f"{label} {value:.4g}" for label, value in shown.items())
        if speed is not None:
            text += f", {speed:.1f} images/s"
        if self._terminal:
            self._bar.set_postfix_str(text)
        else:
            self.say(f"step {step}/{self._num_steps}: {text}")

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._silent:
            return
        tqdm.write(text, file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self._bar.close()
