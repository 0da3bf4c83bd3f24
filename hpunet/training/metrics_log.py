"""What training reports: `metrics.jsonl`, TensorBoard's events and the text beside the bar."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tensorboardX import SummaryWriter

from hpunet.io.atomic import write_whole
from hpunet.io.errors import UserError

FILE = "metrics.jsonl"
# Scalars that are shown while training goes on, and how they are called there.
SHOWN = {"loss": "loss", "kl_sum": "KL", "lagrange_multiplier": "multiplier"}


class Throughput:
    """Images per second since it was made."""

    def __init__(self) -> None:
        """Starts the clock."""
        self._started = time.perf_counter()
        self._images = 0

    def count(self, images: int) -> None:
        """Counts the images of one step more."""
        self._images += images

    def scalars(self) -> dict[str, float]:
        """The rate under its name in the log."""
        return {"images_per_second": self._images / (time.perf_counter() - self._started)}


def as_text(scalars: Mapping[str, float]) -> str:
    """The newest scalars of a step in one line."""
    known = {label: scalars[name] for name, label in SHOWN.items() if name in scalars}
    text = ", ".join(f"{label} {value:.4g}" for label, value in known.items())
    speed = scalars.get("images_per_second")
    return text if speed is None else f"{text}, {speed:.1f} images/s"


class MetricsLog:
    """Writes scalars to `metrics.jsonl` and TensorBoard, figures to TensorBoard."""

    def __init__(self, workdir: Path, first_step: int) -> None:
        """Opens the log and cuts it back to what was done before `first_step`.

        Args:
            workdir: Folder of the run.
            first_step: The next step; lines of later steps are dropped, they will be done again.

        Raises:
            UserError: If there is a file of this name that is no log, or it cannot be written.
        """
        self._path = workdir / FILE
        try:
            cut_back(self._path, first_step)
            self._lines = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{self._path}: cannot be written ({error.strerror})") from None
        self._board = SummaryWriter(str(workdir), purge_step=first_step + 1)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds one line; what is not finite is written as null."""
        finite = {k: float(v) if math.isfinite(v) else None for k, v in scalars.items()}
        self._lines.write(json.dumps({"step": step, **finite}) + "\n")
        self._lines.flush()
        for name, value in scalars.items():
            if finite[name] is not None:
                self._board.add_scalar(name, value, step)

    def write_figure(self, step: int, name: str, figure: Figure) -> None:
        """Adds a figure to TensorBoard."""
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        self._board.add_image(name, np.asarray(canvas.buffer_rgba())[..., :3], step, None, "HWC")

    def close(self) -> None:
        """Writes out what is buffered."""
        self._lines.close()
        self._board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`; a last line that was cut short is left out.

    Raises:
        UserError: Naming file and line, if it cannot be read or a line is no object with a step.
    """
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    metrics = [_read_line(path, number, line) for number, line in enumerate(lines, 1)]
    # Written whole, the last line ends, too; a part of an object is never JSON.
    return metrics + ([_read_line(path, len(lines) + 1, last)] if _is_json(last) else [])


def _read_line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    value = json.loads(line) if _is_json(line) else None
    if not isinstance(value, dict) or type(value.get("step")) is not int:
        shown = line[:40].decode(errors="replace")
        raise UserError(
            f"{path}, line {number}: {shown!r}; allowed are JSON objects with a whole number step"
        )
    return value


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def cut_back(path: Path, last_step: int) -> None:
    """Drops the lines of steps after `last_step`, and a line that was cut short."""
    if not path.exists():
        return
    kept = [line for line in read_metrics(path) if line["step"] <= last_step]
    write_whole(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
