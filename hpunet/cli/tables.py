"""Tables and paragraphs for the terminal."""

import math
import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 96
INDENT = "  "


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = ()) -> str:
    """Formats a table; the first column is left-aligned, the others right-aligned.

    Args:
        header: Headers of the columns.
        rows: Rows of cells.
        left: Indices of other left-aligned columns.
    """
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(INDENT + "  ".join(_padded(row, widths, (0, *left))).rstrip() for row in cells)


def _padded(row: Sequence[str], widths: Sequence[int], left: tuple[int, ...]) -> Iterator[str]:
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if place in left else cell.rjust(width)


def paragraph(text: str, indent: str = INDENT) -> str:
    """Wraps a text at the width of the terminal, without breaking words."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def number(value: float, digits: int = 3) -> str:
    """Formats a number with a fixed number of decimals; NaN and infinity are dashes."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def short(value: float) -> str:
    """Formats a number with four significant digits."""
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


def percent(share: float) -> str:
    """Formats a share as a percentage with at least two significant digits."""
    if not math.isfinite(share):
        return "-"
    value = 100 * share
    return f"{value:.1f} %" if value >= 10 or not value else f"{value:#.2g} %"


def some(count: int, what: str) -> str:
    """Formats a count with its noun, in the plural unless the count is 1."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
