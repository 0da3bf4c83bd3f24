"""Calibration of samples: of single pixels and of whole masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from hpunet.figures.style import LINES, PAGE, RESOLUTION, SMALL
from hpunet.metrics import Calibration, Estimate, ModeEstimate, expected_calibration_error

_HEIGHT = 4.3
_BARS = "#A8A8A8"
# Horizontal offset of the two bars of a mode, so that they do not overlap.
_OFFSET = 0.016
_SAMPLES = {"color": LINES[1], "marker": "s"}
_ANNOTATORS = {"color": LINES[6], "marker": "D", "markerfacecolor": "white"}


def calibration_plot(calibration: Calibration, modes: Sequence[ModeEstimate]) -> Figure:
    """Two plots: calibration of the pixelwise mean of the samples, and of whole masks.

    The left plot shows the share of annotators who mark a pixel against the share of samples that
    do, with the number of pixels of each bin below. Both shares agree on the dashed diagonal. With
    few annotators and samples the shares are noisy, and even the curve of a perfect sampler bends
    from the diagonal toward the middle.

    The right plot holds out each annotator in turn. It shows the share of samples and of held-out
    annotators nearest to a mode against the share of the other annotators who chose it, and the
    number of modes below. Intervals over patients are drawn for estimates of at least 10 patients,
    as they are too narrow for fewer. A perfect sampler agrees with the held-out annotators, which
    are equally noisy; it does not lie on a fixed line.

    Args:
        calibration: Sums over all images, `[N]`, from `hpunet.metrics.calibration`.
        modes: Estimates from `hpunet.metrics.estimate_modes`.

    Raises:
        ValueError: If shapes do not match or there is no pixel.

    Example:
        >>> import numpy as np
        >>> from hpunet import figures, metrics
        >>> samples, annotations = np.random.default_rng(0).integers(0, 2, (2, 4, 3, 8, 8))
        >>> sums = metrics.calibration(samples, annotations)
        >>> modes = metrics.held_out_frequencies(samples, annotations)
        >>> figure = figures.calibration_plot(
        ...     metrics.Calibration(*(part.sum(axis=0) for part in sums)),
        ...     metrics.estimate_modes(modes, ["p1", "p1", "p2"]),
        ... )
        >>> print(figure.get_figwidth(), "inches")
        7.0 inches
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
    """Plots the share of annotators against that of samples, and the pixels of each bin."""
    some = sums.pixels > 0
    predicted, observed = (part[some] / sums.pixels[some] for part in sums[1:])
    _square(axis, "pixels", "share of annotators who mark a pixel")
    axis.plot([0, 1], [0, 1], color="#000000", linestyle="--", linewidth=0.8)
    axis.plot(predicted, observed, "o-", color=LINES[0], markersize=4, linewidth=1.2)
    error = float(expected_calibration_error(sums))
    axis.text(0.02, 0.98, f"expected calibration error {error:.2g}", va="top", fontsize=SMALL)
    edges = np.linspace(0, 1, len(sums.pixels) + 1)
    _draw_counts(below, (edges[:-1] + edges[1:]) / 2, sums.pixels, 0.95 / len(sums.pixels))
    below.set_xlabel("share of samples that mark a pixel", fontsize=SMALL + 1)
    below.set_ylabel("pixels", fontsize=SMALL + 1)


def _draw_modes(axis: Axes, below: Axes, modes: Sequence[ModeEstimate]) -> None:
    """Plots the shares of samples and held-out annotators against the chosen share."""
    _square(axis, "modes (each annotator held out in turn)", "share nearest to the mode")
    positions = np.array([mode.chosen for mode in modes])
    drawn, held_out = [mode.drawn for mode in modes], [mode.held_out for mode in modes]
    expected = "held-out annotators\n(expected of a perfect sampler)"
    if modes:
        intervals = _draw_shares(axis, positions - _OFFSET, drawn, _SAMPLES, "samples")
        intervals += _draw_shares(axis, positions + _OFFSET, held_out, _ANNOTATORS, expected)
        title = "mean and interval over patients" if intervals else "mean"
        legend = axis.legend(title=title, loc="best", fontsize=SMALL, title_fontsize=SMALL)
        legend.set(alignment="left")
        legend.get_frame().set(alpha=0.8, edgecolor="none")
    else:
        axis.text(0.02, 0.98, "no modes", va="top", fontsize=SMALL)
    counts = np.array([mode.num_modes for mode in modes])
    _draw_counts(below, positions, counts, 0.06)
    for position, count in zip(positions, counts, strict=True):
        below.text(position, count, f"{count}", ha="center", va="bottom", fontsize=SMALL)
    below.set_xlabel("share of the other annotators who chose the mode", fontsize=SMALL + 1)
    below.set_ylabel("modes", fontsize=SMALL + 1)


def _draw_shares(
    axis: Axes, positions: NDArray, shares: Sequence[Estimate], style: dict[str, Any], label: str
) -> int:
    """Plots means with their reliable intervals and returns the number of these."""
    reliable = [n for n, share in enumerate(shares) if share.is_interval_reliable]
    for n in reliable:
        # Not drawn as error bars: the mean may lie outside its interval.
        ends = shares[n].low, shares[n].high
        bar = axis.plot([positions[n]] * 2, ends, "_-", color=style["color"], linewidth=1.2)
        bar[0].set(markersize=6)
    means = [share.value for share in shares]
    axis.plot(positions, means, linestyle="", markersize=4.5, label=label, **style)
    return len(reliable)


def _draw_counts(axis: Axes, positions: NDArray, counts: NDArray, width: float) -> None:
    """Draws counts as bars on a logarithmic axis."""
    _plain(axis)
    axis.bar(positions, counts, width, color=_BARS)
    axis.set_yscale("log")
    # Leaves room for a number above the highest bar.
    axis.set_ylim(0.7, 8.0 * max(counts, default=1))
    axis.yaxis.set_major_locator(LogLocator(numticks=4))
    # Exponents of powers of ten would be too small to read.
    axis.yaxis.set_major_formatter(EngFormatter(sep=""))
    axis.yaxis.set_minor_locator(NullLocator())


def _square(axis: Axes, title: str, vertical: str) -> None:
    """Sets up axes of two shares."""
    _plain(axis)
    axis.set_title(title, fontsize=SMALL + 2)
    axis.set_ylabel(vertical, fontsize=SMALL + 1)
    axis.set_ylim(-0.03, 1.03)
    axis.tick_params(labelbottom=False)


def _plain(axis: Axes) -> None:
    axis.set_xlim(-0.03, 1.03)
    axis.tick_params(labelsize=SMALL, length=2.5)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.3, linewidth=0.6)
    axis.set_axisbelow(True)
