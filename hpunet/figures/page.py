"""Pages with a layout in inches, and text that any font can draw."""

import contextlib
import functools
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

from hpunet.figures.style import RESOLUTION, SMALL

# Font weights used in figures.
_WEIGHTS = ("normal", "bold")


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
