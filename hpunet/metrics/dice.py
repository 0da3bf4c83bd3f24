"""Dice of what most samples and what most annotators marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.overlap import marks_of
from hpunet.metrics.sets import annotated_images, as_classes, as_sets
from hpunet.metrics.votes import ROUNDING, Votes, votes_of


def dice_of_mean(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Dice of the samples' mean mask with the annotators' mean mask, image by image.

    A mean mask holds the pixels that at least half of a set marked, by weight: exactly half is
    enough. Dice is 2 |a and b| / (|a| + |b|), of the foreground, which is every label above 0; two
    empty mean masks have Dice 1.

    With `classes`, the mean mask holds at each pixel the label most frequent there, among all
    labels that occur, and the smallest of them at a tie; Dice is averaged over the classes present
    in either mean mask, and 1 if none is. So with `classes=(1,)` binary labels score as the
    foreground does, but for pixels that exactly half of a set marked, which are background then.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels left out of all masks; None for none.
        weights: `[G]` or `[G, B]`, how much each annotation counts, at least 0, in any unit; 0 is
            an annotation that is not there. None for all alike.

    Returns:
        Float64 `[B]` in [0, 1], higher is better.

    Raises:
        ValueError: If the shapes do not fit, a set is empty, the labels are not integers, or
            classes, ignored pixels or weights do not fit.
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


def mean_mask(
    labels: NDArray,
    weights: NDArray[np.float64] | None,
    classes: tuple[int, ...] | None,
    votes: Votes | None = None,
) -> NDArray[np.bool_]:
    """Marks `[K, P]` of what most of a set says; see `dice_of_mean`.

    Args:
        labels: `[N, P]`.
        weights: Theirs, `[N]`; None for all alike.
        classes: Labels to tell apart, or None.
        votes: For the foreground, where they are known already.
    """
    if classes is not None:
        return marks_of(_most_frequent(labels, weights), classes)
    sums, total = votes or votes_of(marks_of(labels, None), weights)
    return sums >= total / 2 * (1 - ROUNDING)


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Dice of marks `[K, P]`, averaged over the classes present in either; 1 if none is."""
    areas = np.count_nonzero(first, axis=-1) + np.count_nonzero(second, axis=-1)
    if not areas.any():
        return 1.0
    common = np.count_nonzero(first & second, axis=-1)
    return float((2 * common[areas > 0] / areas[areas > 0]).mean())


def _most_frequent(labels: NDArray, weights: NDArray[np.float64] | None) -> NDArray:
    """The label `[P]` with the most votes at each pixel, the smallest at ties."""
    winner = np.zeros(labels.shape[1:], labels.dtype)
    most = np.zeros(labels.shape[1:])
    # In rising order: a larger label must have more votes, and more by more than rounding.
    for label in np.unique(labels):
        votes = votes_of(labels == label, weights)
        wins = votes.sums > most + ROUNDING * votes.total
        winner[wins], most[wins] = label, votes.sums[wins]
    return winner
