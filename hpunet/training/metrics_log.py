"""Logs of training: `metrics.jsonl`, TensorBoard events and the text of the progress bar."""

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

from hpunet.config.files import config_of_run
from hpunet.config.settings import settings_of
from hpunet.io.atomic import write_whole
from hpunet.io.errors import UserError
from hpunet.training.workdir import CONFIG

FILE = "metrics.jsonl"
# Scalars in the text of the progress bar, with their labels.
PROGRESS_SCALARS = {"loss": "loss", "kl_sum": "KL", "lagrange_multiplier": "multiplier"}


class Throughput:
    """Measures images per second since its creation."""

    def __init__(self) -> None:
        """Starts the clock."""
        self._started = time.perf_counter()
        self._images = 0

    def count(self, images: int) -> None:
        """Adds the images of a step."""
        self._images += images

    def scalars(self) -> dict[str, float]:
        """Returns the rate by its name in the log."""
        return {"images_per_second": self._images / (time.perf_counter() - self._started)}


def as_text(scalars: Mapping[str, float]) -> str:
    """Formats the scalars of a step in one line."""
    known = {label: scalars[name] for name, label in PROGRESS_SCALARS.items() if name in scalars}
    text = ", ".join(f"{label} {value:.4g}" for label, value in known.items())
    speed = scalars.get("images_per_second")
    return text if speed is None else f"{text}, {speed:.1f} images/s"


class MetricsLog:
    """Writes scalars to `metrics.jsonl` and TensorBoard, figures to TensorBoard."""

    def __init__(self, workdir: Path, first_step: int) -> None:
        """Opens the log and removes the lines of steps that will be repeated.

        Args:
            workdir: Folder of the run.
            first_step: Number of completed steps; lines of later steps are removed.

        Raises:
            UserError: If the file exists and is not a log, or it cannot be written.
        """
        self._path = workdir / FILE
        try:
            cut_back(self._path, first_step)
            self._lines = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{self._path}: cannot be written ({error.strerror})") from None
        self._board = SummaryWriter(str(workdir), purge_step=first_step + 1)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds a line; values that are not finite become null."""
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
        """Flushes and closes the files."""
        self._lines.close()
        self._board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of a `metrics.jsonl`; an incomplete last line is skipped.

    Raises:
        UserError: If the file cannot be read, or a line is not a JSON object with a step. The
            message names file and line.
    """
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    metrics = [_read_line(path, number, line) for number, line in enumerate(lines, 1)]
    # A complete file ends with a line break, and a part of an object is never valid JSON.
    return metrics + ([_read_line(path, len(lines) + 1, last)] if _is_json(last) else [])


def log_of_run(workdir: Path) -> tuple[list[dict[str, Any]], float | None] | None:
    """Reads the lines of a run's log, and its kappa; None if no training step was logged.

    Raises:
        UserError: If the log or the configuration of the run cannot be read.
    """
    path = workdir / FILE
    lines = read_metrics(path) if path.is_file() else []
    if not any("rec_loss_mean" in line for line in lines):
        return None
    objective = settings_of(config_of_run(workdir / CONFIG)).loss.objective
    return lines, getattr(objective, "kappa", None)


def _read_line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    value = json.loads(line) if _is_json(line) else None
    if not isinstance(value, dict) or type(value.get("step")) is not int:
        start = line[:40].decode(errors="replace")
        raise UserError(
            f"{path}, line {number}: {start!r}; allowed are JSON objects with a whole number step"
        )
    return value


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def cut_back(path: Path, last_step: int) -> None:
    """Removes the lines of steps after `last_step`, and an incomplete last line."""
    if not path.exists():
        return
    kept = [line for line in read_metrics(path) if line["step"] <= last_step]
    write_whole(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
