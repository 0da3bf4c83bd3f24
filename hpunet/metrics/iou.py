"""Intersection over union: of pairs of masks, all pairs of two sets, and reconstructions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.counting import marks_of, overlap, pack, pairwise_overlap
from hpunet.metrics.inputs import (
    as_classes,
    as_ignored,
    as_ignored_images,
    as_labels,
    as_sets,
    as_weights,
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

    The foreground is every label above 0: all classes but the background count as one. Two masks
    without foreground have IoU 1. With `classes`, the result is the mean IoU over the classes
    present in at least one of the two masks, or 1 if no class is present.

    A class absent from both masks counts as nothing, as in the evaluation of Kohl et al. 2018.
    PHiSeg, SSN and CCDM give it IoU 1, so that their means over classes are higher.

    Args:
        first: Labels `[..., H, W]`, integer or boolean.
        second: Labels of the same shape.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean, with the last axes of the masks: pixels to exclude from both masks. None
            excludes none.

    Returns:
        Float64 `[...]` in [0, 1].

    Raises:
        ValueError: If shapes differ, labels are not integers, or classes or ignored are invalid.

    Example:
        >>> from hpunet import metrics
        >>> metrics.iou([[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]])
        array([0.5])
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
    """Distance 1 - `iou(first, second)`, with the same arguments, conventions and errors.

    Two empty masks, or two masks without any of the classes, have distance 0.

    Example:
        >>> from hpunet import metrics
        >>> metrics.distance([[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]])
        array([0.5])
    """
    return 1.0 - iou(first, second, classes=classes, ignored=ignored)


def pairwise_iou(
    first: ArrayLike,
    second: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Intersection over union of every mask of one set with every mask of another, per image.

    The foreground is every label above 0; two masks without foreground have IoU 1. With `classes`,
    the IoU is the mean over the classes present in at least one mask of the pair, or 1 if no class
    is present.

    Args:
        first: Labels `[M, B, H, W]`, integer or boolean.
        second: Labels `[N, B, H, W]` of the same images.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from every mask; None excludes none.

    Returns:
        Float64 `[B, M, N]` in [0, 1].

    Raises:
        ValueError: If shapes do not match, a set is empty, labels are not integers, or classes or
            ignored are invalid.

    Example:
        >>> from hpunet import metrics
        >>> first = [[[[1, 1, 0, 0]]], [[[0, 0, 0, 0]]]]
        >>> second = [[[[1, 0, 0, 0]]]]
        >>> metrics.pairwise_iou(first, second)
        array([[[0.5],
                [0. ]]])
    """
    first, second = as_sets(first=first, second=second)
    classes, ignored = as_classes(classes), as_ignored_images(ignored, first)
    result = np.empty((first.shape[1], len(first), len(second)), np.float64)
    # Per image, so that memory does not grow with the number of images.
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
    """Distance 1 - `pairwise_iou(first, second)`, with the same arguments, conventions and errors.

    Two empty masks, or two masks without any of the classes, have distance 0.

    Example:
        >>> from hpunet import metrics
        >>> metrics.pairwise_distance([[[[1, 1, 0, 0]]]], [[[[1, 0, 0, 0]]]])
        array([[[0.5]]])
    """
    return 1.0 - pairwise_iou(first, second, classes=classes, ignored=ignored)


def reconstruction_iou(
    reconstructions: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """IoU of each annotation with its reconstruction, averaged over the annotators of an image.

    A reconstruction is the mask decoded from the posterior means given an annotation. The score
    tells how well the latents can express the annotations. The foreground is every label above 0;
    two masks without foreground have IoU 1. With `classes`, the IoU is the mean over the classes
    present in the annotation or its reconstruction, or 1 if no class is present.

    Args:
        reconstructions: Labels `[G, B, H, W]`, integer or boolean, in the order of the annotations.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from every mask; None excludes none.
        weights: `[G]` or `[G, B]`, weight of each annotation in the average, at least 0, in any
            unit; weight 0 removes an annotation. None weights all annotations equally.

    Returns:
        Float64 `[B]` in [0, 1], higher is better.

    Raises:
        ValueError: If shapes differ, there is no annotator, labels are not integers, or classes,
            ignored or weights are invalid.

    Example:
        >>> from hpunet import metrics
        >>> annotations = [[[[1, 1, 0, 0]]], [[[0, 0, 0, 0]]]]
        >>> reconstructions = [[[[1, 0, 0, 0]]], [[[0, 0, 0, 0]]]]
        >>> metrics.reconstruction_iou(reconstructions, annotations)
        array([0.75])

    Reference: Kohl et al. 2019, section 3, IoU_rec.
    """
    reconstructions, annotations = as_sets(reconstructions=reconstructions, annotations=annotations)
    classes, ignored = as_classes(classes), as_ignored_images(ignored, annotations)
    share = as_weights(weights, *annotations.shape[:2])
    each: NDArray[np.float64] = np.empty(annotations.shape[:2])
    # Per image, so that memory does not grow with the number of images.
    for image in range(annotations.shape[1]):
        each[:, image] = iou(
            reconstructions[:, image],
            annotations[:, image],
            classes=classes,
            ignored=None if ignored is None else ignored[image],
        )
    return (each * share).sum(axis=0) / share.sum(axis=0)


def _bits(
    labels: NDArray, classes: tuple[int, ...] | None, ignored: NDArray[np.bool_] | None
) -> NDArray[np.uint64]:
    """Packed masks `[..., K, W]` of labels `[..., H, W]`, cleared at ignored pixels."""
    pixels = labels.shape[-2] * labels.shape[-1]
    marks = marks_of(labels.reshape(*labels.shape[:-2], pixels), classes)
    if ignored is not None:
        marks &= ~ignored.reshape(*ignored.shape[:-2], 1, pixels)
    return pack(marks)
