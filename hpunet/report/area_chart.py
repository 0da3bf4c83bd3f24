"""Geometry of the chart of the marked areas of the samples."""

import math
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from hpunet.report.page_image import PageImage
from hpunet.report.wording import plain, round_step

# Dimensions of the chart, in its own units.
WIDTH, HEIGHT, BASE, TOP = 560, 150, 112, 30
_SIDE = 16
_BINS = 48
_TICKS = 5
# Height of a sample in a column; below the least height, columns are bars instead of dots.
_MOST_RISE, _LEAST_RISE = 11.5, 5.0
# The least width of a band with a name.
_NARROW = 64


class AreaAxis(NamedTuple):
    """The range of areas on the horizontal axis."""

    low: float
    high: float

    def place(self, area: float) -> float:
        """The position of an area in the chart."""
        return _SIDE + (WIDTH - 2 * _SIDE) * (area - self.low) / (self.high - self.low)


class AreaSpread(NamedTuple):
    """Mean, standard deviation, 5th and 95th percentile of the areas of all samples."""

    mean: float
    std: float
    low: float
    high: float


class Dot(NamedTuple):
    """One sample: the index of its hypothesis, the centre and the radius."""

    hypothesis: int
    x: float
    y: float
    radius: float


class Bar(NamedTuple):
    """Samples of one colour and similar area: the index of a hypothesis, and a rectangle."""

    hypothesis: int
    x: float
    y: float
    width: float
    height: float


class AreaChart(NamedTuple):
    """The geometry of a chart, in its own units.

    Attributes:
        band: Left end and width of the 5th to 95th percentile.
        band_named: Whether the band has room for its name.
        mean: Position of the mean.
        std: Left and right end of one standard deviation on each side of the mean.
        anchor: Alignment of the label of the mean, as SVG's `text-anchor`.
        dots: One for each sample; empty if there are bars.
        bars: Used instead of dots.
        ticks: Position and number of each tick.
        axis: Left and right end of the axis.
    """

    band: tuple[float, float]
    band_named: bool
    mean: float
    std: tuple[float, float]
    anchor: str
    dots: list[Dot]
    bars: list[Bar]
    ticks: list[tuple[float, str]]
    axis: tuple[int, int] = (_SIDE, WIDTH - _SIDE)


def area_spread(areas: ndarray) -> AreaSpread:
    """The spread of areas; samples that mark nothing count as 0."""
    low, high = np.percentile(areas, [5, 95])
    return AreaSpread(float(areas.mean()), float(areas.std()), float(low), float(high))


def area_chart(page_image: PageImage, num_colours: int) -> AreaChart | None:
    """The distribution of the area over all samples.

    None for a single sample, or if all samples are empty.

    Args:
        page_image: The image.
        num_colours: Hypotheses whose indices are equal modulo this number share a bar.
    """
    areas = page_image.areas
    if len(areas) == 1 or not areas.any():
        return None
    axis, spread = _axis(areas), area_spread(areas)
    low, high, mean = (axis.place(value) for value in (spread.low, spread.high, spread.mean))
    width = max(high - low, 1.0)
    dots, bars = _columns(page_image, axis, num_colours)
    return AreaChart(
        band=(low, width),
        band_named=width > _NARROW,
        mean=mean,
        std=(
            axis.place(max(axis.low, spread.mean - spread.std)),
            axis.place(min(axis.high, spread.mean + spread.std)),
        ),
        anchor="start" if mean < WIDTH / 3 else "end" if mean > 2 * WIDTH / 3 else "middle",
        dots=dots,
        bars=bars,
        ticks=_ticks(axis),
    )


def _axis(areas: ndarray) -> AreaAxis:
    """From 0, unless all areas are large and similar."""
    least, most = float(areas.min()), float(areas.max())
    if least < most / 2:
        return AreaAxis(0.0, most)
    margin = max(0.1 * (most - least), 0.02 * most)
    return AreaAxis(least - margin, most + margin)


def _columns(
    page_image: PageImage, axis: AreaAxis, num_colours: int
) -> tuple[list[Dot], list[Bar]]:
    """Stacked dots, one for each sample, or bars where dots do not fit."""
    step = (axis.high - axis.low) / _BINS
    bins = np.minimum(((page_image.areas - axis.low) / step).round().astype(int), _BINS)
    rise = min(_MOST_RISE, (BASE - TOP) / int(np.bincount(bins).max()))
    hypotheses = np.array(page_image.hypothesis_of)
    dots: list[Dot] = []
    bars: list[Bar] = []
    for column in np.unique(bins):
        stacked = sorted(hypotheses[bins == column].tolist())
        middle = axis.place(axis.low + column * step)
        if rise < _LEAST_RISE:
            bars += _stack_bars([h % num_colours for h in stacked], middle, rise)
        else:
            centres = (BASE - rise * (n + 0.5) for n in range(len(stacked)))
            dots += [Dot(h, middle, y, 0.44 * rise) for h, y in zip(stacked, centres, strict=True)]
    return dots, bars


def _stack_bars(colours: list[int], middle: float, rise: float) -> list[Bar]:
    width, bars, top = 0.8 * (WIDTH - 2 * _SIDE) / _BINS, [], 0
    for colour in dict.fromkeys(colours):
        number = colours.count(colour)
        top += number
        bars.append(Bar(colour, middle - width / 2, BASE - rise * top, width, rise * number))
    return bars


def _ticks(axis: AreaAxis) -> list[tuple[float, str]]:
    step = round_step((axis.high - axis.low) / (_TICKS - 1))
    first = math.ceil(axis.low / step - 1e-9)
    values = [n * step for n in range(first, math.floor(axis.high / step + 1e-9) + 1)]
    return [(axis.place(value), plain(value)) for value in values]
