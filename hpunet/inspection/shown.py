"""The few images that the contact sheet shows, made small while everything is read."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.data.intensities import Intensities
from hpunet.data.labels import marked, without_ignored
from hpunet.figures.contact_sheet import Outlined
from hpunet.inspection.material import TRAIN, Example

MOST = 24
# Pixels of the longer side; panels have fewer.
LONGEST = 400
RGB = 3
# The part that is shown is so much longer than what is marked, has at least so many pixels a side,
# and where it would be more than this share of the image, all of that is shown.
AROUND, LEAST_SIDE, MOST_SHARE = 3, 48, 0.6


class Kept(NamedTuple):
    """An image of the sheet.

    Attributes:
        marked: Pixels that were marked, over all annotations.
        size: Its height and width, and those of the part that is shown.
        example: The part, with fewer pixels.
    """

    marked: int
    size: str
    example: Example


class Shown:
    """Keeps images of some files, of a volume the slice in which most is marked."""

    def __init__(self, files: Sequence[str]) -> None:
        """Chooses files.

        Args:
            files: All of the training split; of many, some that are spread evenly over them.
        """
        places = np.linspace(0, len(files) - 1, min(MOST, len(files))).round().astype(int)
        self._kept: dict[str, Kept | None] = {files[place]: None for place in places}

    def add(self, example: Example) -> None:
        """Keeps an example if it is wanted."""
        if example.split != TRAIN or example.file not in self._kept:
            return
        pixels = int(marked(example.annotations).sum())
        before = self._kept[example.file]
        if before is None or pixels > before.marked:
            self._kept[example.file] = _kept(pixels, example)

    def pictures(self, intensities: Intensities | None) -> list[Outlined]:
        """What the sheet shows.

        Args:
            intensities: Which values are black and white; None for those of each image.
        """
        return [_outlined(kept, intensities) for kept in self._kept.values() if kept]


def _kept(pixels: int, example: Example) -> Kept:
    height, width = example.image.shape[:2]
    rows, columns = _window(example.annotations)
    image, labels = example.image[rows, columns], example.annotations[:, rows, columns]
    part = "" if image.shape[:2] == (height, width) else f"{image.shape[0]} × {image.shape[1]} of "
    step = math.ceil(max(image.shape[:2]) / LONGEST)
    # Copies, so that what they are of can go.
    small = example._replace(
        image=_mean_of_blocks(image, step), annotations=_middle_of_blocks(labels, step)
    )
    return Kept(pixels, f"{part}{height} × {width} px", small)


def _window(annotations: UInt8[np.ndarray, "G H W"]) -> tuple[slice, slice]:
    """All of an image, or where little of it is marked a part with its proportions."""
    size = annotations.shape[1:]
    places = np.argwhere(np.any(marked(annotations), axis=0))
    if not len(places):
        return slice(0, size[0]), slice(0, size[1])
    low, high = places.min(axis=0), places.max(axis=0) + 1
    share = max(AROUND * np.max((high - low) / size), LEAST_SIDE / min(size))
    sides = np.ceil(np.multiply(size, share if share < MOST_SHARE else 1)).astype(int)
    starts = np.clip((low + high - sides) // 2, 0, size - sides)
    rows, columns = (
        slice(int(start), int(start + side)) for start, side in zip(starts, sides, strict=True)
    )
    return rows, columns


def _mean_of_blocks(image: Float[np.ndarray, "H W C"], step: int) -> Float[np.ndarray, "h w C"]:
    sums = image.astype(np.float64)
    for axis in (0, 1):
        starts = np.arange(0, sums.shape[axis], step)
        widths = np.diff(np.append(starts, sums.shape[axis]))
        shape = (-1, 1) if axis else (-1, 1, 1)
        sums = np.add.reduceat(sums, starts, axis=axis) / widths.reshape(shape)
    return sums.astype(np.float32)


def _middle_of_blocks(labels: UInt8[np.ndarray, "G H W"], step: int) -> UInt8[np.ndarray, "G h w"]:
    rows, columns = (
        np.minimum(np.arange(0, length, step) + step // 2, length - 1)
        for length in labels.shape[1:]
    )
    return labels[:, rows][:, :, columns]


def _outlined(kept: Kept, intensities: Intensities | None) -> Outlined:
    example = kept.example
    labels, _ = without_ignored(example.annotations)
    channels = RGB if example.image.shape[-1] == RGB else 1
    return Outlined(
        example.name,
        kept.size,
        _visible(example.image[..., :channels], intensities),
        dict(zip(example.annotators, labels, strict=True)),
    )


def _visible(
    image: Float[np.ndarray, "H W C"], intensities: Intensities | None
) -> Float[np.ndarray, "H W C"]:
    """From 0 to 1; over an image's own range where the network's is another."""
    if intensities is not None:
        shown = slice(image.shape[-1])
        seen = intensities._replace(low=intensities.low[shown], high=intensities.high[shown])
        values = seen.apply(image)
        if values.min() >= 0 and values.max() <= 1:
            return values
    low, high = image.min(), image.max()
    return (image - low) / max(high - low, np.finfo(np.float32).tiny)
