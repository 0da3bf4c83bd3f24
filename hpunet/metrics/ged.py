"""Squared generalised energy distance between samples and annotations, and its diversities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.overlap import marks_of, pack, pairwise_overlap
from hpunet.metrics.sets import AnnotatedImage, annotated_images, as_classes, as_sets


def ged(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    unbiased: bool = False,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Squared generalised energy distance of two sets of masks, image by image.

    With S samples s, G annotations y, weights w that sum to 1 (1 / G each) and d = 1 - IoU,

        GED^2 = 2 / S sum w d(s, y) - 1 / S^2 sum d(s, s') - sum w w' d(y, y').

    The sums run over all pairs, those of a mask with itself included, so a set has distance 0 to
    itself and few samples score worse than many of the same distribution. The unbiased form leaves
    these pairs out: the last two terms become 1 / (S (S - 1)) sum over s != s' and
    sum w w' d(y, y') / (1 - sum w^2) over y != y'. Its mean does not depend on the number of
    samples, but it may fall below 0.

    Foreground is every label above 0; two masks without it have IoU 1. With `classes`, the IoU is
    the mean over those present in at least one mask of the pair, and 1 if none is.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        unbiased: Whether pairs of a mask with itself are left out.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels left out of all masks; None for none.
        weights: `[G]` or `[G, B]`, how much each annotation counts, at least 0, in any unit; 0 is
            an annotation that is not there. None for all alike.

    Returns:
        Float64 `[B]` in [0, 2], lower is better; in [-1, 2] if unbiased, and NaN where there is
        only one sample or one annotation.

    Raises:
        ValueError: If the shapes do not fit, a set is empty, the labels are not integers, or
            classes, ignored pixels or weights do not fit.

    Reference: Kohl et al. 2018, section 3; Kohl et al. 2019, section 3. Unbiased: Gretton et al.
    2012, "A kernel two-sample test", lemma 6.
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    classes = as_classes(classes)
    images = annotated_images(samples, annotations, ignored, weights)
    return np.array([_energy(image, classes, unbiased) for image in images], np.float64)


def sample_diversity(
    samples: ArrayLike,
    *,
    unbiased: bool = False,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Mean distance 1 - IoU among the masks of one set, image by image.

    The term that `ged` subtracts: 1 / S^2 sum d(s, s') over all pairs, those of a mask with itself
    (distance 0) included. The unbiased form leaves these out and divides by S (S - 1). Of
    annotations it is the annotators' diversity; with weights w that sum to 1 it is sum w w' d(y,
    y'), unbiased divided by 1 - sum w^2.

    Foreground is every label above 0; two masks without it have IoU 1. With `classes`, the IoU is
    the mean over those present in at least one mask of the pair, and 1 if none is.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        unbiased: Whether pairs of a mask with itself are left out.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels left out of all masks; None for none.
        weights: `[S]` or `[S, B]`, how much each mask counts, at least 0, in any unit; 0 is a mask
            that is not there. None for all alike.

    Returns:
        Float64 `[B]` in [0, 1]; neither high nor low is better. Unbiased: NaN where there is only
        one mask.

    Raises:
        ValueError: If the set is empty, the labels are not integers, or classes, ignored pixels or
            weights do not fit.
    """
    (samples,) = as_sets(samples=samples)
    classes = as_classes(classes)
    return np.array(
        [
            diversity_of(_iou_within(pack(marks_of(masks, classes))), image_weights, unbiased)
            for _, masks, image_weights, _ in annotated_images(samples, samples, ignored, weights)
        ],
        np.float64,
    )


def energy_of(between: float, among_samples: float, among_annotators: float) -> float:
    """The squared energy distance from its three mean distances."""
    return 2 * between - among_samples - among_annotators


def mean_distance(iou: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mean distance of samples and annotations from their IoU `[S, A]` and weights `[A]`."""
    pairs = np.outer(np.ones(len(iou)), weights)
    return _weighted_mean(1.0 - iou, pairs)


def diversity_of(iou: NDArray[np.float64], weights: NDArray[np.float64], unbiased: bool) -> float:
    """Mean distance within a set, from its IoU `[N, N]` and weights `[N]`."""
    pairs = np.outer(weights, weights)
    if unbiased:
        if len(weights) == 1:
            return math.nan
        np.fill_diagonal(pairs, 0.0)
    return _weighted_mean(1.0 - iou, pairs)


def _weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    # A copy in order: a part of a larger matrix sums up to the same last digit.
    return float((np.ascontiguousarray(values) * weights).sum() / weights.sum())


def _energy(image: AnnotatedImage, classes: tuple[int, ...] | None, unbiased: bool) -> float:
    samples, annotations = (
        pack(marks_of(labels, classes)) for labels in (image.samples, image.annotations)
    )
    return energy_of(
        mean_distance(pairwise_overlap(samples, annotations).iou, image.weights),
        diversity_of(_iou_within(samples), np.ones(len(samples)), unbiased),
        diversity_of(_iou_within(annotations), image.weights, unbiased),
    )


def _iou_within(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return pairwise_overlap(bits, bits).iou
