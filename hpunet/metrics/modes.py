"""How often samples hit each of the annotators' different answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.overlap import Overlap, marks_of, pack, pairwise_overlap
from hpunet.metrics.sets import annotated_images, as_classes, as_sets
from hpunet.metrics.votes import ROUNDING


class ModeFrequencies(NamedTuple):
    """How often each mode of an image was chosen and drawn.

    A mode stands at the first of the annotations that show it; elsewhere is NaN.

    Attributes:
        chosen: Share of the annotators, by weight, `[G, B]`.
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
    """Which annotations of an image show the same: its modes are the distinct ones.

    Annotations are the same if their foreground is, which is every label above 0; two without it
    are. With `classes`, if each of the given classes covers the same pixels.

    Args:
        annotations: Labels `[G, B, H, W]`, integer or boolean.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels that may differ; None for none.
        weights: `[G]` or `[G, B]`, how much each annotation counts; 0 is an annotation that is not
            there. None for all alike.

    Returns:
        Int64 `[G, B]`: for each annotation the place of the first that is the same, -1 at weight 0.

    Raises:
        ValueError: If the set is empty, the labels are not integers, or classes, ignored pixels or
            weights do not fit.
    """
    (annotations,) = as_sets(annotations=annotations)
    classes = as_classes(classes)
    result = np.full(annotations.shape[:2], -1, np.int64)
    images = annotated_images(annotations, annotations, ignored, weights)
    for index, (_, masks, _, annotators) in enumerate(images):
        bits = pack(marks_of(masks, classes))
        result[annotators, index] = annotators[
            _first_alike(same_masks(pairwise_overlap(bits, bits)))
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
    """How often annotators chose each mode of an image and how often it was drawn.

    The modes are the distinct annotations (see `annotation_modes`), each at the first of those that
    are the same. A sample counts for the mode nearest to it: the one of the largest IoU; at equal
    IoU the one that differs in the fewest pixels, summed over the classes; then the first.

    These are the plain numbers, not a test of a model: few annotators leave the shares that chose
    noisy and modes unseen, so that samples of the annotators' own distribution differ from them,
    too. `held_out_frequencies` says what such samples come to.

    Foreground is every label above 0; two masks without it have IoU 1. With `classes`, the IoU is
    the mean over those present in sample or mode, and 1 if none is.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels left out of all masks; None for none.
        weights: `[G]` or `[G, B]`, how much each annotation counts, at least 0, in any unit; 0 is
            an annotation that is not there. None for all alike.

    Returns:
        Shares `[G, B]`, float64, that sum to 1 over the modes of an image, chosen and drawn; NaN at
        annotations that repeat an earlier one and at those of weight 0.

    Raises:
        ValueError: If the shapes do not fit, a set is empty, the labels are not integers, or
            classes, ignored pixels or weights do not fit.
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
    """Shares chosen and drawn `[2, A]` of one image, NaN at repeats.

    Args:
        between: Samples and annotations compared, `[S, A]`.
        among_annotators: Annotations compared, `[A, A]`.
        weights: Theirs, `[A]`.
    """
    first = _first_alike(same_masks(among_annotators))
    modes = first == np.arange(len(first))
    chosen = np.bincount(first, weights=weights, minlength=len(first)) / weights.sum()
    nearest = nearest_modes(between.iou, between.differing, modes)
    drawn = np.bincount(nearest, minlength=len(first)) / len(nearest)
    return np.where(modes, [chosen, drawn], np.nan)


def same_masks(among: Overlap) -> NDArray[np.bool_]:
    """Which masks of one set show the same, `[A, A]`."""
    return among.differing == 0


def nearest_modes(
    iou: NDArray[np.float64], differing: NDArray[np.int64], modes: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Places of the modes nearest to masks.

    Args:
        iou: Of masks and annotations, `[..., A]`.
        differing: Pixels that only one of the two marks, `[..., A]`.
        modes: Which annotations stand for a mode, `[..., A]`, at least one.

    Returns:
        `[...]`, axes of length 1 stretched to fit each other.
    """
    iou = np.where(modes, iou, -1.0)
    best = iou >= iou.max(axis=-1, keepdims=True) - ROUNDING
    return np.where(best, differing, np.iinfo(differing.dtype).max).argmin(axis=-1)


def _first_alike(same: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Place of the first mask that is the same as each one."""
    return same.argmax(axis=1)
