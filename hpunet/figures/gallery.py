"""Pages of images of any shapes in rows, with captions below them and legends at the foot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hpunet.figures.page import Page, fitted, shortened, text_width
from hpunet.figures.style import SMALL, WIDTH

# Inches: gaps around images; height of a line of text; width of a legend entry without its text.
_GAP, _LINE, _SAMPLE = 0.14, 0.135, 0.5
# Largest ratio of height to width at which an image fills its column.
_TALLEST = 1.1
_MOST_COLUMNS, _LEAST_COLUMNS, _NAME_INCHES = 6, 3, 2.5
# The colours of more entries would not be distinguishable.
_MOST_ENTRIES = 40
_FRAME, _GREY = "#8C8C8C", "#606060"


class Caption(NamedTuple):
    """Caption of an image, with one line for each part.

    Attributes:
        name: Name of the image; shortened in the middle to fit.
        size: Text on the size of the image.
        listed: Names to list; only as many are written as fit on a line.
        remark: Remark on the listed names.
    """

    name: str
    size: str
    listed: Sequence[str]
    remark: str

    @property
    def lines(self) -> int:
        """Number of lines."""
        return 3 if self.listed else 2


def gallery(
    shapes: Sequence[tuple[int, int]],
    captions: Sequence[Caption],
    legends: Sequence[Sequence[Line2D]],
) -> tuple[Figure, list[Axes]]:
    """Figure with empty axes for each image.

    Args:
        shapes: Heights and widths of the images; only their ratios matter.
        captions: Captions of the images.
        legends: Groups of labelled lines; each group is a legend of its own at the foot.

    Returns:
        The figure, and the axes of each image.
    """
    columns = _columns(len(shapes))
    wide = (WIDTH - _GAP) / max(_LEAST_COLUMNS, columns) - _GAP
    page_wide = max(columns, _LEAST_COLUMNS - 1) * (wide + _GAP) + _GAP
    rows = [range(n, min(n + columns, len(shapes))) for n in range(0, len(shapes), columns)]
    sizes = [_within(shape, wide) for shape in shapes]
    talls = [max(sizes[n][1] for n in row) for row in rows]
    texts = [max(captions[n].lines for n in row) * _LINE for row in rows]
    foot = [_Legend.of(lines, page_wide - 2 * _GAP) for lines in legends if lines]
    tall = sum(talls) + sum(texts) + (len(rows) + 1) * _GAP + sum(group.tall for group in foot)
    page = Page(page_wide, tall)
    axes, top = [], _GAP
    for row, row_tall, text in zip(rows, talls, texts, strict=True):
        for column, number in enumerate(row):
            left = _GAP + column * (wide + _GAP)
            own_wide, own_tall = sizes[number]
            corner = left + (wide - own_wide) / 2, top + row_tall - own_tall
            axis = page.axes(*corner, own_wide, own_tall)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(color=_FRAME, linewidth=0.5)
            axes.append(axis)
            _write(page, captions[number], left + wide / 2, top + row_tall, wide + _GAP / 2)
        top += row_tall + text + _GAP
    for group in foot:
        group.draw(page.figure, _GAP / page_wide, 1 - top / tall)
        top += group.tall
    return page.figure, axes


def _columns(count: int) -> int:
    """Number of columns: somewhat more than rows, with the last row as full as possible."""
    about = min(_MOST_COLUMNS, math.ceil(math.sqrt(1.5 * count)))
    near = range(max(1, about - 1), min(_MOST_COLUMNS, about + 1) + 1)
    return min(near, key=lambda columns: (-count % columns, abs(columns - about)))


def _within(shape: tuple[int, int], wide: float) -> tuple[float, float]:
    """Width and height in inches at which an image keeps its aspect ratio."""
    height, width = shape
    scale = min(wide / width, wide * _TALLEST / height)
    return width * scale, height * scale


def _write(page: Page, caption: Caption, x: float, y: float, wide: float) -> None:
    lines: list[tuple[Iterable[str], dict[str, Any]]] = [
        (shortened(caption.name), {}),
        ([caption.size], {"color": _GREY}),
    ]
    if caption.listed:
        lines.append((_listed(caption.listed, caption.remark), {"style": "italic"}))
    for number, (texts, style) in enumerate(lines):
        text = fitted(texts, wide, **style)
        page.write(x, y + 0.03 + number * _LINE, text, ha="center", va="top", **style)


def _listed(names: Sequence[str], remark: str) -> Iterator[str]:
    yield f"{', '.join(names)}: {remark}"
    for count in range(len(names) - 1, 0, -1):
        yield f"{', '.join(names[:count])} and {len(names) - count} more: {remark}"
    yield f"{len(names)} {remark}"


class _Legend(NamedTuple):
    """Labelled lines in columns of equal width.

    Attributes:
        lines: Lines of the legend, with labels that fit.
        columns: Number of columns.
    """

    lines: Sequence[Line2D]
    columns: int

    @classmethod
    def of(cls, lines: Sequence[Line2D], wide: float) -> _Legend:
        """Arranges lines in a width in inches; omits lines if there are too many."""
        kept = list(lines[:_MOST_ENTRIES])
        if len(kept) < len(lines):
            more = f"and {len(lines) - len(kept)} more"
            kept.append(Line2D([], [], linestyle="none", label=more))
        for line in kept:
            line.set_label(fitted(shortened(str(line.get_label())), _NAME_INCHES))
        widest = max(text_width(str(line.get_label())) for line in kept)
        return cls(kept, max(1, min(len(kept), int(wide / (widest + _SAMPLE)))))

    @property
    def tall(self) -> float:
        """Height in inches."""
        return math.ceil(len(self.lines) / self.columns) * _LINE + _GAP

    def draw(self, figure: Figure, left: float, top: float) -> None:
        """Adds the legend to a figure, with its upper left corner at the given position."""
        legend = figure.legend(
            handles=self.lines,
            loc="upper left",
            bbox_to_anchor=(left, top),
            ncols=self.columns,
            fontsize=SMALL,
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            handlelength=2.4,
            labelspacing=0.4,
            columnspacing=1.2,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
