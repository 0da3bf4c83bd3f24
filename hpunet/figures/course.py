"""The course of a training."""

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
# From so many points on, their mean over one part in 30 of them runs along.
_MANY = 60
_PARTS = 30
_RAW = "#B0B0B0"
# A validation panel's curves: names, markers, lines.
_SCORES = {
    "val/ged": ("", "o", "-"),
    "val/hungarian_iou": ("Hungarian-matched", "o", "-"),
    "val/reconstruction_iou": ("reconstruction", "s", "--"),
}


class _Curve(NamedTuple):
    """Values `[N]` of a key and the steps they belong to."""

    key: str
    steps: NDArray
    values: NDArray


def training_course(metrics: Sequence[Mapping[str, Any]], *, kappa: float | None = None) -> Figure:
    """The course of a training, from the lines of its `metrics.jsonl`.

    One panel each for the reconstruction loss per kept pixel, the multiplier, the KL in all, the KL
    of each scale, scale 0 the coarsest, and, from two evaluations on, the validation scores. Many
    noisy points are drawn light under their running mean, and the highest hundredth of them may lie
    above the axis, which the foot then says. All axes but the multiplier's begin at 0.

    Args:
        metrics: The lines, each with `step`; what is None, not finite or missing leaves no point.
        kappa: The reconstruction loss per kept pixel that GECO aims at, in nats, drawn as a line.

    Raises:
        ValueError: If there is nothing to draw: no line holds a finite value of these.

    Reference: Kohl et al. 2019, the figure of the course of ten runs.
    """
    keys = {key for line in metrics for key in line}
    scales = sorted(int(key[3:]) for key in keys if key[:3] == "kl_" and key[3:].isdecimal())
    wanted = {
        "reconstruction": ["rec_loss_mean"],
        "multiplier": ["lagrange_multiplier"],
        "KL in all": ["kl_sum"],
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
    outside_note = f"; logged values off the axes: {outside}" if outside else ""
    figure.supxlabel(f"step{note}{outside_note}", fontsize=SMALL)
    return figure


def _curves(metrics: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[_Curve]:
    """What there is of keys; one evaluation alone makes no curve."""
    curves = []
    for key in keys:
        lines = [line for line in metrics if line.get(key) is not None]
        lines = [line for line in lines if math.isfinite(line[key])]
        if len(lines) >= (2 if key in _SCORES else 1):
            steps, values = (np.array([line[name] for line in lines]) for name in ("step", key))
            curves.append(_Curve(key, steps, values))
    return curves


def _plot_axes(titles: list[str], last: int) -> tuple[Figure, list[Axes]]:
    """A figure of one plot a title, three or four in a row, whichever leaves fewer places empty."""
    columns = min(len(titles), min((4, 3), key=lambda number: -len(titles) % number))
    rows = -(-len(titles) // columns)
    size = (PAGE, _HEIGHT * rows + 0.2)
    figure = Figure(figsize=size, dpi=RESOLUTION, layout="constrained")
    axes = [figure.add_subplot(rows, columns, n + 1) for n in range(len(titles))]
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=SMALL + 1)
        axis.tick_params(labelsize=SMALL, length=2.5, pad=2)
        # The last point stands clear of the edge.
        axis.set_xlim(0, 1.03 * max(last, 1))
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
        axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.grid(alpha=0.3, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw(axis: Axes, title: str, curves: Sequence[_Curve]) -> None:
    """The curves of a panel, and its vertical axis."""
    unit = {"reconstruction": "nats a kept pixel", "multiplier": ""}
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
        # No broader than a panel of four in a row.
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
    """How many values of a panel's curves its vertical axis does not reach."""
    low, high = axis.get_ylim()
    return sum(int(((curve.values < low) | (curve.values > high)).sum()) for curve in curves)


def _draw_noisy(axis: Axes, curve: _Curve, colour: str) -> None:
    """A curve, under its running mean where there are many points."""
    width = _mean_width(len(curve.values))
    if width == 1:
        axis.plot(*curve[1:], color=colour, linewidth=1.2, marker=".", markersize=3)
        return
    axis.plot(*curve[1:], color=_RAW, linewidth=0.4)
    axis.plot(curve.steps, _running_mean(curve.values, width), color=colour, linewidth=1.4)


def _mean_width(points: int) -> int:
    """Over how many points, an odd number, the mean runs; 1 where there are few."""
    return 1 if points < _MANY else 2 * (points // _PARTS // 2) + 1


def _running_mean(values: NDArray, width: int) -> NDArray:
    """The mean about each value, over fewer at the ends."""
    ones = np.ones(width)
    return np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")


def _top(values: NDArray) -> float:
    """What the axis must hold of a curve: of many values not the highest hundredth."""
    width = _mean_width(len(values))
    if width == 1:
        return float(values.max())
    return float(max(np.percentile(values, 99), _running_mean(values, width).max()))
