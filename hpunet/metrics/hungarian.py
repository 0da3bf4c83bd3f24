"""IoU of samples and annotations after matching them one to one."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from hpunet.metrics.iou import as_sets, pairwise_iou


def hungarian_iou(samples: ArrayLike, annotations: ArrayLike) -> NDArray[np.float64]:
    """Mean IoU of samples and annotations, matched one to one so that it is largest.

    Both sets are repeated to the least common multiple of their sizes, so that each sample and
    each annotation counts as often as any other of its set. Binary: every label above 0 is
    foreground, classes are not told apart. Two empty masks have IoU 1.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.

    Returns:
        Float64 `[B]` in [0, 1], higher is better.

    Raises:
        ValueError: If the shapes do not fit, a set is empty or the labels are not integers.

    Reference: Kohl et al. 2019, section 3.
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    return np.array([_matched_mean(matrix) for matrix in pairwise_iou(samples, annotations)])


def _matched_mean(matrix: NDArray[np.float64]) -> float:
    """Mean of the best one-to-one matching of rows and columns, both repeated."""
    rows, columns = matrix.shape
    size = math.lcm(rows, columns)
    repeated = matrix.repeat(size // rows, axis=0).repeat(size // columns, axis=1)
    return float(repeated[linear_sum_assignment(repeated, maximize=True)].mean())
