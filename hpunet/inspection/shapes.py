"""How large images are, what is marked in them, and the regions that annotators disagree about."""

import math
from collections import Counter

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from hpunet.data.labels import marked, without_ignored
from hpunet.inspection.material import Example

Size = tuple[int, int]
# Of the annotated images, in how many the marked pixels span no more than `extent`.
MOST = 90
LEAST_REGION = 4


class Shapes:
    """Lengths in pixels that every example adds to.

    Attributes:
        sizes: Heights and widths, and how many images have them.
        extents: Of each image in which anyone marked anything: the longer side of the box around
            all that is marked.
        regions: Pixels of connected regions in which the classes by two annotators of an image
            differ, and how many regions have so many.
    """

    def __init__(self) -> None:
        """Has seen no image yet."""
        self.sizes: Counter[Size] = Counter()
        self.extents: list[int] = []
        self.regions: Counter[int] = Counter()

    def add(self, example: Example) -> None:
        """Counts an image in."""
        height, width = example.image.shape[:2]
        self.sizes[height, width] += 1
        drawn = np.any(marked(example.annotations), axis=0)
        if drawn.any():
            self.extents.append(max(_span(np.any(drawn, axis=axis)) for axis in (0, 1)))
        labels, ignored = without_ignored(example.annotations)
        disputed = (labels != labels[0]).any(axis=0) & ~ignored
        regions, count = ndimage.label(disputed)
        if count:
            self.regions.update(np.bincount(regions.ravel())[1:].tolist())

    @property
    def ordered(self) -> list[Size]:
        """The size of every image, by area."""
        return sorted(self.sizes.elements(), key=lambda size: (size[0] * size[1], size))

    @property
    def usual_side(self) -> int:
        """A length that the shorter sides of half of the images or more reach."""
        sides = sorted((min(size) for size in self.sizes.elements()), reverse=True)
        return sides[len(sides) // 2]

    @property
    def least_side(self) -> int:
        """The shortest side of all images."""
        return min(map(min, self.sizes))

    def smaller_than(self, crop: int) -> int:
        """How many images do not hold a square of that side."""
        return sum(count for size, count in self.sizes.items() if min(size) < crop)

    @property
    def extent(self) -> float:
        """What is marked spans no more in nine of ten images; NaN if nothing is marked."""
        return float(np.percentile(self.extents, MOST)) if self.extents else math.nan

    @property
    def disputed_side(self) -> float:
        """Side of a square as large as the median region of disagreement; NaN if there is none.

        Regions of fewer than 4 pixels, where outlines are no more exact, count only if there are no
        others.
        """
        every = sorted(self.regions.elements())
        areas = [area for area in every if area >= LEAST_REGION] or every
        return math.sqrt(float(np.median(areas))) if areas else math.nan


def _span(occupied: Bool[np.ndarray, " n"]) -> int:
    places = np.flatnonzero(occupied)
    return int(places[-1] - places[0] + 1)
