"""The part of an image that the network is trained on or scored on."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8

from hpunet.data.labels import IGNORED, marked
from hpunet.imaging.fit import Fit, fit_resized, fit_whole, fit_window, labels_to_grid, to_grid

# Margin on each side, relative to the crop's height and width, that deformations reach into.
MARGIN = 0.2
# Largest distance, relative to the crop, of its middle from the annotated pixel it is placed at.
AROUND = 0.25


def central(size: Sequence[int], crop: Sequence[int]) -> tuple[slice, ...]:
    """Returns the central part of an image as a slice of each axis.

    Args:
        size: Size of the image, in pixels.
        crop: Size of the part, in pixels, at most as large; it starts at `(size - crop) // 2`.
    """
    starts = [(whole - part) // 2 for whole, part in zip(size, crop, strict=True)]
    return tuple(slice(s, s + part) for s, part in zip(starts, crop, strict=True))


def size_text(size: Sequence[int]) -> str:
    """Formats height and width for messages."""
    return f"{size[0]} x {size[1]}"


class CropSampler(NamedTuple):
    """Places crops on images of any size.

    Attributes:
        crop: Height and width that the network is trained on, in pixels.
        sizes: `crop`, `annotated` or `resize`, the value of the key `data.folder.sizes`.
        augment: Whether crops are deformed afterwards, and so have a margin.
    """

    crop: tuple[int, int]
    sizes: str
    augment: bool

    @property
    def margin(self) -> tuple[int, int]:
        """Margin in pixels: above and below the crop, and left and right of it."""
        if not self.augment:
            return 0, 0
        height, width = self.crop
        return math.ceil(MARGIN * height), math.ceil(MARGIN * width)

    def draw(self, example: dict[str, Any], rng: np.random.Generator) -> Fit:
        """Draws a crop for training, with its margin.

        Args:
            example: With `image` and all its `annotations`.
            rng: Draws the place.
        """
        size = example["image"].shape[:2]
        if self.sizes == "crop":
            free = [max(0, n - side) for n, side in zip(size, self.crop, strict=True)]
            return self._at(size, [int(rng.integers(room + 1)) for room in free])
        if self.sizes == "annotated":
            places = np.argwhere(marked(example["annotations"]).any(axis=0))
            if len(places):
                off = rng.uniform(-AROUND, AROUND, 2) * self.crop
                middle = places[rng.integers(len(places))] + np.rint(off)
            else:
                middle = [rng.integers(length) for length in size]
            return self._around(size, [int(place) for place in middle])
        return self.middle(example)

    def middle(self, example: dict[str, Any]) -> Fit:
        """Returns the crop for validation, with its margin, which is not random.

        It is the middle of the image, or with `annotated` the middle of everything that any
        annotator marked.

        Args:
            example: With `image` and all its `annotations`.
        """
        size = example["image"].shape[:2]
        if self.sizes == "resize":
            return fit_resized((size[0], size[1]), self.crop, self.margin)
        middle = [length // 2 for length in size]
        places = np.argwhere(marked(example["annotations"]).any(axis=0))
        if self.sizes == "annotated" and len(places):
            middle = [int(n) for n in (places.min(axis=0) + places.max(axis=0) + 1) // 2]
        return self._around(size, middle)

    def whole(self, size: tuple[int, int], multiple: int) -> Fit:
        """Returns the grid for the whole image in evaluation.

        Args:
            size: Height and width of the image, in pixels.
            multiple: The grid's sides are multiples of it.
        """
        if self.sizes == "resize":
            return fit_resized(size, self.crop)
        return fit_whole(size, (1.0, 1.0), multiple)

    def _around(self, size: tuple[int, ...], middle: Sequence[int]) -> Fit:
        return self._at(size, [n - side // 2 for n, side in zip(middle, self.crop, strict=True)])

    def _at(self, size: tuple[int, ...], start: Sequence[int]) -> Fit:
        """Returns the crop at a position, moved into the image if possible, with its margin."""
        starts, grid = [], []
        for place, length, side, more in zip(start, size, self.crop, self.margin, strict=True):
            room = length - side
            inside = min(max(place, 0), room) if room >= 0 else room // 2
            starts.append(inside - more)
            grid.append(side + 2 * more)
        return fit_window((size[0], size[1]), (starts[0], starts[1]), (grid[0], grid[1]))


def cut(
    image: Shaped[np.ndarray, "H W C"], annotations: UInt8[np.ndarray, "*G H W"], fit: Fit
) -> tuple[Shaped[np.ndarray, "h w C"], UInt8[np.ndarray, "*G h w"]]:
    """Samples image and masks on a grid.

    Beyond the image, its outermost pixels are repeated, and labels are `IGNORED`.

    Args:
        image: Values of any kind.
        annotations: Class labels.
        fit: Where the grid lies on the image.
    """
    return to_grid(image, fit), labels_to_grid(annotations, fit, IGNORED)
