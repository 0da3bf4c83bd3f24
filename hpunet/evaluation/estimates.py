"""Scores of a set of images: means with intervals, for all images and for groups of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hpunet import metrics
from hpunet.evaluation.scoring import Conventions, ImageScores

ALL = "all"
SUBSET_B = "subset_b"
CALIBRATION_ERROR = "calibration_error"


class ImageGroup(NamedTuple):
    """Scores of one group of images.

    Attributes:
        num_images: Number of images.
        num_patients: Number of their patients.
        scores: By number of samples, then by the score's name.
    """

    num_images: int
    num_patients: int
    scores: Mapping[int, Mapping[str, metrics.Estimate]]


class Estimates(NamedTuple):
    """All estimates of a set of images.

    Attributes:
        groups: Means and intervals by group.
        modes: How often modes were drawn, by number of samples.
        conventions: Conventions of the scores.
    """

    groups: Mapping[str, ImageGroup]
    modes: Mapping[int, Sequence[metrics.ModeEstimate]]
    conventions: Conventions


def estimate_all(scores: ImageScores, conventions: Conventions) -> Estimates:
    """Computes means, intervals and frequencies of modes."""
    modes = {n: estimate_modes(scores, n, conventions) for n in scores.by_num_samples}
    return Estimates(estimate_groups(scores, conventions), modes, conventions)


def groups(scores: ImageScores) -> Iterator[tuple[str, ImageScores]]:
    """Yields all images, those that every annotator marked, and those that k annotators marked."""
    yield ALL, scores
    yield SUBSET_B, scores.subset(scores.num_drawn == scores.num_annotators)
    for k in range(int(scores.num_annotators.max()) + 1):
        yield f"drawn_by_{k}", scores.subset(scores.num_drawn == k)


def estimate_groups(scores: ImageScores, conventions: Conventions) -> dict[str, ImageGroup]:
    """Computes means over images with intervals over patients for every nonempty group."""
    return {
        name: ImageGroup(
            len(group.names),
            len(set(group.patients)),
            {
                n: _estimate(group, values, conventions)
                for n, values in group.by_num_samples.items()
            },
        )
        for name, group in groups(scores)
        if group.names
    }


def _estimate(
    group: ImageScores, values: metrics.Scores, conventions: Conventions
) -> dict[str, metrics.Estimate]:
    patients, how = group.patients, conventions.bootstrap
    return {
        name: metrics.estimate_calibration_error(values.calibration, patients, **how)
        if name == CALIBRATION_ERROR
        else metrics.estimate_mean(getattr(values, name), patients, **how)
        for name in metrics.SCORES
    }


def estimate_modes(
    scores: ImageScores, num_samples: int, conventions: Conventions
) -> list[metrics.ModeEstimate]:
    """Estimates the frequency of modes by their frequency among the annotators, ascending."""
    return metrics.estimate_modes(
        scores.by_num_samples[num_samples].modes, scores.patients, **conventions.bootstrap
    )
