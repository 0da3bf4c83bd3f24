"""How many masks of a set mark each pixel, by weight."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Relative: by how much sums of weights differ that are added up in another order.
ROUNDING = 1e-12
_MOST_IN_BYTE = 255


class Votes(NamedTuple):
    """How much of a set marks each pixel.

    Attributes:
        sums: Sum of the weights of the masks that mark a pixel for a class, `[K, P]`: float64, or
            integers where all weights are alike and count 1.
        total: Sum of all weights.
    """

    sums: NDArray[np.float64] | NDArray[np.integer]
    total: float


def votes_of(marks: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> Votes:
    """Votes of the masks with marks `[N, K, P]` and weights `[N]`, None for all alike."""
    if weights is None or (weights == weights[0]).all():
        # Bytes are several times as fast to add up, and to find room for.
        dtype = np.uint8 if len(marks) <= _MOST_IN_BYTE else np.int64
        return Votes(marks.sum(axis=0, dtype=dtype), float(len(marks)))
    sums = np.zeros(marks.shape[1:])
    # One by one: the same annotators give the same sum at every pixel.
    for mask, weight in zip(marks, weights, strict=True):
        sums += mask * weight
    return Votes(sums, float(weights.sum()))
