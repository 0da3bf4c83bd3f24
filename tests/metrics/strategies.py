"""Strategies for small random masks and conventions, and strips for cases worked by hand."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

IMAGES = 2
SIDE = 3

# Sums of a few hundred doubles in another order.
ROUNDING = 1e-12
# The solver of the transport stops within 1e-10 in each of some ten constraints.
TRANSPORT = 1e-8


def strips(*widths):
    """Masks `[N, 1, 1, 4]` of which the first columns are foreground."""
    return np.array([[[[int(x < width) for x in range(4)]]] for width in widths])


def rows(*masks):
    """Masks `[N, 1, 1, W]` from lists of labels."""
    return np.array(masks)[:, None, None, :]


def masks(count, most=2):
    shape = (count, IMAGES, SIDE, SIDE)
    return hnp.arrays(np.uint8, shape, elements=st.integers(0, most))


@st.composite
def two_sets(draw, most=4):
    return draw(masks(draw(st.integers(1, most)))), draw(masks(draw(st.integers(1, most))))


def weights_for(annotators, values):
    """Weights `[G]` or `[G, B]`, at least one above 0 in each image."""
    shapes = st.sampled_from([(annotators,), (annotators, IMAGES)])
    return shapes.flatmap(
        lambda shape: hnp.arrays(np.float64, shape, elements=st.sampled_from(values))
    ).filter(lambda weights: weights.any(axis=0).all())


CLASSES = st.sampled_from([None, (1,), (1, 2), (2, 0), (0, 1, 2), (2, 7)])
IGNORED = st.none() | hnp.arrays(bool, (IMAGES, SIDE, SIDE))
TENTHS = [0.0, 0.1, 0.2, 0.3, 0.5, 1.0]


class Scored(NamedTuple):
    """Masks to score, and the conventions."""

    samples: np.ndarray
    annotations: np.ndarray
    classes: tuple[int, ...] | None
    ignored: np.ndarray | None
    weights: np.ndarray | None

    def conventions(self) -> dict[str, Any]:
        return {"classes": self.classes, "ignored": self.ignored, "weights": self.weights}


@st.composite
def scored(draw, most=4, weights=TENTHS):
    samples, annotations = draw(two_sets(most))
    drawn = st.none() | weights_for(len(annotations), weights)
    return Scored(samples, annotations, draw(CLASSES), draw(IGNORED), draw(drawn))
