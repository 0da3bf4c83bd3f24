"""Scores of pixelwise statistics of samples and annotations: mean masks and variances."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.counting import ROUNDING, Votes, marks_of, votes_of
from hpunet.metrics.inputs import annotated_images, as_classes, as_sets


def dice_of_mean(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Dice of the mean mask of the samples with the mean mask of the annotators, per image.

    A mean mask contains the pixels marked by at least half of a set, by weight. Dice is
    2 |a and b| / (|a| + |b|) of the foreground, which is every label above 0; two empty mean masks
    have Dice 1.

    With `classes`, the mean mask holds the most frequent label of each pixel among all labels that
    occur, and the smallest of them at a tie; Dice is averaged over the classes present in either
    mean mask, or 1 if no class is present. With `classes=(1,)`, binary labels therefore score as
    the foreground does, except that pixels marked by exactly half of a set are background.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from every mask; None excludes none.
        weights: `[G]` or `[G, B]`, weight of each annotation, at least 0, in any unit; weight 0
            removes an annotation. None weights all annotations equally.

    Returns:
        Float64 `[B]` in [0, 1], higher is better.

    Raises:
        ValueError: If shapes do not match, a set is empty, labels are not integers, or classes,
            ignored or weights are invalid.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]], [[[1, 0, 0, 0]]]]
        >>> annotations = [[[[1, 1, 0, 0]]], [[[1, 1, 1, 0]]], [[[1, 1, 1, 0]]]]
        >>> metrics.dice_of_mean(samples, annotations)
        array([0.5])
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    classes = as_classes(classes)
    return np.array(
        [
            dice(
                mean_mask(image.samples, None, classes),
                mean_mask(image.annotations, image.weights, classes),
            )
            for image in annotated_images(samples, annotations, ignored, weights)
        ],
        np.float64,
    )


def variance_ncc(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Normalised cross-correlation of the variance maps of samples and annotators, per image.

    The variance of a pixel is p (1 - p), where p is the weighted share of a set that marks it as
    foreground, which is every label above 0. With `classes`, it is the sum of p_c (1 - p_c) over
    the given classes, which is 1 - sum p_c^2 over all classes. The correlation is Pearson's, over
    the pixels of an image.

    This is not the S_NCC of PHiSeg (Baumgartner et al. 2019), which correlates maps of
    cross-entropies and averages over the annotations; the values must not be compared.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from both maps; None excludes none.
        weights: `[G]` or `[G, B]`, weight of each annotation, at least 0, in any unit; weight 0
            removes an annotation. None weights all annotations equally.

    Returns:
        Float64 `[B]` in [-1, 1], higher is better. NaN if either map is constant, for example where
        all annotators or all samples agree.

    Raises:
        ValueError: If shapes do not match, a set is empty, labels are not integers, or classes,
            ignored or weights are invalid.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]]]
        >>> annotations = [[[[1, 1, 1, 0]]], [[[1, 0, 0, 0]]]]
        >>> metrics.variance_ncc(samples, annotations).round(3)
        array([0.577])
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    classes = as_classes(classes)
    return np.array(
        [
            correlation(
                scaled_variance(votes_of(marks_of(image.samples, classes))),
                scaled_variance(votes_of(marks_of(image.annotations, classes), image.weights)),
            )
            for image in annotated_images(samples, annotations, ignored, weights)
        ],
        np.float64,
    )


def mean_mask(
    labels: NDArray,
    weights: NDArray[np.float64] | None,
    classes: tuple[int, ...] | None,
    votes: Votes | None = None,
) -> NDArray[np.bool_]:
    """Mean mask `[K, P]` of a set; see `dice_of_mean`.

    Args:
        labels: Labels `[N, P]`.
        weights: Weights of the masks, `[N]`; None weights all masks equally.
        classes: Labels to compare separately, or None for the foreground.
        votes: Votes for the foreground, if already known.
    """
    if classes is not None:
        return marks_of(_most_frequent(labels, weights), classes)
    sums, total = votes or votes_of(marks_of(labels, None), weights)
    return sums >= total / 2 * (1 - ROUNDING)


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Dice of masks `[K, P]`, averaged over the classes present in either; 1 if none is."""
    areas = np.count_nonzero(first, axis=-1) + np.count_nonzero(second, axis=-1)
    if not areas.any():
        return 1.0
    common = np.count_nonzero(first & second, axis=-1)
    return float((2 * common[areas > 0] / areas[areas > 0]).mean())


def _most_frequent(labels: NDArray, weights: NDArray[np.float64] | None) -> NDArray:
    """Label `[P]` with the most votes at each pixel, the smallest label at a tie."""
    winner = np.zeros(labels.shape[1:], labels.dtype)
    most = np.zeros(labels.shape[1:])
    # In ascending order: a larger label wins only by a difference larger than rounding.
    for label in np.unique(labels):
        votes = votes_of(labels == label, weights)
        wins = votes.sums > most + ROUNDING * votes.total
        winner[wins], most[wins] = label, votes.sums[wins]
    return winner


def scaled_variance(votes: Votes) -> NDArray[np.float64]:
    """Variance `[P]` of the votes, multiplied by the square of their total."""
    # Undivided, counts stay integers, and p and 1 - p have the same variance to the last digit.
    return (votes.sums * (votes.total - votes.sums)).sum(axis=0)


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson correlation of two maps `[P]`; NaN if one is constant or has no pixel."""
    if _constant(first) or _constant(second):
        return math.nan
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt((first * first).sum() * (second * second).sum())
    return min(max(float((first * second).sum()) / scale, -1.0), 1.0)


def _constant(values: NDArray[np.float64]) -> bool:
    return not values.size or bool(np.ptp(values) <= ROUNDING * values.max())
