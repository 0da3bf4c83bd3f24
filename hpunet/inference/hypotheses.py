"""Groups similar samples into hypotheses."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from hpunet import metrics


class Hypothesis(NamedTuple):
    """A group of similar samples of an image.

    Attributes:
        share: Fraction of all samples that belong to it, in [0, 1].
        samples: Indices of its samples, from 0.
        representative: Index of the medoid, the sample with the least mean distance to the others.
        area: Mean area of its samples, in the unit of the image.
        area_std: Standard deviation of these areas.
        empty: Whether its samples mark nothing.
    """

    share: float
    samples: tuple[int, ...]
    representative: int
    area: float
    area_std: float
    empty: bool


def group_samples(
    samples: UInt8[np.ndarray, "S H W"],
    num_classes: int,
    areas: Float[np.ndarray, " S"],
    least_iou: float,
) -> list[Hypothesis]:
    """Groups samples into hypotheses by complete linkage.

    Any two samples of a hypothesis have an IoU of at least `least_iou` (with several classes: on
    average over the classes present in either). Samples that mark nothing have IoU 1 with each
    other and 0 with all others.

    Args:
        samples: Class labels.
        num_classes: Classes, background included.
        areas: Marked area of each sample.
        least_iou: Least IoU within a hypothesis, in (0, 1]; 1 groups only equal samples.

    Returns:
        Hypotheses by decreasing share, then by their first sample.
    """
    distance = _distances(samples, num_classes)
    labels = _cluster(distance, least_iou)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    groups.sort(key=lambda group: (-len(group), group[0]))
    return [_hypothesis(group, distance, areas) for group in groups]


def _distances(samples: UInt8[np.ndarray, "S H W"], num_classes: int) -> Float[np.ndarray, "S S"]:
    # Only pixels that some sample marks: all samples agree on the others, which are most.
    marked = samples.any(axis=0)
    pixels = samples[:, marked] if marked.any() else samples[:, :1, 0]
    classes = None if num_classes == 2 else range(1, num_classes)
    sets = pixels[:, None, None]
    return metrics.pairwise_distance(sets, sets, classes=classes)[0]


def _cluster(distance: Float[np.ndarray, "S S"], least_iou: float) -> Int[np.ndarray, " S"]:
    if len(distance) == 1:
        return np.ones(1, int)
    condensed = squareform(distance, checks=False)
    # A distance equal to the threshold is within it, despite rounding.
    threshold = 1 - least_iou + 1e-9
    return hierarchy.fcluster(hierarchy.complete(condensed), threshold, "distance")


def _hypothesis(
    group: Int[np.ndarray, " M"],
    distance: Float[np.ndarray, "S S"],
    areas: Float[np.ndarray, " S"],
) -> Hypothesis:
    within = distance[np.ix_(group, group)].mean(axis=1)
    medoid = int(group[np.argmin(within)])
    return Hypothesis(
        share=len(group) / len(distance),
        samples=tuple(map(int, group)),
        representative=medoid,
        area=float(areas[group].mean()),
        area_std=float(areas[group].std()),
        empty=bool(areas[medoid] == 0),
    )
