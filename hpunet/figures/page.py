"""Pages with a layout in inches, and text that any font can draw."""

import bisect
import contextlib
import functools
from collections.abc import Iterable, Iterator
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

from hpunet.figures.style import RESOLUTION, SMALL

# Font weights used in figures.
_WEIGHTS = ("normal", "bold")
_ELLIPSIS = "…"


class Page:
    """A figure with positions in inches from its left and top edges.

    Attributes:
        figure: The matplotlib figure.
    """

    def __init__(self, wide: float, tall: float) -> None:
        """Creates an empty page of the given width and height in inches."""
        self.figure = Figure(figsize=(wide, tall), dpi=RESOLUTION)
        self._size = wide, tall

    def write(self, x: float, y: float, text: str, **style: Any) -> Text:
        """Writes a text that is vertically centred at `y` unless the style overrides it."""
        width, height = self._size
        position = x / width, 1 - y / height
        written = self.figure.text(*position, text, fontsize=SMALL, va="center", parse_math=False)
        written.set(**style)
        return written

    def axes(self, x: float, y: float, wide: float, tall: float) -> Axes:
        """Adds axes that fill the rectangle with the given upper left corner and size."""
        width, height = self._size
        position = (x / width, 1 - (y + tall) / height, wide / width, tall / height)
        return self.figure.add_axes(position)


def writable(text: str) -> str:
    r"""Replaces each character that the font lacks with its escape, such as `\u753b`.

    matplotlib warns of such characters and draws an identical box for each of them; escapes keep
    names distinguishable. To draw such characters, add a font that has them to
    `rcParams["font.family"]`.
    """
    known = _characters(*(_font_files(weight) for weight in _WEIGHTS))
    return "".join(
        char if char == "\n" or ord(char) in known else char.encode("unicode_escape").decode()
        for char in text
    )


def fitted(texts: Iterable[str], wide: float, **style: Any) -> str:
    """The first of ever shorter texts that fits into a width in inches, else the last.

    Args:
        texts: Texts, the longest first; characters that the font lacks are escaped.
        wide: The width in inches.
        style: Properties of the text, such as its font size and weight.
    """
    candidates = [writable(text) for text in texts]

    def fits(index: int) -> bool:
        return text_width(candidates[index], **style) <= wide

    # Measuring a text takes a millisecond, so the first one is tried before the search.
    if fits(0):
        return candidates[0]
    last = len(candidates) - 1
    return candidates[bisect.bisect_left(range(last), True, lo=min(1, last), key=fits)]


def text_width(text: str, **style: Any) -> float:
    """Width of a text in inches, of the small font unless the style overrides it."""
    written = Figure(dpi=RESOLUTION).text(0, 0, text, fontsize=SMALL, parse_math=False)
    written.set(**style)
    return float(written.get_window_extent().width) / RESOLUTION


def shortened(name: str) -> Iterator[str]:
    """Yields a name with ever less of its middle; keeps more of its end than of its start."""
    yield name
    for length in range(len(name) - 2, 0, -1):
        begin = length * 2 // 5
        yield f"{name[:begin]}{_ELLIPSIS}{name[len(name) - (length - begin) :]}"


def _font_files(weight: str) -> tuple[str, ...]:
    """Paths of the fonts in which matplotlib looks up a character."""
    paths = []
    for family in rcParams["font.family"]:
        with contextlib.suppress(ValueError):
            font = FontProperties(family=family, weight=weight)
            paths.append(findfont(font, fallback_to_default=False))
    return tuple(paths) or (findfont(FontProperties(weight=weight)),)


@functools.lru_cache(maxsize=4)
def _characters(*weights: tuple[str, ...]) -> frozenset[int]:
    """Characters that at least one font of every weight contains."""
    return frozenset.intersection(
        *(frozenset().union(*(get_font(path).get_charmap() for path in paths)) for paths in weights)
    )
