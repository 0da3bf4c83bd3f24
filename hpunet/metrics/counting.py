"""Counts pixels exactly: overlaps of pairs of masks, and votes for each pixel."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BITS = 64
# Relative difference of sums of weights that are added in another order.
ROUNDING = 1e-12
_MOST_IN_BYTE = 255


class Overlap(NamedTuple):
    """Comparison of pairs of masks.

    Attributes:
        iou: Intersection over union, averaged over the classes present in either mask of a pair; 1
            if no class is present.
        differing: Number of pixels that exactly one mask of a pair marks, summed over the classes.
    """

    iou: NDArray[np.float64]
    differing: NDArray[np.int64]

    def of(self, first: slice | NDArray, second: slice | NDArray) -> "Overlap":
        """Selects rows (first masks) and columns (second masks) of the comparison."""
        return Overlap(self.iou[first][:, second], self.differing[first][:, second])


def marks_of(labels: NDArray, classes: tuple[int, ...] | None) -> NDArray[np.bool_]:
    """Boolean masks `[..., K, P]` of each class in labels `[..., P]`.

    If `classes` is None, the only class is the foreground: every label above 0.
    """
    if classes is None:
        return (labels > 0)[..., None, :]
    return np.stack([labels == label for label in classes], axis=-2)


def pack(marks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Packs marks `[..., P]` into words of 64 bits, padded with zeros."""
    packed = np.ascontiguousarray(np.packbits(marks, axis=-1))
    missing = -packed.shape[-1] % (_BITS // 8)
    if missing:
        packed = np.pad(packed, [(0, 0)] * (packed.ndim - 1) + [(0, missing)])
    return packed.view(np.uint64)


def overlap(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> Overlap:
    """Compares masks one to one: packed masks `[..., K, W]` give `[...]`."""
    return _compare(_count(first & second), _count(first), _count(second))


def pairwise_overlap(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> Overlap:
    """Compares all pairs of two sets: packed masks `[M, K, W]` and `[N, K, W]` give `[M, N]`."""
    # Row by row, the intersection fits into the cache.
    common = np.stack([_count(row & second) for row in first])
    return _compare(common, _count(first)[:, None], _count(second))


def _count(bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number of set bits along the last axis."""
    return np.bitwise_count(bits).sum(axis=-1, dtype=np.int64)


def _compare(common: NDArray, first: NDArray, second: NDArray) -> Overlap:
    """Comparison from the pixel counts `[..., K]` of the intersection and of each mask."""
    either = first + second - common
    present = np.count_nonzero(either, axis=-1)
    # A class absent from both masks contributes 0 / 1 = 0.
    share = (common / np.maximum(either, 1)).sum(axis=-1)
    iou = np.where(present > 0, share / np.maximum(present, 1), 1.0)
    return Overlap(iou, (either - common).sum(axis=-1))


class Votes(NamedTuple):
    """Votes of a set of masks for each pixel.

    Attributes:
        sums: Sum of the weights of the masks that mark a pixel as a class, `[K, P]`: float64, or
            integers if all weights are equal, each then counting 1.
        total: Sum of all weights.
    """

    sums: NDArray[np.float64] | NDArray[np.integer]
    total: float


def votes_of(marks: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> Votes:
    """Votes of masks `[N, K, P]` with weights `[N]`; None weights all masks equally."""
    if weights is None or (weights == weights[0]).all():
        # Sums of bytes are several times faster and take less memory.
        dtype = np.uint8 if len(marks) <= _MOST_IN_BYTE else np.int64
        return Votes(marks.sum(axis=0, dtype=dtype), float(len(marks)))
    sums = np.zeros(marks.shape[1:])
    # In a fixed order, so that the same annotators give the same sum at every pixel.
    for mask, weight in zip(marks, weights, strict=True):
        sums += mask * weight
    return Votes(sums, float(weights.sum()))
