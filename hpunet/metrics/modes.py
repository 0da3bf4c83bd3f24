"""Frequencies of the modes of an image, which are its distinct annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.counting import ROUNDING, Overlap, marks_of, pack, pairwise_overlap
from hpunet.metrics.inputs import annotated_images, as_classes, as_sets


class ModeFrequencies(NamedTuple):
    """Shares of annotators and samples of each mode of an image.

    The index of a mode is that of the first annotation that shows it; other entries are NaN.

    Attributes:
        chosen: Weighted share of the annotators, `[G, B]`.
        drawn: Share of the samples, `[G, B]`.
    """

    chosen: NDArray[np.float64]
    drawn: NDArray[np.float64]


def annotation_modes(
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Groups equal annotations of an image; its modes are the distinct annotations.

    Annotations are equal if they have the same foreground, which is every label above 0. With
    `classes`, they are equal if each of the classes covers the same pixels.

    Args:
        annotations: Labels `[G, B, H, W]`, integer or boolean.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels that may differ; None allows none.
        weights: `[G]` or `[G, B]`, weight of each annotation; weight 0 removes an annotation. None
            weights all annotations equally.

    Returns:
        Int64 `[G, B]`, index of the first annotation that equals each one; -1 at weight 0.

    Raises:
        ValueError: If the set is empty, labels are not integers, or classes, ignored or weights are
            invalid.

    Example:
        >>> from hpunet import metrics
        >>> annotations = [[[[1, 1, 0]]], [[[0, 0, 0]]], [[[1, 1, 0]]]]
        >>> metrics.annotation_modes(annotations)
        array([[0],
               [1],
               [0]])
    """
    (annotations,) = as_sets(annotations=annotations)
    classes = as_classes(classes)
    result = np.full(annotations.shape[:2], -1, np.int64)
    images = annotated_images(annotations, annotations, ignored, weights)
    for index, (_, masks, _, annotators) in enumerate(images):
        bits = pack(marks_of(masks, classes))
        result[annotators, index] = annotators[
            _first_equal(same_masks(pairwise_overlap(bits, bits)))
        ]
    return result


def mode_frequencies(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> ModeFrequencies:
    """How often annotators chose each mode of an image and how often samples drew it.

    The modes are the distinct annotations (see `annotation_modes`). A sample is assigned to its
    nearest mode, which is the mode with the largest IoU; at equal IoU the mode that differs in the
    fewest pixels, summed over the classes; then the first.

    These shares do not test a model: with few annotators the chosen shares are noisy and some modes
    are unseen, so even samples from the distribution of the annotators differ from them.
    `held_out_frequencies` provides the comparison for such samples.

    The foreground is every label above 0; two masks without foreground have IoU 1. With `classes`,
    the IoU is the mean over the classes present in the sample or the mode, or 1 if no class is
    present.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from every mask; None excludes none.
        weights: `[G]` or `[G, B]`, weight of each annotation, at least 0, in any unit; weight 0
            removes an annotation. None weights all annotations equally.

    Returns:
        Shares `[G, B]`, float64, each summing to 1 over the modes of an image; NaN for annotations
        that repeat an earlier one or have weight 0.

    Raises:
        ValueError: If shapes do not match, a set is empty, labels are not integers, or classes,
            ignored or weights are invalid.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0]]], [[[1, 0, 0]]], [[[0, 0, 0]]], [[[1, 1, 1]]]]
        >>> annotations = [[[[1, 1, 0]]], [[[0, 0, 0]]], [[[1, 1, 0]]]]
        >>> modes = metrics.mode_frequencies(samples, annotations)
        >>> modes.chosen[:, 0].round(2), modes.drawn[:, 0]
        (array([0.67, 0.33,  nan]), array([0.75, 0.25,  nan]))
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    classes = as_classes(classes)
    result = np.full((2, *annotations.shape[:2]), np.nan)
    for index, image in enumerate(annotated_images(samples, annotations, ignored, weights)):
        bits = pack(marks_of(image.annotations, classes))
        between = pairwise_overlap(pack(marks_of(image.samples, classes)), bits)
        result[:, image.annotators, index] = frequencies_of(
            between, pairwise_overlap(bits, bits), image.weights
        )
    return ModeFrequencies(*result)


def frequencies_of(
    between: Overlap, among_annotators: Overlap, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shares chosen and drawn `[2, A]` of one image, NaN for repeated annotations.

    Args:
        between: Comparison of samples and annotations, `[S, A]`.
        among_annotators: Comparison of the annotations with each other, `[A, A]`.
        weights: Weights of the annotations, `[A]`.
    """
    first = _first_equal(same_masks(among_annotators))
    modes = first == np.arange(len(first))
    chosen = np.bincount(first, weights=weights, minlength=len(first)) / weights.sum()
    nearest = nearest_modes(between.iou, between.differing, modes)
    drawn = np.bincount(nearest, minlength=len(first)) / len(nearest)
    return np.where(modes, [chosen, drawn], np.nan)


def same_masks(among: Overlap) -> NDArray[np.bool_]:
    """Whether two masks of one set are equal, `[A, A]`."""
    return among.differing == 0


def nearest_modes(
    iou: NDArray[np.float64], differing: NDArray[np.int64], modes: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Indices of the nearest mode of each mask.

    Args:
        iou: IoU of masks and annotations, `[..., A]`.
        differing: Number of pixels that exactly one of the two marks, `[..., A]`.
        modes: Whether an annotation represents a mode, `[..., A]`, at least one per mask.

    Returns:
        Indices `[...]`, with axes of length 1 broadcast.
    """
    iou = np.where(modes, iou, -1.0)
    best = iou >= iou.max(axis=-1, keepdims=True) - ROUNDING
    return np.where(best, differing, np.iinfo(differing.dtype).max).argmin(axis=-1)


def _first_equal(same: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Index of the first mask that equals each mask."""
    return same.argmax(axis=1)
