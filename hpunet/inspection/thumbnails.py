"""Thumbnails of a few images for the contact sheet, collected while a data set is read."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.data.intensities import Intensities
from hpunet.data.labels import marked, without_ignored
from hpunet.figures.contact_sheet import Thumbnail
from hpunet.inspection.dataset_reader import TRAIN, Example

MOST_IMAGES = 24
# Pixels of the longer side; panels of the contact sheet have fewer.
LONGEST_SIDE = 400
RGB = 3
# The visible part is this many times as long as the marked part and has at least this side in
# pixels; the whole image is visible if the part would exceed this share of its sides.
MARGIN_FACTOR, LEAST_SIDE, LARGEST_SHARE = 3, 48, 0.6


class _Candidate(NamedTuple):
    """The image of a file that is to appear on the contact sheet.

    Attributes:
        num_marked: Number of marked pixels, over all annotations.
        size: Text on the size of the image and of its visible part.
        example: The visible part at reduced resolution.
    """

    num_marked: int
    size: str
    example: Example


class ThumbnailCollector:
    """Collects one image per file: of a volume, the slice with the most marked pixels."""

    def __init__(self, files: Sequence[str]) -> None:
        """Selects files that are evenly spread over all files.

        Args:
            files: Names of all files of the training split.
        """
        indices = np.linspace(0, len(files) - 1, min(MOST_IMAGES, len(files))).round().astype(int)
        self._candidates: dict[str, _Candidate | None] = {files[index]: None for index in indices}

    def add(self, example: Example) -> None:
        """Considers an example, and keeps a small copy if needed."""
        if example.split != TRAIN or example.file not in self._candidates:
            return
        num_marked = int(marked(example.annotations).sum())
        previous = self._candidates[example.file]
        if previous is None or num_marked > previous.num_marked:
            self._candidates[example.file] = _candidate(num_marked, example)

    def thumbnails(self, intensities: Intensities | None) -> list[Thumbnail]:
        """Thumbnails of the collected images.

        Args:
            intensities: Window of values from black to white; None uses the range of each image.
        """
        return [_thumbnail(kept, intensities) for kept in self._candidates.values() if kept]


def _candidate(num_marked: int, example: Example) -> _Candidate:
    height, width = example.image.shape[:2]
    rows, columns = _visible_part(example.annotations)
    image, labels = example.image[rows, columns], example.annotations[:, rows, columns]
    part = "" if image.shape[:2] == (height, width) else f"{image.shape[0]} × {image.shape[1]} of "
    step = math.ceil(max(image.shape[:2]) / LONGEST_SIDE)
    # Copies, so that the memory of the full image is released.
    small = example._replace(
        image=_mean_of_blocks(image, step), annotations=_middle_of_blocks(labels, step)
    )
    return _Candidate(num_marked, f"{part}{height} × {width} px", small)


def _visible_part(annotations: UInt8[np.ndarray, "G H W"]) -> tuple[slice, slice]:
    """The whole image, or, if little is marked, a part around it with the same aspect ratio."""
    size = annotations.shape[1:]
    indices = np.argwhere(np.any(marked(annotations), axis=0))
    if not len(indices):
        return slice(0, size[0]), slice(0, size[1])
    low, high = indices.min(axis=0), indices.max(axis=0) + 1
    share = max(MARGIN_FACTOR * np.max((high - low) / size), LEAST_SIDE / min(size))
    sides = np.ceil(np.multiply(size, share if share < LARGEST_SHARE else 1)).astype(int)
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


def _thumbnail(candidate: _Candidate, intensities: Intensities | None) -> Thumbnail:
    example = candidate.example
    labels, _ = without_ignored(example.annotations)
    channels = RGB if example.image.shape[-1] == RGB else 1
    return Thumbnail(
        example.name,
        candidate.size,
        _scaled(example.image[..., :channels], intensities),
        dict(zip(example.annotators, labels, strict=True)),
    )


def _scaled(
    image: Float[np.ndarray, "H W C"], intensities: Intensities | None
) -> Float[np.ndarray, "H W C"]:
    """Scales values to [0, 1], by the image's own range if the given window exceeds [0, 1]."""
    if intensities is not None:
        channels = slice(image.shape[-1])
        window = intensities._replace(
            low=intensities.low[channels], high=intensities.high[channels]
        )
        values = window.apply(image)
        if values.min() >= 0 and values.max() <= 1:
            return values
    low, high = image.min(), image.max()
    return (image - low) / max(high - low, np.finfo(np.float32).tiny)
