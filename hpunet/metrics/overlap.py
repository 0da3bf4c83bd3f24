"""How far masks overlap, counted exactly on packed bits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BITS = 64


class Overlap(NamedTuple):
    """How masks compare.

    Attributes:
        iou: Intersection over union, averaged over the classes present in either of two masks; 1
            where none is.
        differing: Number of pixels that only one of two masks marks, summed over the classes.
    """

    iou: NDArray[np.float64]
    differing: NDArray[np.int64]

    def of(self, first: slice | NDArray, second: slice | NDArray) -> "Overlap":
        """Some of the first masks compared with some of the second."""
        return Overlap(self.iou[first][:, second], self.differing[first][:, second])


def marks_of(labels: NDArray, classes: tuple[int, ...] | None) -> NDArray[np.bool_]:
    """Which pixels of labels `[..., P]` are of each class, `[..., K, P]`.

    Without classes there is one, the foreground: every label above 0.
    """
    if classes is None:
        return (labels > 0)[..., None, :]
    return np.stack([labels == label for label in classes], axis=-2)


def pack(marks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Marks `[..., P]` as bits `[..., P / 64]`, filled up with zeros."""
    packed = np.ascontiguousarray(np.packbits(marks, axis=-1))
    missing = -packed.shape[-1] % (_BITS // 8)
    if missing:
        packed = np.pad(packed, [(0, 0)] * (packed.ndim - 1) + [(0, missing)])
    return packed.view(np.uint64)


def overlap(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> Overlap:
    """Masks compared one to one: bits `[..., K, W]` of both give `[...]`."""
    return _compare(_count(first & second), _count(first), _count(second))


def pairwise_overlap(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> Overlap:
    """All pairs of two sets compared: bits `[M, K, W]` and `[N, K, W]` give `[M, N]`."""
    # Row by row, what is counted stays in the cache.
    common = np.stack([_count(row & second) for row in first])
    return _compare(common, _count(first)[:, None], _count(second))


def _count(bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number of ones along the last axis."""
    return np.bitwise_count(bits).sum(axis=-1, dtype=np.int64)


def _compare(common: NDArray, first: NDArray, second: NDArray) -> Overlap:
    """From the pixels in both masks and in each, `[..., K]`."""
    either = first + second - common
    present = np.count_nonzero(either, axis=-1)
    # The share of a class absent from both is 0 / 1 and counts as nothing.
    share = (common / np.maximum(either, 1)).sum(axis=-1)
    iou = np.where(present > 0, share / np.maximum(present, 1), 1.0)
    return Overlap(iou, (either - common).sum(axis=-1))
