"""IoU of samples and annotations after matching them one to one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment, linprog

from hpunet.metrics.overlap import marks_of, pack, pairwise_overlap
from hpunet.metrics.sets import annotated_images, as_classes, as_sets

# The least that HiGHS allows; its own 1e-7 would show in the scores.
_TOLERANCE = 1e-10


def hungarian_iou(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Mean IoU of samples and annotations, matched one to one so that it is largest.

    Both sets are repeated to the least common multiple of their sizes, so that each sample and
    each annotation counts as often as any other of its set. Annotations of unequal weight cannot be
    repeated so: their weights, and 1 / S for each sample, are shares that an optimal transport
    matches, which for equal weights gives the same value. Annotations of weight 0 are not repeated.

    Foreground is every label above 0; two masks without it have IoU 1. With `classes`, the IoU is
    the mean over those present in at least one mask of the pair, and 1 if none is.

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

    Reference: Kohl et al. 2019, section 3.
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    classes = as_classes(classes)
    return np.array(
        [
            matched_iou(
                pairwise_overlap(
                    pack(marks_of(image.samples, classes)),
                    pack(marks_of(image.annotations, classes)),
                ).iou,
                image.weights,
            )
            for image in annotated_images(samples, annotations, ignored, weights)
        ],
        np.float64,
    )


def matched_iou(iou: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The largest mean over matchings of samples and annotations, from `[S, A]` and `[A]`."""
    return _assigned(iou) if (weights == weights[0]).all() else _transported(iou, weights)


def _assigned(iou: NDArray[np.float64]) -> float:
    """Mean of the best one-to-one matching of rows and columns, both repeated."""
    rows, columns = iou.shape
    size = math.lcm(rows, columns)
    repeated = iou.repeat(size // rows, axis=0).repeat(size // columns, axis=1)
    return float(repeated[linear_sum_assignment(repeated, maximize=True)].mean())


def _transported(iou: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mean under the best plan that gives each row the same and each column its weight."""
    rows, columns = iou.shape
    each_row = np.kron(np.eye(rows), np.ones(columns))
    each_column = np.kron(np.ones(rows), np.eye(columns))
    # The last column's share follows from the others; asked for too, rounding could deny it.
    constraints = [each_row, each_column[:-1]]
    shares = [np.full(rows, 1.0 / rows), (weights / weights.sum())[:-1]]
    plan = linprog(
        -iou.ravel(),
        A_eq=np.concatenate(constraints),
        b_eq=np.concatenate(shares),
        method="highs",
        options={
            "primal_feasibility_tolerance": _TOLERANCE,
            "dual_feasibility_tolerance": _TOLERANCE,
        },
    )
    assert plan.success, plan.message
    return float(np.clip(-plan.fun, 0.0, 1.0))
