"""A page of pictures of any shapes, in rows, with captions under them and legends at the foot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from hpunet.figures.lettering import writable
from hpunet.figures.page import Page
from hpunet.figures.style import RESOLUTION, SMALL, WIDTH

# Inches: around and between pictures; a line of text; a legend's line and what it has beside text.
_GAP, _LINE, _SAMPLE = 0.14, 0.135, 0.5
# A picture's height over its width beyond which it is narrower than its column.
_TALLEST = 1.1
_MOST_COLUMNS, _LEAST_COLUMNS, _NAME_INCHES = 6, 3, 2.5
# More are not told apart by their colours anyway.
_MOST_EXPLAINED = 40
_FRAME, _GREY = "#8C8C8C", "#606060"
_ELLIPSIS = "…"


class Caption(NamedTuple):
    """What stands under a picture, each on lines of its own.

    Attributes:
        name: What the picture is; shortened in its middle.
        size: Of the picture.
        listed: Names; so many of them are written as a line takes.
        what: Said of those that are listed.
    """

    name: str
    size: str
    listed: Sequence[str]
    what: str

    @property
    def lines(self) -> int:
        """How many."""
        return 3 if self.listed else 2


def gallery(
    shapes: Sequence[tuple[int, int]],
    captions: Sequence[Caption],
    legends: Sequence[Sequence[Line2D]],
) -> tuple[Figure, list[Axes]]:
    """A figure with an empty axis a picture.

    Args:
        shapes: Heights and widths of the pictures, which only their proportions matter of.
        captions: Of each picture.
        legends: Groups of lines with labels; each group begins a line of its own at the foot.
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
    """Somewhat more than rows, and so that the last row is as full as can be."""
    about = min(_MOST_COLUMNS, math.ceil(math.sqrt(1.5 * count)))
    near = range(max(1, about - 1), min(_MOST_COLUMNS, about + 1) + 1)
    return min(near, key=lambda columns: (-count % columns, abs(columns - about)))


def _within(shape: tuple[int, int], wide: float) -> tuple[float, float]:
    """Inches of width and height in which a picture keeps its proportions."""
    height, width = shape
    scale = min(wide / width, wide * _TALLEST / height)
    return width * scale, height * scale


def _write(page: Page, caption: Caption, x: float, y: float, wide: float) -> None:
    lines: list[tuple[Iterable[str], dict[str, Any]]] = [
        (_shortened(caption.name), {}),
        ([caption.size], {"color": _GREY}),
    ]
    if caption.listed:
        lines.append((_listed(caption.listed, caption.what), {"style": "italic"}))
    for number, (texts, style) in enumerate(lines):
        written = page.write(x, y + 0.03 + number * _LINE, "", ha="center", va="top", **style)
        _write_fitting(written, texts, wide)


def _write_fitting(written: Text, texts: Iterable[str], wide: float) -> None:
    for text in texts:
        written.set_text(writable(text))
        if written.get_window_extent().width <= wide * RESOLUTION:
            return


def _shortened(name: str) -> Iterator[str]:
    """A name, and with ever less of its middle; its end tells more than its beginning."""
    yield name
    for length in range(len(name) - 2, 0, -1):
        begin = length * 2 // 5
        yield f"{name[:begin]}{_ELLIPSIS}{name[len(name) - (length - begin) :]}"


def _listed(names: Sequence[str], what: str) -> Iterator[str]:
    yield f"{', '.join(names)}: {what}"
    for count in range(len(names) - 1, 0, -1):
        yield f"{', '.join(names[:count])} and {len(names) - count} more: {what}"
    yield f"{len(names)} {what}"


class _Legend(NamedTuple):
    """Lines with labels, in columns of one width.

    Attributes:
        lines: Those that are explained, with labels that fit.
        columns: How many stand side by side.
    """

    lines: Sequence[Line2D]
    columns: int

    @classmethod
    def of(cls, lines: Sequence[Line2D], wide: float) -> _Legend:
        """Arranges lines, some of which are left out if there are too many."""
        shown = list(lines[:_MOST_EXPLAINED])
        if len(shown) < len(lines):
            more = f"and {len(lines) - len(shown)} more"
            shown.append(Line2D([], [], linestyle="none", label=more))
        scratch = Figure(dpi=RESOLUTION).text(0, 0, "", fontsize=SMALL, parse_math=False)
        widest = 0.0
        for line in shown:
            _write_fitting(scratch, _shortened(str(line.get_label())), _NAME_INCHES)
            line.set_label(scratch.get_text())
            widest = max(widest, scratch.get_window_extent().width / RESOLUTION)
        return cls(shown, max(1, min(len(shown), int(wide / (widest + _SAMPLE)))))

    @property
    def tall(self) -> float:
        """Inches."""
        return math.ceil(len(self.lines) / self.columns) * _LINE + _GAP

    def draw(self, figure: Figure, left: float, top: float) -> None:
        """Puts the legend on a figure, its upper left corner at a place."""
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
