"""How the marked area varies from sample to sample."""

import math
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from hpunet.report.drawing import Case, colour_class, hypothesis_of
from hpunet.report.markup import Markup, tag
from hpunet.report.shown import Shown
from hpunet.report.wording import mean_text, plain, round_step

# Of the drawing, in its own units.
_WIDTH, _HEIGHT, _BASE, _SIDE = 560, 150, 112, 16
_BINS = 48
_TICKS = 5
# How much one sample raises a column; where there is less room than for dots, columns are bars.
_MOST_RISE, _LEAST_RISE = 11.5, 5.0
_TOP = 30
# The least width of a band with words in it.
_NARROW = 64


class Axis(NamedTuple):
    """Areas from left to right."""

    low: float
    high: float

    def place(self, area: float) -> float:
        """Where an area lies in the drawing."""
        return _SIDE + (_WIDTH - 2 * _SIDE) * (area - self.low) / (self.high - self.low)


class Spread(NamedTuple):
    """Mean, standard deviation, 5th and 95th percentile of the areas of all samples."""

    mean: float
    std: float
    low: float
    high: float


def area_spread(areas: ndarray) -> Spread:
    """The spread of areas; samples that mark nothing count as 0."""
    low, high = np.percentile(areas, [5, 95])
    return Spread(float(areas.mean()), float(areas.std()), float(low), float(high))


def areas(case: Case) -> Markup:
    """The distribution of the area over all samples, in words and as a drawing."""
    shown = case.shown
    words = tag("p", *_words(shown))
    if len(shown.areas) == 1 or not shown.areas.any():
        return tag("section", tag("h3", "Marked area"), words, class_="areas")
    axis = _axis(shown.areas)
    drawing = tag(
        "svg",
        *_spread(axis, area_spread(shown.areas)),
        *_columns(case, axis),
        *_ticks(axis, shown.unit),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"Distribution of the area over {len(shown.areas)} samples",
    )
    return tag("section", tag("h3", "Marked area"), words, drawing, class_="areas")


def empty_text(shown: Shown) -> str:
    """How many samples mark nothing, in words."""
    total = len(shown.samples)
    empty = total - int(shown.samples.any(axis=(1, 2)).sum())
    if total == 1:
        return "The sample outlines nothing." if empty else ""
    if empty in (0, total):
        return f"All {total} samples outline {'nothing' if empty else 'something'}."
    return f"{empty} of {total} samples outline{'s' if empty == 1 else ''} nothing."


def _words(shown: Shown) -> list[Markup | str]:
    spread, unit = area_spread(shown.areas), shown.unit
    empty = empty_text(shown)
    if not shown.areas.any():
        return [empty]
    if len(shown.areas) == 1:
        return [tag("b", f"{plain(spread.mean)} {unit}"), " in the one sample."]
    return [
        "Mean ",
        tag("b", f"{plain(spread.mean)} {unit}"),
        f", standard deviation {plain(spread.std)} {unit}, 5th to 95th percentile "
        f"{plain(spread.low)} to {plain(spread.high)} {unit}. {empty}",
        *_without_empty(shown),
    ]


def _without_empty(shown: Shown) -> list[str]:
    """The area of the samples that mark anything, where others mark nothing."""
    marked = shown.areas[shown.areas > 0]
    if len(marked) == len(shown.areas):
        return []
    return [f" Counted as 0; the others have {area_text(marked)} {shown.unit}."]


def area_text(areas: ndarray) -> str:
    """Mean and standard deviation of areas, or the one area."""
    return mean_text(float(areas.mean()), float(areas.std()), len(areas))


def _axis(values: ndarray) -> Axis:
    """From 0, unless all areas are large and alike."""
    least, most = float(values.min()), float(values.max())
    if least < most / 2:
        return Axis(0.0, most)
    margin = max(0.1 * (most - least), 0.02 * most)
    return Axis(least - margin, most + margin)


def _columns(case: Case, axis: Axis) -> list[Markup]:
    """Dots one above the other, one a sample, or bars where they would not fit."""
    step = (axis.high - axis.low) / _BINS
    bins = np.minimum(((case.shown.areas - axis.low) / step).round().astype(int), _BINS)
    tallest = int(np.bincount(bins).max())
    rise = min(_MOST_RISE, (_BASE - _TOP) / tallest)
    groups = hypothesis_of(case.shown)
    marks = []
    for column in np.unique(bins):
        found = sorted(groups[int(s)] for s in np.flatnonzero(bins == column))
        middle = axis.place(axis.low + column * step)
        marks += _column([colour_class(case, h) for h in found], middle, rise)
    return marks


def _column(colours: list[str], middle: float, rise: float) -> list[Markup]:
    if rise >= _LEAST_RISE:
        return [
            tag(
                "circle",
                class_=c,
                cx=f"{middle:.1f}",
                cy=f"{_BASE - rise * (n + 0.5):.1f}",
                r=f"{0.44 * rise:.1f}",
            )
            for n, c in enumerate(colours)
        ]
    width, marks, bottom = 0.8 * (_WIDTH - 2 * _SIDE) / _BINS, [], 0
    for colour in dict.fromkeys(colours):
        number = colours.count(colour)
        bottom += number
        place = {"x": f"{middle - width / 2:.1f}", "y": f"{_BASE - rise * bottom:.1f}"}
        size = {"width": f"{width:.1f}", "height": f"{rise * number:.1f}"}
        marks.append(tag("rect", class_=colour, **place, **size))
    return marks


def _spread(axis: Axis, spread: Spread) -> list[Markup]:
    """A band from the 5th to the 95th percentile, a line at the mean, a bar of one std a side."""
    low, high, mean = (axis.place(value) for value in (spread.low, spread.high, spread.mean))
    left = axis.place(max(axis.low, spread.mean - spread.std))
    right = axis.place(min(axis.high, spread.mean + spread.std))
    anchor = "start" if mean < _WIDTH / 3 else "end" if mean > 2 * _WIDTH / 3 else "middle"
    band = max(high - low, 1.0)
    return [
        tag(
            "rect",
            class_="range",
            x=f"{low:.1f}",
            y=_TOP - 6,
            width=f"{band:.1f}",
            height=_BASE - _TOP + 6,
        ),
        tag("path", class_="mean", d=f"M{mean:.1f} 18V{_BASE}M{left:.1f} 18H{right:.1f}"),
        tag("text", "5 to 95 %", x=f"{high - 5:.1f}", y=_TOP + 8, text_anchor="end")
        if band > _NARROW
        else Markup(""),
        tag("text", "mean ± std", x=f"{mean:.1f}", y=11, text_anchor=anchor),
    ]


def _ticks(axis: Axis, unit: str) -> list[Markup]:
    step = round_step((axis.high - axis.low) / (_TICKS - 1))
    first = math.ceil(axis.low / step - 1e-9)
    values = [n * step for n in range(first, math.floor(axis.high / step + 1e-9) + 1)]
    line = tag("path", class_="axis", d=f"M{_SIDE} {_BASE}H{_WIDTH - _SIDE}")
    numbers = [
        tag("text", plain(v), x=f"{axis.place(v):.1f}", y=_BASE + 16, text_anchor="middle")
        for v in values
    ]
    title = tag("text", f"area in {unit}", x=_WIDTH / 2, y=_HEIGHT - 4, text_anchor="middle")
    return [line, *numbers, title]
