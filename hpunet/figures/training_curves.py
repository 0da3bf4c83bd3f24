"""Training curves: losses, KL terms, the multiplier and validation scores by step."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from hpunet.figures.style import LINES, PAGE, RESOLUTION, SMALL

# Inches.
_HEIGHT = 1.5
# From this number of points on, a running mean over a 30th of the points is drawn.
_MANY = 60
_PARTS = 30
_RAW = "#B0B0B0"
# Label, marker and line style of the curves of validation panels.
_SCORES = {
    "val/ged": ("", "o", "-"),
    "val/hungarian_iou": ("Hungarian-matched", "o", "-"),
    "val/reconstruction_iou": ("reconstruction", "s", "--"),
}


class _Curve(NamedTuple):
    """Values `[N]` of a key and their steps `[N]`."""

    key: str
    steps: NDArray
    values: NDArray


def training_curves(metrics: Sequence[Mapping[str, Any]], *, kappa: float | None = None) -> Figure:
    """Training curves from the lines of `metrics.jsonl`.

    There is a panel for each of the reconstruction loss per kept pixel, the multiplier, the KL
    summed over all scales, the KL of each scale (scale 0 is the coarsest), and, from two
    evaluations on, the validation scores. Long noisy curves are drawn in a light colour under their
    running mean; the highest 1 % of their values may exceed the axis, which a note below the
    panels states. All vertical axes start at 0 except that of the multiplier.

    Args:
        metrics: The lines, each with `step`; values that are None, not finite or missing are
            skipped.
        kappa: Target of GECO for the reconstruction loss, in nats per kept pixel, drawn as a line;
            None draws no line.

    Raises:
        ValueError: If no line has a finite value of any of these keys.

    Example:
        >>> from hpunet import figures
        >>> lines = [{"step": 1, "kl_sum": 2.0, "kl_0": 0.5}, {"step": 2, "kl_sum": 1.5}]
        >>> [axes.get_title() for axes in figures.training_curves(lines).axes]
        ['KL of all scales', 'KL of scale 0 (coarsest)']

    Reference: Kohl et al. 2019, figure of the training curves of ten runs.
    """
    keys = {key for line in metrics for key in line}
    scales = sorted(int(key[3:]) for key in keys if key[:3] == "kl_" and key[3:].isdecimal())
    wanted = {
        "reconstruction": ["rec_loss_mean"],
        "multiplier": ["lagrange_multiplier"],
        "KL of all scales": ["kl_sum"],
        **{f"KL of scale {i}{' (coarsest)' if i == 0 else ''}": [f"kl_{i}"] for i in scales},
        "validation GED²": ["val/ged"],
        "validation IoU": ["val/hungarian_iou", "val/reconstruction_iou"],
    }
    panels = {title: _curves(metrics, names) for title, names in wanted.items()}
    panels = {title: curves for title, curves in panels.items() if curves}
    if not panels:
        names = sorted({name for names in wanted.values() for name in names} | {"kl_0"})
        raise ValueError(
            f"metrics of length {len(metrics)} has the keys {sorted(keys)}; at least one of "
            f"{names} must have a finite value, a validation score two"
        )
    figure, axes = _plot_axes(list(panels), max(line["step"] for line in metrics))
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        _draw(axis, title, curves)
    if kappa is not None and "reconstruction" in panels:
        axes[0].axhline(kappa, color="#000000", linestyle="--", linewidth=1, label=f"κ = {kappa:g}")
        axes[0].legend(fontsize=SMALL, framealpha=0.8, edgecolor="none", loc="upper right")
    smoothed = max(_mean_width(len(c.values)) for curves in panels.values() for c in curves)
    note = f" (light: as logged; dark: mean over {smoothed} logged values)" if smoothed > 1 else ""
    outside = sum(map(_num_outside, axes, panels.values()))
    outside_note = f"; logged values outside the axes: {outside}" if outside else ""
    figure.supxlabel(f"step{note}{outside_note}", fontsize=SMALL)
    return figure


def _curves(metrics: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[_Curve]:
    """Curves of the keys with enough finite values; validation scores need two."""
    curves = []
    for key in keys:
        lines = [line for line in metrics if line.get(key) is not None]
        lines = [line for line in lines if math.isfinite(line[key])]
        if len(lines) >= (2 if key in _SCORES else 1):
            steps, values = (np.array([line[name] for line in lines]) for name in ("step", key))
            curves.append(_Curve(key, steps, values))
    return curves


def _plot_axes(titles: list[str], last: int) -> tuple[Figure, list[Axes]]:
    """Figure with a plot per title, in the three or four columns that leave fewer gaps."""
    columns = min(len(titles), min((4, 3), key=lambda number: -len(titles) % number))
    rows = -(-len(titles) // columns)
    size = (PAGE, _HEIGHT * rows + 0.2)
    figure = Figure(figsize=size, dpi=RESOLUTION, layout="constrained")
    axes = [figure.add_subplot(rows, columns, n + 1) for n in range(len(titles))]
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=SMALL + 1)
        axis.tick_params(labelsize=SMALL, length=2.5, pad=2)
        # Keeps the last point clear of the edge.
        axis.set_xlim(0, 1.03 * max(last, 1))
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
        axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.grid(alpha=0.3, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw(axis: Axes, title: str, curves: Sequence[_Curve]) -> None:
    """Draws the curves of a panel and sets its vertical axis."""
    unit = {"reconstruction": "nats per kept pixel", "multiplier": ""}
    axis.set_ylabel(unit.get(title, "nats" if title.startswith("KL") else ""), fontsize=SMALL)
    for curve, colour in zip(curves, LINES, strict=False):
        if curve.key in _SCORES:
            name, marker, line = _SCORES[curve.key]
            axis.plot(*curve[1:], line, marker=marker, color=colour, label=name, markersize=3)
        elif title == "multiplier":
            axis.plot(*curve[1:], color=colour, marker="." if len(curve.values) == 1 else "")
        else:
            _draw_noisy(axis, curve, colour)
    if title == "multiplier":
        axis.ticklabel_format(axis="y", useOffset=False)
    elif title == "validation IoU":
        axis.set_ylim(0, 1.05)
    else:
        axis.set_ylim(0, 1.08 * max(_top(curve.values) for curve in curves) or 1)
    if len(curves) > 1:
        # Fits into a panel of four columns.
        axis.legend(
            fontsize=SMALL,
            framealpha=0.8,
            edgecolor="none",
            loc="lower right",
            handlelength=1.3,
            handletextpad=0.4,
            borderpad=0.1,
            borderaxespad=0.2,
        )


def _num_outside(axis: Axes, curves: Sequence[_Curve]) -> int:
    """Number of values of a panel outside the range of its vertical axis."""
    low, high = axis.get_ylim()
    return sum(int(((curve.values < low) | (curve.values > high)).sum()) for curve in curves)


def _draw_noisy(axis: Axes, curve: _Curve, colour: str) -> None:
    """Draws a curve, and its running mean if it has many points."""
    width = _mean_width(len(curve.values))
    if width == 1:
        axis.plot(*curve[1:], color=colour, linewidth=1.2, marker=".", markersize=3)
        return
    axis.plot(*curve[1:], color=_RAW, linewidth=0.4)
    axis.plot(curve.steps, _running_mean(curve.values, width), color=colour, linewidth=1.4)


def _mean_width(points: int) -> int:
    """Odd width of the running mean in points; 1 for a curve of few points."""
    return 1 if points < _MANY else 2 * (points // _PARTS // 2) + 1


def _running_mean(values: NDArray, width: int) -> NDArray:
    """Mean around each value, over fewer values at the ends."""
    ones = np.ones(width)
    return np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")


def _top(values: NDArray) -> float:
    """Upper limit of a curve on the axis; excludes the highest 1 % of many values."""
    width = _mean_width(len(values))
    if width == 1:
        return float(values.max())
    return float(max(np.percentile(values, 99), _running_mean(values, width).max()))
