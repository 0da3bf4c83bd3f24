"""Pages of equally sized panels in rows, with captions, titles and legends."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from numpy.typing import NDArray

from hpunet.figures.page import Page, fitted, shortened, writable
from hpunet.figures.style import PAGE, SMALL, Colouring

# Inches: gap between panels; height of a line and width of a letter; heights of captions, of the
# space above them, and of the legends at the foot.
_GAP = 0.035
_LINE, _LETTER = 0.125, 0.056
_CAPTION, _BETWEEN = 0.19, 0.09
_FOOT = 0.36
_CAPTION_STYLE = {"fontsize": SMALL + 1, "weight": "bold"}
# Visible on white paper and beside black.
_FRAME = "#8C8C8C"

# Note on a mask without foreground.
EMPTY = "empty"


class Panel(NamedTuple):
    """An image or mask of the page.

    Attributes:
        picture: Values `[h, w]`.
        colouring: Colour map and normalisation of the values.
        title: Text above the panel.
        note: Text on the panel, at its bottom.
    """

    picture: NDArray
    colouring: Colouring
    title: str = ""
    note: str = ""


def mask_panel(labels: NDArray, colouring: Colouring, title: str = "") -> Panel:
    """Panel of a mask `[h, w]`, with a note if it has no foreground."""
    return Panel(labels, colouring, title, "" if (labels > 0).any() else EMPTY)


class Row(NamedTuple):
    """A row of panels.

    Attributes:
        panels: Panels from left to right; None leaves a position empty.
        label: Text at the left, rotated by 90 degrees.
        caption: Text above the row.
    """

    panels: Sequence[Panel | None]
    label: str = ""
    caption: str = ""

    def without_titles(self) -> "Row":
        """Copy of the row without the titles of its panels."""
        return self._replace(panels=[panel and panel._replace(title="") for panel in self.panels])


def panel_page(
    rows: Sequence[Row], *, classes: Sequence[tuple[int, str]], std: Colouring
) -> Figure:
    """Page of rows of panels, with the legends of their colours at the foot.

    Args:
        rows: Rows of panels of equal shape.
        classes: Labels and colours of the legend of classes; empty for no legend.
        std: Colouring of the standard deviations.
    """
    columns = max(len(row.panels) for row in rows)
    height, width = next(panel for row in rows for panel in row.panels if panel).picture.shape
    letters = max(1, int(PAGE / columns * height / width / _LETTER))
    rows = [row._replace(label=_wrapped(writable(row.label), letters)) for row in rows]
    lines = max(row.label.count("\n") + 1 if row.label else 0 for row in rows)
    left = _LINE * lines + 0.03
    wide = (PAGE - left - _GAP * (columns - 1)) / columns
    tall = wide * height / width
    rows = [_with_fitting_titles(row, wide) for row in rows]
    heads = [_titles(row) + _caption(row, first=row is rows[0]) for row in rows]
    page = Page(PAGE, sum(heads) + len(rows) * (tall + _GAP) + _FOOT)
    top = 0.0
    for row, head in zip(rows, heads, strict=True):
        page.write(0.0, top + head - _titles(row) - 0.08, row.caption, **_CAPTION_STYLE)
        top += head
        page.write(_LINE * lines / 2, top + tall / 2, row.label, rotation=90, ha="center")
        for n, panel in enumerate(row.panels):
            if panel is not None:
                _draw(page.axes(left + n * (wide + _GAP), top, wide, tall), panel)
        top += tall + _GAP
    _add_class_legend(page, classes, left, top)
    _add_std_legend(page, std, top)
    return page.figure


def _wrapped(label: str, letters: int) -> str:
    return textwrap.fill(label, letters, break_long_words=False)


def _with_fitting_titles(row: Row, wide: float) -> Row:
    """Row with a caption that fits the page, and titles that fit panels of a width in inches."""
    letters = max(1, int(wide / _LETTER))
    panels = [
        panel and panel._replace(title="\n".join(_lines(panel.title, letters)))
        for panel in row.panels
    ]
    caption = fitted(shortened(row.caption), PAGE, **_CAPTION_STYLE) if row.caption else ""
    return row._replace(panels=panels, caption=caption)


def _lines(title: str, letters: int) -> list[str]:
    return [
        part
        for line in title.split("\n")
        for part in textwrap.wrap(line, letters, break_long_words=False) or [""]
    ]


def _titles(row: Row) -> float:
    """Height of the titles of a row in inches."""
    titles = [panel.title for panel in row.panels if panel and panel.title]
    return _LINE * (1 + max(title.count("\n") for title in titles)) + 0.03 if titles else 0.0


def _caption(row: Row, *, first: bool) -> float:
    """Height of the caption of a row and of the space above it in inches."""
    return (_CAPTION + (0.0 if first else _BETWEEN)) if row.caption else 0.0


def _draw(axis: Axes, panel: Panel) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(color=_FRAME, linewidth=0.5)
    colours, norm = panel.colouring
    axis.imshow(panel.picture, cmap=colours, norm=norm, interpolation="nearest", aspect="auto")
    axis.set_title(panel.title, fontsize=SMALL, pad=2.5)
    if panel.note:
        write_note(axis, panel.note, SMALL)


def write_note(axis: Axes, text: str, size: float) -> Text:
    """Writes a text at the bottom of a panel, legible on every grey."""
    note = axis.text(0.5, 0.045, text, transform=axis.transAxes, fontsize=size)
    edge = patheffects.withStroke(linewidth=1.5, foreground="black")
    note.set(ha="center", color="white", path_effects=[edge])
    return note


def _add_class_legend(
    page: Page, classes: Sequence[tuple[int, str]], left: float, top: float
) -> None:
    """Adds the legend of classes at the left of the foot."""
    if classes:
        axis = page.axes(left, top, PAGE / 2, _FOOT)
        axis.set_axis_off()
        axis.legend(
            handles=[Patch(color=colour, label=f"class {label}") for label, colour in classes],
            loc="center left",
            ncols=4,
            fontsize=SMALL,
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            handlelength=1,
            columnspacing=1,
            labelspacing=0.2,
        )


def _add_std_legend(page: Page, std: Colouring, top: float) -> None:
    """Adds the colour bar of the standard deviations at the right of the foot."""
    colours, norm = std
    highest = float(norm.vmax or 0)
    bar = page.figure.colorbar(
        ScalarMappable(norm, colours),
        cax=page.axes(PAGE - 1.72, top + 0.07, 1.6, 0.08),
        orientation="horizontal",
        ticks=[0, highest / 2, highest],
        format="%.2g",
    )
    bar.ax.tick_params(labelsize=SMALL, length=2, pad=1)
    page.write(PAGE - 1.8, top + 0.11, "standard deviation", ha="right")
