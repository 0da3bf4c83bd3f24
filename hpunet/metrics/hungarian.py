"""Mean IoU of samples and annotations after matching them one to one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment, linprog

from hpunet.metrics.counting import marks_of, pack, pairwise_overlap
from hpunet.metrics.inputs import annotated_images, as_classes, as_sets

# The smallest tolerance of HiGHS; its default of 1e-7 would be visible in the scores.
_TOLERANCE = 1e-10


def hungarian_iou(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Mean IoU of samples and annotations under the one-to-one matching that maximises it.

    Both sets are repeated to the least common multiple of their sizes, so that all masks of a set
    count equally. For annotations of unequal weights, an optimal transport matches the shares of
    the annotations with shares 1 / S of the samples, which gives the same value for equal weights.
    Annotations of weight 0 are excluded.

    The foreground is every label above 0; two masks without foreground have IoU 1. With `classes`,
    the IoU is the mean over the classes present in at least one mask of the pair, or 1 if no class
    is present. Others count a class absent from both masks as IoU 1; see `hpunet.metrics.ged`.

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
        >>> samples = [[[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]]]
        >>> annotations = [[[[0, 0, 0, 0]]], [[[1, 1, 0, 0]]]]
        >>> metrics.hungarian_iou(samples, annotations)
        array([0.5])

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
    """Largest mean over all matchings, from the IoU `[S, A]` and weights `[A]`."""
    return _assigned(iou) if (weights == weights[0]).all() else _transported(iou, weights)


def _assigned(iou: NDArray[np.float64]) -> float:
    """Mean under the best one-to-one matching of repeated rows and columns."""
    rows, columns = iou.shape
    size = math.lcm(rows, columns)
    repeated = iou.repeat(size // rows, axis=0).repeat(size // columns, axis=1)
    return float(repeated[linear_sum_assignment(repeated, maximize=True)].mean())


def _transported(iou: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mean under the best plan that gives rows equal shares and columns shares by weight."""
    rows, columns = iou.shape
    each_row = np.kron(np.eye(rows), np.ones(columns))
    each_column = np.kron(np.ones(rows), np.eye(columns))
    # The share of the last column follows from the others; rounding could make it infeasible.
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
