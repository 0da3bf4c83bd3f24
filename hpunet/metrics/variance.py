"""Whether samples differ where annotators differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.overlap import marks_of
from hpunet.metrics.sets import annotated_images, as_classes, as_sets
from hpunet.metrics.votes import ROUNDING, Votes, votes_of


def variance_ncc(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Normalised cross-correlation of the variance maps of samples and annotators, image by image.

    The variance of a pixel is p (1 - p), p the share of a set, by weight, that marked it as
    foreground, which is every label above 0. With `classes` it is the sum of p_c (1 - p_c) over the
    given classes; over all that occur that is 1 - sum p_c^2. The correlation is Pearson's, over the
    pixels of the image.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels left out of both maps; None for none.
        weights: `[G]` or `[G, B]`, how much each annotation counts, at least 0, in any unit; 0 is
            an annotation that is not there. None for all alike.

    Returns:
        Float64 `[B]` in [-1, 1], higher is better. NaN where either map is the same everywhere, as
        it is where all annotators or all samples agree.

    Raises:
        ValueError: If the shapes do not fit, a set is empty, the labels are not integers, or
            classes, ignored pixels or weights do not fit.
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


def scaled_variance(votes: Votes) -> NDArray[np.float64]:
    """Variance `[P]` of the votes, times the square of their total."""
    # Not divided: counts stay whole, and p and 1 - p have the same variance to the last digit.
    return (votes.sums * (votes.total - votes.sums)).sum(axis=0)


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson's correlation of two maps `[P]`; NaN where one is constant or there is no pixel."""
    if _constant(first) or _constant(second):
        return math.nan
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt((first * first).sum() * (second * second).sum())
    return min(max(float((first * second).sum()) / scale, -1.0), 1.0)


def _constant(values: NDArray[np.float64]) -> bool:
    return not values.size or bool(np.ptp(values) <= ROUNDING * values.max())
