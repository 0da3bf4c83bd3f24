"""Sizes and colours shared by all figures."""

from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap, Normalize
from numpy.typing import NDArray

# Widths in inches, resolutions in dots per inch, fonts in points. WIDTH is for screens, PAGE for
# print.
WIDTH = 10.0
PAGE = 7.0
RESOLUTION = 160
PRINT_RESOLUTION = 300
GAP = 0.02
FONT = 8
SMALL = 7
# Colours of Okabe and Ito; the contour has the one that contrasts most with grey.
CONTOUR = "#E69F00"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# On black; the first colours also differ most in greyscale print.
CLASSES = ("#F0E442", "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7")
# Black where all masks agree, as the background of the masks.
_STD_COLOURS = "inferno"


class Colouring(NamedTuple):
    """Colour map and normalisation of the values of an image."""

    colours: Colormap
    norm: Normalize


def class_colouring(labels: NDArray) -> tuple[Colouring, list[tuple[int, str]]]:
    """Colours of class labels, and the entries of their legend.

    A single foreground class is white on black. Up to seven classes have distinct colours on black;
    with more, the brightness increases with the label.

    Args:
        labels: Class labels of all masks of the figure, of any shape.

    Returns:
        The colouring, and label and colour of each class for the legend; no entries for a single
        class or more than seven classes.
    """
    distinct = np.unique(labels)
    most = max(1, int(distinct[-1]))
    if len(distinct[distinct > 0]) <= 1:
        colours = ["#000000"] * most + ["#FFFFFF"]
        return Colouring(ListedColormap(colours), Normalize(0, most)), []
    if most <= len(CLASSES):
        colours = ["#000000", *CLASSES[:most]]
        used = [(int(label), colours[label]) for label in distinct if label > 0]
        return Colouring(ListedColormap(colours), Normalize(0, most)), used
    return Colouring(colormaps["cividis"], Normalize(0, most)), []


def grey_colouring(image: NDArray) -> Colouring:
    """Grey from black at the smallest finite value of an image to white at its largest."""
    finite = image[np.isfinite(image)]
    limits = (finite.min(), finite.max()) if finite.size else (0, 1)
    return Colouring(colormaps["gray"], Normalize(*limits))


def deviation(labels: NDArray) -> NDArray:
    """Standard deviation of class labels `[N, ...]` over the first axis.

    It is `sqrt((1 - sum_c p_c**2) / 2)` of the frequencies p_c of the classes, which for a single
    foreground class is the standard deviation of zeros and ones.
    """
    squares = [(labels == label).mean(axis=0) ** 2 for label in np.unique(labels)]
    return np.sqrt(np.maximum(0.0, 1 - np.sum(squares, axis=0)) / 2)


def std_colouring(labels: NDArray) -> Colouring:
    """Colours of `deviation`, from 0 to its maximum for the number of classes.

    For K classes including the background the maximum is `sqrt((1 - 1 / K) / 2)`, reached where all
    classes are equally frequent.
    """
    classes = max(2, len(np.unique(labels)))
    return Colouring(colormaps[_STD_COLOURS], Normalize(0.0, np.sqrt((1 - 1 / classes) / 2)))
