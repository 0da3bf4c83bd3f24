"""Connected regions of a mask: their area, their extent and how thick they are."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

# Pixels that touch at a corner are connected: thin diagonal structures are one region.
NEIGHBOURS = np.ones((3, 3), bool)


class Regions(NamedTuple):
    """The N connected regions of a mask; lengths are in pixels.

    Attributes:
        areas: Number of pixels.
        extents: Longer side of the box around a region.
        thicknesses: Width of a straight band with the region's mean distance of a pixel to the
            border: of a long structure its width, of a disc two thirds of its diameter.
    """

    areas: Int[np.ndarray, " N"]
    extents: Int[np.ndarray, " N"]
    thicknesses: Float[np.ndarray, " N"]


def measure_regions(mask: Bool[np.ndarray, "H W"]) -> Regions:
    """Measures the connected regions of a mask.

    The border of the mask counts as the border of a region. The mean over all pixels of a region
    does not depend on single wide places, such as crossings of vessels.

    Args:
        mask: Pixels of the regions.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return Regions(np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    # Without the empty margin, and with one pixel of background, to which distances are measured.
    inside = np.pad(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    labels, count = ndimage.label(inside, NEIGHBOURS)
    areas = _sums(labels[inside], count)
    distances = ndimage.distance_transform_edt(inside)[inside]
    means = _sums(labels[inside], count, distances) / areas
    boxes = ndimage.find_objects(labels)
    extents = [max(side.stop - side.start for side in box) for box in boxes]
    blocks = inside[:-1, :-1] & inside[1:, :-1] & inside[:-1, 1:] & inside[1:, 1:]
    squares = _sums(labels[:-1, :-1][blocks], count)
    # Of a band whose width w is odd, the mean distance is (w + 1)^2 / 4w. A width of 2 has the
    # mean distance of 1, too; of a long band, (w - 1) / w of the pixels begin a square of 2 x 2.
    of_distance = 2 * means - 1 + np.sqrt(np.maximum(0, (2 * means - 1) ** 2 - 1))
    return Regions(areas, np.array(extents), np.maximum(of_distance, areas / (areas - squares)))


def _sums(
    labels: Int[np.ndarray, " P"], count: int, values: Float[np.ndarray, " P"] | None = None
) -> np.ndarray:
    """Sums of values, or numbers of pixels, for the labels from 1 to `count`."""
    return np.bincount(labels, values, minlength=count + 1)[1:]
