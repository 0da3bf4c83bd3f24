"""Which part of an image of any size the network is trained on."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8

from hpunet.data.labels import IGNORED, marked
from hpunet.imaging.fit import Fit, fit_resized, fit_whole, fit_window, labels_to_grid, to_grid

# More on each side, of the crop's height and width, for deformations to reach into.
MARGIN = 0.2
# Of the crop, how far from its middle the annotated pixel may lie that it is placed around.
AROUND = 0.25


class Window(NamedTuple):
    """How images of any size become what the network sees.

    Attributes:
        crop: Height and width that the network is trained on, in pixels.
        sizes: `crop`, `annotated` or `resize`, as the configuration's key says.
        augment: Whether crops are deformed afterwards, and have a margin for that.
    """

    crop: int
    sizes: str
    augment: bool

    @property
    def margin(self) -> int:
        """Pixels beyond the crop on each side."""
        return math.ceil(MARGIN * self.crop) if self.augment else 0

    def draw(self, example: dict[str, Any], rng: np.random.Generator) -> Fit:
        """The part that training sees this time.

        Args:
            example: With `image` and all its `annotations`.
            rng: Of the place.
        """
        size = example["image"].shape[:2]
        if self.sizes == "crop":
            free = [max(0, length - self.crop) for length in size]
            return self._at(size, [int(rng.integers(room + 1)) for room in free])
        if self.sizes == "annotated":
            places = np.argwhere(marked(example["annotations"]).any(axis=0))
            if len(places):
                off = rng.uniform(-AROUND, AROUND, 2) * self.crop
                middle = places[rng.integers(len(places))] + np.rint(off)
            else:
                middle = [rng.integers(length) for length in size]
            return self._at(size, [int(place) - self.crop // 2 for place in middle])
        return self.middle(example)

    def middle(self, example: dict[str, Any]) -> Fit:
        """The part that is looked at while training goes on: always the same.

        It is the middle of the image, or with `annotated` lies around the middle of what any
        annotator marked.
        """
        size = example["image"].shape[:2]
        if self.sizes == "resize":
            return fit_resized(size, self.crop, self.margin)
        middle = [length // 2 for length in size]
        places = np.argwhere(marked(example["annotations"]).any(axis=0))
        if self.sizes == "annotated" and len(places):
            middle = [int(n) for n in (places.min(axis=0) + places.max(axis=0) + 1) // 2]
        return self._at(size, [place - self.crop // 2 for place in middle])

    def whole(self, size: tuple[int, int], multiple: int) -> Fit:
        """All of an image, as it is scored.

        Args:
            size: Of the image, in pixels.
            multiple: What the sides are multiples of.
        """
        if self.sizes == "resize":
            return fit_resized(size, self.crop)
        return fit_whole(size, (1.0, 1.0), multiple)

    def _at(self, size: tuple[int, ...], start: list[int]) -> Fit:
        """The crop at a place, moved into the image if it fits there, with its margin."""
        starts = []
        for place, length in zip(start, size, strict=True):
            room = length - self.crop
            inside = min(max(place, 0), room) if room >= 0 else room // 2
            starts.append(inside - self.margin)
        return fit_window((size[0], size[1]), (starts[0], starts[1]), self.crop + 2 * self.margin)


def cut(
    image: Shaped[np.ndarray, "H W C"], annotations: UInt8[np.ndarray, "*G H W"], fit: Fit
) -> tuple[Shaped[np.ndarray, "h w C"], UInt8[np.ndarray, "*G h w"]]:
    """Image and masks on a grid; beyond the image its outermost pixels go on, which are ignored."""
    return to_grid(image, fit), labels_to_grid(annotations, fit, IGNORED)
