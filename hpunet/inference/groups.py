"""Samples that say the same, put together."""

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from hpunet import metrics
from hpunet.report import Hypothesis


def group_samples(
    samples: UInt8[np.ndarray, "S H W"],
    num_classes: int,
    areas: Float[np.ndarray, " S"],
    least_iou: float,
) -> list[Hypothesis]:
    """Distinct hypotheses, and the share of the samples that fell to each.

    Complete linkage: any two samples of a hypothesis have an IoU of at least `least_iou` (with
    several classes: on average over the classes that either has). Samples that outline nothing
    have IoU 1 with each other and 0 with all else.

    Args:
        samples: Class labels.
        num_classes: Classes, background included.
        areas: Foreground of each sample.
        least_iou: Within a hypothesis, in (0, 1]; 1 puts only equal samples together.

    Returns:
        Hypotheses by falling share, then by their first sample. Each is represented by its medoid,
        the sample with the least mean distance to the others.
    """
    distance = _distances(samples, num_classes)
    found = _cluster(distance, least_iou)
    groups = [np.flatnonzero(found == label) for label in np.unique(found)]
    groups.sort(key=lambda group: (-len(group), group[0]))
    return [_hypothesis(group, distance, areas) for group in groups]


def _distances(samples: UInt8[np.ndarray, "S H W"], num_classes: int) -> Float[np.ndarray, "S S"]:
    # Only where anything is marked: all else is equal, and most of a picture is background.
    marked = samples.any(axis=0)
    pixels = samples[:, marked] if marked.any() else samples[:, :1, 0]
    classes = None if num_classes == 2 else range(1, num_classes)
    sets = pixels[:, None, None]
    return metrics.pairwise_distance(sets, sets, classes=classes)[0]


def _cluster(distance: Float[np.ndarray, "S S"], least_iou: float) -> Int[np.ndarray, " S"]:
    if len(distance) == 1:
        return np.ones(1, int)
    condensed = squareform(distance, checks=False)
    # A hair above: distances are rounded, and equal to the threshold counts as within.
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
