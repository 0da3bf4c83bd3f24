"""How images, class labels and their disagreement become colours."""

from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap, Normalize
from numpy.typing import NDArray

from hpunet.figures.style import CLASSES

# Black where all agree, as in the masks beside it.
_STD_COLOURS = "inferno"


class Colouring(NamedTuple):
    """How a picture's numbers become colours."""

    colours: Colormap
    norm: Normalize


def class_colouring(labels: NDArray) -> tuple[Colouring, list[tuple[int, str]]]:
    """Colours of class labels, and those that need explaining.

    One class beside the background is white on black. More are coloured on black, as long as seven
    colours last; after that, in shades that are lighter the higher the label.

    Args:
        labels: All that are to be shown.
    """
    found = np.unique(labels)
    most = max(1, int(found[-1]))
    if len(found[found > 0]) <= 1:
        colours = ["#000000"] * most + ["#FFFFFF"]
        return Colouring(ListedColormap(colours), Normalize(0, most)), []
    if most <= len(CLASSES):
        colours = ["#000000", *CLASSES[:most]]
        used = [(int(label), colours[label]) for label in found if label > 0]
        return Colouring(ListedColormap(colours), Normalize(0, most)), used
    return Colouring(colormaps["cividis"], Normalize(0, most)), []


def grey_colouring(image: NDArray) -> Colouring:
    """From black at the least finite value of an image to white at its largest."""
    finite = image[np.isfinite(image)]
    limits = (finite.min(), finite.max()) if finite.size else (0, 1)
    return Colouring(colormaps["gray"], Normalize(*limits))


def deviation(labels: NDArray) -> NDArray:
    """Standard deviation of the labels over the first axis.

    It is `sqrt((1 - sum_c p_c**2) / 2)` of the classes' frequencies p_c, which for one class beside
    the background is the ordinary standard deviation of zeros and ones.
    """
    squares = [(labels == label).mean(axis=0) ** 2 for label in np.unique(labels)]
    return np.sqrt(np.maximum(0.0, 1 - np.sum(squares, axis=0)) / 2)


def std_colouring(labels: NDArray) -> Colouring:
    """Colours of `deviation`, from 0 to the most that the number of classes allows.

    Of K classes with the background it is `sqrt((1 - 1 / K) / 2)`, where all are equally frequent.
    """
    classes = max(2, len(np.unique(labels)))
    return Colouring(colormaps[_STD_COLOURS], Normalize(0.0, np.sqrt((1 - 1 / classes) / 2)))
