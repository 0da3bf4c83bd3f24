"""Whether what is drawn often is what graders chose often: of pixels and of whole masks."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from hpunet.figures.style import LINES, PAGE, RESOLUTION, SMALL
from hpunet.metrics import Calibration, ModeEstimate, expected_calibration_error

_HEIGHT = 4.3
_BARS = "#A8A8A8"


def calibration_plot(calibration: Calibration, modes: Sequence[ModeEstimate]) -> Figure:
    """Two plots: calibration of the samples' pixelwise mean, and of whole masks.

    Left, for each bin of frequencies among samples, how often graders marked its pixels, and below
    it the number of pixels. Right, for each frequency with which graders chose modes, the mean
    frequency with which they were drawn, its interval over patients if there is one, and the number
    of modes. On the dashed diagonals both agree.

    Few graders make their own frequencies noisy, so that even samples of a perfect model lie nearer
    to the middle than the diagonal.

    Args:
        calibration: Sums over all images, `[N]`, as `hpunet.metrics.calibration` gives them.
        modes: As `hpunet.metrics.estimate_modes` gives them.

    Raises:
        ValueError: If shapes do not fit or there is no pixel.
    """
    sums = Calibration(*(np.asarray(part, dtype=np.float64) for part in calibration))
    shapes = {part.shape for part in sums}
    if len(shapes) > 1 or sums.pixels.ndim != 1 or not sums.pixels.sum() > 0:
        raise ValueError(
            f"calibration {shapes}; allowed are three sums [N] over at least one pixel"
        )
    figure = Figure(figsize=(PAGE, _HEIGHT), dpi=RESOLUTION, layout="constrained")
    (left, right), (left_below, right_below) = figure.subplots(2, 2, height_ratios=[4, 1])
    _draw_pixels(left, left_below, sums)
    _draw_modes(right, right_below, modes)
    return figure


def _draw_pixels(axis: Axes, below: Axes, sums: Calibration) -> None:
    """The frequency among graders against that among samples, and each bin's pixels below."""
    some = sums.pixels > 0
    predicted, observed = (part[some] / sums.pixels[some] for part in sums[1:])
    _square(axis, "pixels", "frequency among graders")
    axis.plot(predicted, observed, "o-", color=LINES[0], markersize=4, linewidth=1.2)
    error = float(expected_calibration_error(sums))
    axis.text(0.02, 0.98, f"expected calibration error {error:.2g}", va="top", fontsize=SMALL)
    edges = np.linspace(0, 1, len(sums.pixels) + 1)
    _draw_counts(below, (edges[:-1] + edges[1:]) / 2, sums.pixels, 0.95 / len(sums.pixels))
    below.set_xlabel("frequency among samples", fontsize=SMALL + 1)
    below.set_ylabel("pixels", fontsize=SMALL + 1)


def _draw_modes(axis: Axes, below: Axes, modes: Sequence[ModeEstimate]) -> None:
    """The frequency with which modes were drawn against that with which they were chosen."""
    _square(axis, "modes", "frequency among samples")
    known = [mode for mode in modes if np.isfinite(mode.drawn[1:3]).all()]
    for mode in known:
        interval = mode.drawn.low, mode.drawn.high
        axis.plot([mode.chosen] * 2, interval, "_-", color=LINES[1], linewidth=1.2, markersize=7)
    places = np.array([mode.chosen for mode in modes])
    axis.plot(places, [mode.drawn.value for mode in modes], "s", color=LINES[1], markersize=4.5)
    text = "mean and interval over patients" if known else "mean" if modes else "no modes"
    axis.text(0.02, 0.98, text, va="top", fontsize=SMALL)
    counts = np.array([mode.num_modes for mode in modes])
    _draw_counts(below, places, counts, 0.06)
    for place, count in zip(places, counts, strict=True):
        below.text(place, count, f"{count}", ha="center", va="bottom", fontsize=SMALL)
    below.set_xlabel("frequency among graders", fontsize=SMALL + 1)
    below.set_ylabel("modes", fontsize=SMALL + 1)


def _draw_counts(axis: Axes, places: NDArray, counts: NDArray, width: float) -> None:
    """Bars of numbers that may differ by orders of magnitude."""
    _plain(axis)
    axis.bar(places, counts, width, color=_BARS)
    axis.set_yscale("log")
    # Room for a number on the highest.
    axis.set_ylim(0.7, 8.0 * max(counts, default=1))
    axis.yaxis.set_major_locator(LogLocator(numticks=4))
    # Not powers of ten, whose exponents are too small to be read.
    axis.yaxis.set_major_formatter(EngFormatter(sep=""))
    axis.yaxis.set_minor_locator(NullLocator())


def _square(axis: Axes, title: str, vertical: str) -> None:
    """Axes of two frequencies, with the line on which they agree."""
    _plain(axis)
    axis.set_title(title, fontsize=SMALL + 2)
    axis.set_ylabel(vertical, fontsize=SMALL + 1)
    axis.set_ylim(-0.03, 1.03)
    axis.tick_params(labelbottom=False)
    axis.plot([0, 1], [0, 1], color="#000000", linestyle="--", linewidth=0.8)


def _plain(axis: Axes) -> None:
    axis.set_xlim(-0.03, 1.03)
    axis.tick_params(labelsize=SMALL, length=2.5)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.3, linewidth=0.6)
    axis.set_axisbelow(True)
