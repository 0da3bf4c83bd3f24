"""Intersection over union of masks, one to one and all pairs of two sets."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A float32 sum of zeros and ones is exact up to here, whatever the order of summation.
_EXACT_IN_FLOAT32 = 2**24


def as_labels(name: str, labels: ArrayLike) -> NDArray:
    """The labels as a NumPy array.

    Raises:
        ValueError: If they are neither integers nor booleans.
    """
    array = np.asarray(labels)
    if array.dtype != bool and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} has dtype {array.dtype}; allowed are integer labels and booleans")
    return array


def as_sets(**sets: ArrayLike) -> tuple[NDArray, ...]:
    """Sets of labels `[N, B, H, W]` of the same B images as NumPy arrays, by name.

    Raises:
        ValueError: If the labels are not integers, a set has no mask or another number of axes, or
            the images differ in number, height or width.
    """
    arrays = {name: as_labels(name, labels) for name, labels in sets.items()}
    for name, array in arrays.items():
        if array.ndim != 4 or not len(array):
            raise ValueError(f"{name} has shape {array.shape}; it must be [N, B, H, W] with N >= 1")
    if len({array.shape[1:] for array in arrays.values()}) > 1:
        shapes = " and ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{shapes} differ; all axes but the first must be the same")
    return tuple(arrays.values())


def iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of the foreground of masks, one to one.

    Foreground is every label above 0: all classes but the background count as one. Two masks
    without foreground agree, their IoU is 1.

    Args:
        first: Labels `[..., H, W]`, integer or boolean.
        second: Labels of the same shape.

    Returns:
        Float64 `[...]` in [0, 1].

    Raises:
        ValueError: If the shapes differ or the labels are not integers.
    """
    first, second = as_labels("first", first), as_labels("second", second)
    if first.shape != second.shape or first.ndim < 2:
        raise ValueError(f"shapes {first.shape} and {second.shape}; allowed is one [..., H, W]")
    intersection = np.count_nonzero((first > 0) & (second > 0), axis=(-2, -1))
    union = np.count_nonzero((first > 0) | (second > 0), axis=(-2, -1))
    return _ratio(intersection, union)


def distance(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """1 - `iou(first, second)`, with the same arguments and errors."""
    return 1.0 - iou(first, second)


def pairwise_iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every mask of one set with every mask of another, image by image.

    Foreground and empty masks as in `iou`. All intersections of an image are one matrix product.

    Args:
        first: Labels `[M, B, H, W]`, integer or boolean.
        second: Labels `[N, B, H, W]` of the same images.

    Returns:
        Float64 `[B, M, N]` in [0, 1].

    Raises:
        ValueError: If the shapes do not fit, a set is empty or the labels are not integers.
    """
    first, second = as_sets(first=first, second=second)
    result = np.empty((first.shape[1], len(first), len(second)), np.float64)
    # Image by image: the floating-point copies stay small whatever the number of images.
    for index, matrix in enumerate(result):
        matrix[...] = _image_iou(_indicators(first[:, index]), _indicators(second[:, index]))
    return result


def pairwise_distance(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """1 - `pairwise_iou(first, second)`, with the same arguments and errors."""
    return 1.0 - pairwise_iou(first, second)


def _indicators(masks: NDArray) -> NDArray[np.floating]:
    """Foreground of masks `[N, H, W]` as zeros and ones `[N, H * W]`."""
    pixels = masks.shape[-2] * masks.shape[-1]
    exact = np.float32 if pixels <= _EXACT_IN_FLOAT32 else np.float64
    return (masks > 0).reshape(len(masks), pixels).astype(exact)


def _image_iou(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """IoU `[M, N]` of indicators `[M, P]` and `[N, P]`."""
    intersection = (first @ second.T).astype(np.float64)
    areas = (x.sum(axis=1, dtype=np.float64) for x in (first, second))
    return _ratio(intersection, np.add.outer(*areas) - intersection)


def _ratio(intersection: NDArray, union: NDArray) -> NDArray[np.float64]:
    """Their quotient, 1 where the union is empty."""
    return np.where(union > 0, intersection / np.maximum(union, 1), 1.0)
