"""Intersection over union of masks, one to one and all pairs of two sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.overlap import marks_of, overlap, pack, pairwise_overlap
from hpunet.metrics.sets import (
    as_classes,
    as_ignored,
    as_ignored_images,
    as_labels,
    as_sets,
    pixels_of,
)


def iou(
    first: ArrayLike,
    second: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Intersection over union of masks, one to one.

    Foreground is every label above 0: all classes but the background count as one. Two masks
    without foreground agree, their IoU is 1. With `classes`, the mean of the IoU of each class: a
    class absent from both masks counts as nothing, and if all are, the IoU is 1.

    Args:
        first: Labels `[..., H, W]`, integer or boolean.
        second: Labels of the same shape.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean, the last axes of the masks: pixels left out of all masks as if the images
            did not have them. None for none.

    Returns:
        Float64 `[...]` in [0, 1].

    Raises:
        ValueError: If the shapes differ, the labels are not integers, or classes or ignored pixels
            do not fit.
    """
    first, second = as_labels("first", first), as_labels("second", second)
    if first.shape != second.shape or first.ndim < 2:
        raise ValueError(f"shapes {first.shape} and {second.shape}; allowed is one [..., H, W]")
    classes, ignored = as_classes(classes), as_ignored(ignored, first.shape)
    return overlap(*(_bits(labels, classes, ignored) for labels in (first, second))).iou


def distance(
    first: ArrayLike,
    second: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """1 - `iou(first, second)`, with the same arguments, conventions and errors.

    Two empty masks, or masks without any of the classes, have distance 0.
    """
    return 1.0 - iou(first, second, classes=classes, ignored=ignored)


def pairwise_iou(
    first: ArrayLike,
    second: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Intersection over union of every mask of one set with every mask of another, image by image.

    Foreground is every label above 0; two masks without it have IoU 1. With `classes`, the mean
    over those present in at least one mask of the pair, and 1 if none is.

    Args:
        first: Labels `[M, B, H, W]`, integer or boolean.
        second: Labels `[N, B, H, W]` of the same images.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels left out of all masks; None for none.

    Returns:
        Float64 `[B, M, N]` in [0, 1].

    Raises:
        ValueError: If the shapes do not fit, a set is empty, the labels are not integers, or
            classes or ignored pixels do not fit.
    """
    first, second = as_sets(first=first, second=second)
    classes, ignored = as_classes(classes), as_ignored_images(ignored, first)
    result = np.empty((first.shape[1], len(first), len(second)), np.float64)
    # Image by image: the marks stay small whatever the number of images.
    for image, matrix in enumerate(result):
        masks = (pixels_of(labels, image, ignored) for labels in (first, second))
        bits = (pack(marks_of(labels, classes)) for labels in masks)
        matrix[...] = pairwise_overlap(*bits).iou
    return result


def pairwise_distance(
    first: ArrayLike,
    second: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """1 - `pairwise_iou(first, second)`, with the same arguments, conventions and errors.

    Two empty masks, or masks without any of the classes, have distance 0.
    """
    return 1.0 - pairwise_iou(first, second, classes=classes, ignored=ignored)


def _bits(
    labels: NDArray, classes: tuple[int, ...] | None, ignored: NDArray[np.bool_] | None
) -> NDArray[np.uint64]:
    """Packed marks `[..., K, W]` of labels `[..., H, W]`, none at ignored pixels."""
    pixels = labels.shape[-2] * labels.shape[-1]
    marks = marks_of(labels.reshape(*labels.shape[:-2], pixels), classes)
    if ignored is not None:
        marks &= ~ignored.reshape(*ignored.shape[:-2], 1, pixels)
    return pack(marks)
