"""Squared generalised energy distance of samples and annotations, and the diversity of a set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.counting import marks_of, pack, pairwise_overlap
from hpunet.metrics.inputs import AnnotatedImage, annotated_images, as_classes, as_sets


def ged(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    unbiased: bool = False,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Squared generalised energy distance of two sets of masks, per image.

    With S samples s, G annotations y, weights w that sum to 1 (1 / G each) and d = 1 - IoU,

        GED^2 = 2 / S sum w d(s, y) - 1 / S^2 sum d(s, s') - sum w w' d(y, y').

    The sums include the pairs of a mask with itself, so a set has distance 0 to itself, and few
    samples score worse than many samples of the same distribution. The unbiased form excludes these
    pairs: the last two terms become 1 / (S (S - 1)) sum over s != s' and
    sum w w' d(y, y') / (1 - sum w^2) over y != y'. Its mean does not depend on the number of
    samples, but single values may be negative.

    The foreground is every label above 0; two masks without foreground have IoU 1. With `classes`,
    the IoU is the mean over the classes present in at least one mask of the pair, or 1 if no class
    is present.

    A class absent from both masks counts as nothing, as in the evaluation of Kohl et al. 2018,
    which leaves out images with a pair of masks without any class. PHiSeg, SSN and CCDM give an
    absent class IoU 1. With several classes, GED^2 by the two conventions differs by up to 0.39.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        unbiased: Whether to exclude the pairs of a mask with itself.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from every mask; None excludes none.
        weights: `[G]` or `[G, B]`, weight of each annotation, at least 0, in any unit; weight 0
            removes an annotation. None weights all annotations equally.

    Returns:
        Float64 `[B]` in [0, 2], lower is better. If unbiased, in [-1, 2], and NaN for a single
        sample or annotation.

    Raises:
        ValueError: If shapes do not match, a set is empty, labels are not integers, or classes,
            ignored or weights are invalid.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]]]
        >>> annotations = [[[[1, 1, 0, 0]]], [[[0, 0, 0, 0]]]]
        >>> metrics.ged(samples, annotations)
        array([0.5])

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
    """Mean distance 1 - IoU among the masks of one set, per image.

    This is the term that `ged` subtracts: 1 / S^2 sum d(s, s') over all pairs, including those of a
    mask with itself (distance 0). The unbiased form excludes these and divides by S (S - 1). The
    diversity of annotations is the diversity of the annotators: with weights w that sum to 1 it is
    sum w w' d(y, y'), divided by 1 - sum w^2 if unbiased.

    The foreground is every label above 0; two masks without foreground have IoU 1. With `classes`,
    the IoU is the mean over the classes present in at least one mask of the pair, or 1 if no class
    is present.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        unbiased: Whether to exclude the pairs of a mask with itself.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from every mask; None excludes none.
        weights: `[S]` or `[S, B]`, weight of each mask, at least 0, in any unit; weight 0 removes a
            mask. None weights all masks equally.

    Returns:
        Float64 `[B]` in [0, 1]; neither high nor low is better. If unbiased, NaN for a single mask.

    Raises:
        ValueError: If the set is empty, labels are not integers, or classes, ignored or weights are
            invalid.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]]]
        >>> metrics.sample_diversity(samples)
        array([0.25])
        >>> metrics.sample_diversity(samples, unbiased=True)
        array([0.5])
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
    """Squared energy distance from its three mean distances."""
    return 2 * between - among_samples - among_annotators


def mean_distance(iou: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mean distance of samples and annotations, from their IoU `[S, A]` and weights `[A]`."""
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
    # In contiguous memory a part of a larger matrix has the same sum to the last digit.
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
