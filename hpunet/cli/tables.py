"""Text for the terminal: tables and paragraphs."""

import math
import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 96
INDENT = "  "


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = ()) -> str:
    """Columns under each other: the first one, and texts, to the left, numbers to the right.

    Args:
        header: Above each column.
        rows: Of cells.
        left: Places of other columns that are texts.
    """
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(INDENT + "  ".join(_padded(row, widths, (0, *left))).rstrip() for row in cells)


def _padded(row: Sequence[str], widths: Sequence[int], left: tuple[int, ...]) -> Iterator[str]:
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if place in left else cell.rjust(width)


def paragraph(text: str, indent: str = INDENT) -> str:
    """A sentence on lines that a terminal holds; words stay whole."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def number(value: float, digits: int = 3) -> str:
    """A number with decimals; a dash if there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def short(value: float) -> str:
    """A number with four significant digits."""
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


def percent(share: float) -> str:
    """A share as a percentage with two significant digits or more."""
    if not math.isfinite(share):
        return "-"
    value = 100 * share
    return f"{value:.1f} %" if value >= 10 or not value else f"{value:#.2g} %"


def some(count: int, what: str) -> str:
    """So many of something."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
