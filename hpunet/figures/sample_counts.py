"""GED² against the number of samples, as in the Probabilistic U-Net paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from hpunet.figures.page import writable
from hpunet.figures.style import LINES, PAGE, RESOLUTION, SMALL

# Inches.
_HEIGHT = 3.2
_LEGEND, _COLUMN = 1.9, 1.3
# Positions relative to the tick of a number of samples, with ticks 1 apart: centre and half width
# of the dots, offset of the label of the mean, and range of the published means.
_DOTS, _SPREAD, _VALUE = -0.27, 0.16, 0.18
_FIRST, _LAST = 0.2, 0.45
_BINS = 50
_DOT, _MEAN = LINES[4], "#000000"
_OTHERS = [colour for colour in LINES if colour not in (_DOT, _MEAN)]
_MARKERS = "s^DvP*X<>p"


def ged_by_samples(
    ged: Mapping[int, ArrayLike],
    published: Mapping[str, Mapping[int, float]] | None = None,
    *,
    intervals: Mapping[int, tuple[float, float]] | None = None,
    level: float | None = None,
    name: str = "this model",
    source: str = "published means",
) -> Figure:
    """GED² of every image against the number of samples, with the mean and published means.

    Each image is a dot, jittered horizontally by the density of the values; the mean is marked with
    its value and, if given, its interval.

    Args:
        ged: GED² of each image, `[B]`, by number of samples; values that are not finite are
            skipped.
        published: Mean GED² by number of samples for each published method; numbers of samples
            missing from `ged` are skipped.
        intervals: Low and high end of the confidence interval of the mean, by number of samples;
            intervals that are not finite are skipped.
        level: Confidence level of the intervals, such as 0.95, for the legend.
        name: Name of the model in the legend.
        source: Heading of the published means in the legend.

    Raises:
        ValueError: If `ged` is empty or an array is not of shape `[B]`.

    Example:
        >>> from hpunet import figures
        >>> figure = figures.ged_by_samples({1: [0.8, 0.9], 16: [0.3, 0.4]}, {"other": {16: 0.3}})
        >>> figure.axes[0].get_ylabel()
        'GED² (lower is better)'

    Reference: Kohl et al. 2018, figure of GED² against the number of samples.
    """
    values = {n: np.asarray(ged[n], dtype=np.float64) for n in sorted(ged)}
    if not values or any(scores.ndim != 1 for scores in values.values()):
        shapes = {n: scores.shape for n, scores in values.items()}
        raise ValueError(f"ged {shapes}; allowed is [B] for each of at least one number of samples")
    figure, axis = _plot(list(values))
    others = {
        label: {n: means[n] for n in values if n in means}
        for label, means in (published or {}).items()
    }
    others = {label: means for label, means in others.items() if means}
    # Without published means, the dots are centred on their tick.
    shift, lowest = _DOTS if others else 0.0, 0.0
    for place, (n, scores) in enumerate(values.items()):
        scores = scores[np.isfinite(scores)]
        if len(scores):
            _draw_images(axis, place + shift, scores)
            interval = (intervals or {}).get(n, (np.nan, np.nan))
            _draw_mean(axis, place + shift, scores.mean(), interval)
            lowest = min(lowest, scores.min())
    axis.set_ylim(bottom=lowest - 0.03)
    images = axis.plot([], [], ".", color=_DOT, label=f"{name}, {_num_images(values)}")
    means = axis.plot([], [], "o", color=_MEAN, markersize=4, label=f"{name}, mean")
    if intervals:
        of = "" if level is None else f"{100 * level:g}% "
        means[0].set_label(f"{name}, mean and {of}interval")
    _add_legend(figure, [*images, *means, *_draw_published(axis, list(values), others, source)])
    return figure


def _num_images(values: Mapping[int, NDArray]) -> str:
    """Number of images with a score, or its range over the numbers of samples."""
    counts = sorted(int(np.isfinite(scores).sum()) for scores in values.values())
    least, most = counts[0], counts[-1]
    return f"{least if least == most else f'{least}–{most}'} image{'' if most == 1 else 's'}"


def _add_legend(figure: Figure, lines: Sequence[Line2D]) -> None:
    """Adds the legend at the right of the plot."""
    # matplotlib skips labels that start with "_" and parses others as formulas.
    unnamed = [str(n) for n in range(len(lines))]
    legend = figure.legend(lines, unnamed, loc="outside right upper", fontsize=SMALL, frameon=False)
    for text, line in zip(legend.get_texts(), lines, strict=True):
        text.set(text=writable(str(line.get_label())), parse_math=False)


def _plot(numbers: list[int]) -> tuple[Figure, Axes]:
    """Empty plot with a tick for each number of samples."""
    width = min(PAGE, _LEGEND + _COLUMN * len(numbers))
    figure = Figure(figsize=(width, _HEIGHT), dpi=RESOLUTION, layout="constrained")
    axis = figure.add_subplot()
    axis.set_xticks(range(len(numbers)), [str(n) for n in numbers])
    axis.set_xlim(-0.5, len(numbers) - 0.5)
    axis.set_xlabel("number of samples", fontsize=SMALL + 1)
    axis.set_ylabel("GED² (lower is better)", fontsize=SMALL + 1)
    axis.tick_params(labelsize=SMALL, length=2.5)
    axis.tick_params(axis="x", length=0)
    axis.grid(axis="y", alpha=0.3, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    for border in range(len(numbers) - 1):
        axis.axvline(border + 0.5, color="#CCCCCC", linewidth=0.6)
    return figure, axis


def _draw_images(axis: Axes, middle: float, scores: NDArray) -> None:
    """Draws a dot for each image, jittered more where many have nearly the same score."""
    counts, edges = np.histogram(scores, _BINS)
    crowd = counts[np.clip(np.digitize(scores, edges) - 1, 0, _BINS - 1)] / counts.max()
    jitter = np.random.default_rng(0).uniform(-_SPREAD, _SPREAD, len(scores))
    alpha = float(np.clip(120 / len(scores), 0.2, 0.7))
    # Thousands of dots are slow to display as vectors.
    axis.scatter(
        middle + jitter * np.sqrt(crowd),
        scores,
        s=7,
        color=_DOT,
        alpha=alpha,
        linewidths=0,
        rasterized=True,
    )


def _draw_mean(axis: Axes, middle: float, mean: float, interval: tuple[float, float]) -> None:
    if np.isfinite(interval).all():
        axis.plot([middle] * 2, interval, "_-", color=_MEAN, linewidth=1.2, markersize=7, zorder=4)
    axis.plot([middle], [mean], "o", color=_MEAN, markersize=5, markeredgecolor="white", zorder=5)
    text = axis.text(middle + _VALUE, mean, f"{mean:.2f}", fontsize=SMALL, va="center", zorder=5)
    text.set(weight="bold", path_effects=[patheffects.withStroke(linewidth=2, foreground="white")])


def _draw_published(
    axis: Axes, numbers: list[int], published: Mapping[str, Mapping[int, float]], source: str
) -> list[Line2D]:
    """Draws the means of published methods side by side, and returns the legend's entries."""
    lines = axis.plot([], [], " ", label=f"{source}:") if published else []
    few = len(published) < 2
    offsets = [(_FIRST + _LAST) / 2] if few else np.linspace(_FIRST, _LAST, len(published))
    for k, ((label, means), offset) in enumerate(zip(published.items(), offsets, strict=False)):
        lines += axis.plot(
            [numbers.index(n) + offset for n in means],
            list(means.values()),
            linestyle="",
            marker=_MARKERS[k % len(_MARKERS)],
            color=_OTHERS[k % len(_OTHERS)],
            markersize=5.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
            label=label,
        )
    return lines
