"""Squared generalised energy distance between samples and annotations."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.iou import as_sets, pairwise_distance


def ged(samples: ArrayLike, annotations: ArrayLike) -> NDArray[np.float64]:
    """Squared generalised energy distance of two sets of masks, image by image.

    With S samples s, G annotations y and d = 1 - IoU of the foreground,

        GED^2 = 2 / (S G) sum d(s, y) - 1 / S^2 sum d(s, s') - 1 / G^2 sum d(y, y').

    The sums run over all pairs, those of a mask with itself included, so a set has distance 0 to
    itself and few samples score worse than many of the same distribution. Binary: every label
    above 0 is foreground, classes are not told apart. Two empty masks have IoU 1.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.

    Returns:
        Float64 `[B]` in [0, 2], lower is better.

    Raises:
        ValueError: If the shapes do not fit, a set is empty or the labels are not integers.

    Reference: Kohl et al. 2018, section 3; Kohl et al. 2019, section 3.
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    between = _mean_distance(samples, annotations)
    return 2 * between - _mean_distance(samples, samples) - _mean_distance(annotations, annotations)


def _mean_distance(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """Mean distance `[B]` over all pairs of two sets `[M, B, H, W]` and `[N, B, H, W]`."""
    return pairwise_distance(first, second).mean(axis=(1, 2))
