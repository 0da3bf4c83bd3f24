"""Draws the points of `growth.py` as a figure."""

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from hpunet.figures.style import FONT, LINES, SMALL, WIDTH

HEIGHT = 4.4
MEBI = 2**20
Points = Sequence[dict[str, Any]]

# Varied quantities with their labels and positions on the axis.
VARIED: dict[str, tuple[str, str]] = {
    "batch": ("batch size", "batch_size"),
    "size": ("height and width, pixels", "size"),
    "levels": ("levels", "num_levels"),
    "samples": ("samples of an image", "num_samples"),
    "devices": ("devices", "num_devices"),
}
# Quantities whose costs vary by small factors.
LINEAR = ("levels", "devices")
SLOPE = "in proportion"


def draw(points: Points) -> Figure:
    """Draws time (top) and memory (bottom) for each varied quantity.

    For devices, it draws number and bytes of collectives instead. Both axes are logarithmic, except
    for levels and devices, whose vertical axes start at zero. The dashed line starts at the first
    point and is proportional to the varied quantity, or to the number of pixels.
    """
    parts = [part for part in VARIED if any(p["part"] == part for p in points)]
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    grid = figure.subplots(2, len(parts), squeeze=False)
    for column, part in enumerate(parts):
        # Points that vary the levels with several devices are only in the table.
        chosen = [p for p in points if p["part"] == part and p["kind"] != "asked"]
        upper, lower = grid[:, column]
        if part == "devices":
            plot(upper, part, chosen, collectives)
            plot(lower, part, chosen, lambda p: in_mebibytes(p.get("result_bytes")))
            title(upper, "collectives of a step")
            title(lower, "collectives' results, MiB")
        else:
            plot(upper, part, chosen, milliseconds)
            plot(lower, part, chosen, lambda p: in_mebibytes(p.get("planned_bytes")))
            title(upper, "all samples, ms" if part == "samples" else "training step, ms")
            title(lower, "memory planned, MiB")
        lower.set_xlabel(VARIED[part][0], fontsize=FONT)
        if upper.get_legend_handles_labels()[1]:
            upper.legend(fontsize=SMALL, frameon=False)
    return figure


def milliseconds(point: dict[str, Any]) -> float | None:
    """Returns the time of a point if it ran."""
    seconds = point.get("seconds")
    return None if seconds is None else 1000 * seconds


def in_mebibytes(number: int | None) -> float | None:
    """Returns the bytes of a point in MiB if they are known."""
    return None if number is None else number / MEBI


def collectives(point: dict[str, Any]) -> int | None:
    """Returns the number of collectives of a point if it was compiled."""
    return len(point["collectives"]) if "collectives" in point else None


def plot(
    axis: Axes, part: str, points: Points, value: Callable[[dict[str, Any]], float | None]
) -> None:
    """Plots a curve, and the line of slope one from its first point."""
    name, ticks = VARIED[part][1], [p[VARIED[part][1]] for p in points]
    known = [(p[name], y) for p in points if (y := value(p)) is not None]
    # There are no points between two numbers of devices.
    style = {"linestyle": "none" if part == "devices" else "-", "color": LINES[0]}
    x, y = zip(*known, strict=True) if known else ((), ())
    axis.plot(x, y, marker="o", markersize=3, clip_on=False, zorder=3, **style)
    axis.set_xscale("log")
    if part in LINEAR or not known:
        axis.set_ylim(0, 1.1 * max([*y, 1]))
    else:
        axis.set_yscale("log")
        draw_slope(axis, known, 2 if part == "size" else 1)
    axis.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=SMALL)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.tick_params(axis="y", labelsize=SMALL)
    axis.grid(alpha=0.25)


def draw_slope(axis: Axes, known: Sequence[tuple[float, float]], power: int) -> None:
    """Draws the line of a cost proportional to a power of the varied quantity."""
    (first, low), (last, _) = known[0], known[-1]
    ends = [low, low * (last / first) ** power]
    axis.plot([first, last], ends, "--", color="0.6", linewidth=1, zorder=0, label=SLOPE)


def title(axis: Axes, text: str) -> None:
    """Returns the title of the vertical axis."""
    axis.set_title(text, fontsize=FONT)
