"""What can go wrong with a loss while it is minimised."""

import math
from collections.abc import Mapping

from hpunet.io.errors import UserError

COLLAPSED_KL = 0.05
COLLAPSED_STEPS = 2000


class TrainingDivergedError(UserError):
    """The loss, or a weight, is not finite any more."""

    def __init__(self, what: str, last_checkpoint: int | None) -> None:
        """Says what is not finite, what is left, and what may help.

        Args:
            what: The quantity and its step.
            last_checkpoint: Step of the last good checkpoint, or None.
        """
        left = "none" if last_checkpoint is None else f"step {last_checkpoint}"
        super().__init__(
            f"{what}; last good checkpoint: {left}; a lower optimizer.learning_rate, in another "
            "--workdir, may help"
        )


def check_finite(step: int, scalars: Mapping[str, float], last_checkpoint: int | None) -> None:
    """Stops at a loss that is not finite.

    Args:
        step: The step that gave it.
        scalars: Its terms.
        last_checkpoint: Step of the last good checkpoint, or None.

    Raises:
        TrainingDivergedError: Naming step, terms and checkpoint.
    """
    if math.isfinite(scalars["loss"]):
        return
    terms = ", ".join(f"{name}={value:.4g}" for name, value in scalars.items())
    what = f"the loss is not finite at step {step} ({terms})"
    raise TrainingDivergedError(what, last_checkpoint)


def count_low_kl(scalars: Mapping[str, float], steps_before: int) -> int:
    """Steps in a row with hardly any KL at any scale, this one included; 0 without scales."""
    kls = [v for name, v in scalars.items() if name.startswith("kl_") and name != "kl_sum"]
    return steps_before + 1 if kls and max(kls) < COLLAPSED_KL else 0


def collapse_report(step: int) -> str:
    """What to say when the latents carry nothing."""
    return (
        f"step {step}: the latents have collapsed: the KL of every scale has been below "
        f"{COLLAPSED_KL} nats for {COLLAPSED_STEPS} steps, so all samples look alike. Lower "
        "objective.beta, or use objective.name=geco with a lower objective.kappa, in another "
        "--workdir"
    )
