"""A page on which everything has its place in inches."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from hpunet.figures.style import RESOLUTION, SMALL


class Page:
    """A figure on which places are inches from the left and from the top.

    Attributes:
        figure: What is drawn on.
    """

    def __init__(self, wide: float, tall: float) -> None:
        """An empty page of so many inches."""
        self.figure = Figure(figsize=(wide, tall), dpi=RESOLUTION)
        self._size = wide, tall

    def write(self, x: float, y: float, text: str, **style: Any) -> Text:
        """A text, in the middle of whose height is `y` if its style says nothing else."""
        width, height = self._size
        place = x / width, 1 - y / height
        written = self.figure.text(*place, text, fontsize=SMALL, va="center", parse_math=False)
        written.set(**style)
        return written

    def axes(self, x: float, y: float, wide: float, tall: float) -> Axes:
        """Axes that fill a rectangle whose upper left corner is given."""
        width, height = self._size
        place = (x / width, 1 - (y + tall) / height, wide / width, tall / height)
        return self.figure.add_axes(place)
