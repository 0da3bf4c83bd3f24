"""All scores of samples at once, from shared intermediate results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.calibration import Calibration, as_num_bins, binned_sums, stack_calibrations
from hpunet.metrics.counting import Overlap, Votes, marks_of, pack, pairwise_overlap, votes_of
from hpunet.metrics.ged import diversity_of, energy_of, mean_distance
from hpunet.metrics.held_out import HeldOutFrequencies, OthersModes, others_modes
from hpunet.metrics.hungarian import matched_iou
from hpunet.metrics.inputs import AnnotatedImage, annotated_images, as_classes, as_sets
from hpunet.metrics.iou import reconstruction_iou
from hpunet.metrics.pixelwise import correlation, dice, mean_mask, scaled_variance


class Scores(NamedTuple):
    """All scores of B images, each equal to the result of the function of the same name.

    Attributes:
        ged: Squared generalised energy distance, `[B]`.
        ged_unbiased: `ged` without the pairs of a mask with itself.
        hungarian_iou: Hungarian-matched IoU.
        reconstruction_iou: IoU of annotations and reconstructions; NaN without reconstructions.
        sample_diversity: Mean distance among the samples.
        sample_diversity_unbiased: `sample_diversity` without the pairs of a sample with itself.
        annotator_diversity: `sample_diversity` of the annotations.
        annotator_diversity_unbiased: `annotator_diversity` without the pairs of an annotation with
            itself.
        dice_of_mean: Dice of the mean masks of samples and annotators.
        variance_ncc: Correlation of the variance maps of samples and annotators.
        calibration: Sums `[B, N]` over the pixels of each bin of the prediction.
        modes: Shares `[G * G, B]` of the modes, from `held_out_frequencies`.
    """

    ged: NDArray[np.float64]
    ged_unbiased: NDArray[np.float64]
    hungarian_iou: NDArray[np.float64]
    reconstruction_iou: NDArray[np.float64]
    sample_diversity: NDArray[np.float64]
    sample_diversity_unbiased: NDArray[np.float64]
    annotator_diversity: NDArray[np.float64]
    annotator_diversity_unbiased: NDArray[np.float64]
    dice_of_mean: NDArray[np.float64]
    variance_ncc: NDArray[np.float64]
    calibration: Calibration
    modes: HeldOutFrequencies


# Scores with one value per image that follow from samples and annotations alone.
_NUMBERS = tuple(
    name for name in Scores._fields if name not in {"reconstruction_iou", "calibration", "modes"}
)


class _Shared(NamedTuple):
    """Intermediate results of one image, independent of the number of scored samples.

    Attributes:
        image: Samples and annotations, restricted to pixels that are not ignored.
        classes: Labels to compare separately, or None for the foreground.
        marks: Masks of the samples, `[S, K, P]`.
        table: Comparison of all samples, followed by all annotations, `[S + A, S + A]`.
        votes: Votes of the annotators.
        mean_mask: Mean mask of the annotators, `[K, P]`.
        variance: Scaled variance of the annotators, `[P]`.
        modes: Modes with each annotator held out in turn.
    """

    image: AnnotatedImage
    classes: tuple[int, ...] | None
    marks: NDArray[np.bool_]
    table: Overlap
    votes: Votes
    mean_mask: NDArray[np.bool_]
    variance: NDArray[np.float64]
    modes: OthersModes


class _ScoredImage(NamedTuple):
    """Scores of one image: values by name, calibration sums `[N]`, mode shares `[3, G * G]`."""

    numbers: dict[str, float]
    calibration: Calibration
    modes: NDArray[np.float64]


def score(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    reconstructions: ArrayLike | None = None,
    num_samples: Sequence[int] | None = None,
    num_bins: int = 10,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> dict[int, Scores]:
    """All scores of the first samples, equal to those of the single functions, but faster.

    The conventions are those of the single functions: pairs of a mask with itself count except in
    the unbiased forms, matching repeats both sets to their least common multiple, the foreground is
    every label above 0, two masks without foreground agree, and with `classes`, classes absent from
    both masks do not count, unlike in PHiSeg, SSN and CCDM; see `hpunet.metrics.ged`.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        reconstructions: Labels `[G, B, H, W]` in the order of the annotations, or None.
        num_samples: One or more numbers of first samples to score; None scores all samples.
        num_bins: Number of bins of the calibration.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from every mask; None excludes none.
        weights: `[G]` or `[G, B]`, weight of each annotation, at least 0, in any unit; weight 0
            removes an annotation. None weights all annotations equally.

    Returns:
        The scores by number of samples.

    Raises:
        ValueError: If shapes do not match, a set is empty, labels are not integers, there are fewer
            samples than requested, or num_bins, classes, ignored or weights are invalid.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]]]
        >>> annotations = [[[[1, 1, 0, 0]]], [[[0, 0, 0, 0]]]]
        >>> scores = metrics.score(samples, annotations, num_samples=(1, 2))
        >>> scores[1].ged, scores[2].ged
        (array([0.5]), array([0.5]))
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    counts = _as_counts(num_samples, len(samples))
    names, num_bins = as_classes(classes), as_num_bins(num_bins)
    rebuilt = np.full(samples.shape[1], np.nan)
    if reconstructions is not None:
        conventions: dict[str, Any] = {"classes": names, "ignored": ignored, "weights": weights}
        rebuilt = reconstruction_iou(reconstructions, annotations, **conventions)
    scored: dict[int, list[_ScoredImage]] = {count: [] for count in counts}
    for image in annotated_images(samples, annotations, ignored, weights):
        shared = _share(image, names)
        for count, images in scored.items():
            images.append(_score_first(shared, count, len(annotations), num_bins))
    return {
        count: _stack(images, rebuilt, len(annotations), num_bins)
        for count, images in scored.items()
    }


def _as_counts(num_samples: Sequence[int] | None, most: int) -> tuple[int, ...]:
    counts = np.asarray([most] if num_samples is None else num_samples)
    fits = counts.ndim == 1 and counts.size and np.issubdtype(counts.dtype, np.integer)
    if not fits or counts.min() < 1 or counts.max() > most:
        raise ValueError(f"num_samples is {num_samples!r}; allowed are integers from 1 to {most}")
    return tuple(counts.tolist())


def _share(image: AnnotatedImage, classes: tuple[int, ...] | None) -> _Shared:
    marks, marks_of_annotators = (
        marks_of(labels, classes) for labels in (image.samples, image.annotations)
    )
    bits = np.concatenate([pack(marks), pack(marks_of_annotators)])
    table, annotators = pairwise_overlap(bits, bits), slice(len(marks), None)
    votes = votes_of(marks_of_annotators, image.weights)
    return _Shared(
        image,
        classes,
        marks,
        table,
        votes,
        mean_mask(image.annotations, image.weights, classes, votes),
        scaled_variance(votes),
        others_modes(
            table.of(slice(len(marks)), annotators), table.of(annotators, annotators), image.weights
        ),
    )


def _score_first(shared: _Shared, count: int, num_annotators: int, num_bins: int) -> _ScoredImage:
    """Scores of the first `count` samples."""
    image, table, first = shared.image, shared.table, slice(count)
    annotators = slice(len(image.samples), None)
    among_annotators, between = table.of(annotators, annotators), table.of(first, annotators)
    votes = votes_of(shared.marks[first])
    modes = shared.modes.frequencies(count, image.annotators, num_annotators)
    numbers = _distances(table.iou[first, first], between.iou, among_annotators.iou, image.weights)
    numbers |= {
        "dice_of_mean": dice(
            mean_mask(image.samples[first], None, shared.classes, votes), shared.mean_mask
        ),
        "variance_ncc": correlation(scaled_variance(votes), shared.variance),
    }
    return _ScoredImage(numbers, binned_sums(votes, shared.votes, num_bins), modes)


def _distances(
    among_samples: NDArray[np.float64],
    between: NDArray[np.float64],
    among_annotators: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> dict[str, float]:
    """Scores that follow from the IoU alone, `[S, S]`, `[S, A]` and `[A, A]`."""
    mean = mean_distance(between, weights)
    numbers = {"hungarian_iou": matched_iou(between, weights)}
    for suffix, unbiased in (("", False), ("_unbiased", True)):
        samples = diversity_of(among_samples, np.ones(len(among_samples)), unbiased)
        annotators = diversity_of(among_annotators, weights, unbiased)
        numbers |= {
            f"ged{suffix}": energy_of(mean, samples, annotators),
            f"sample_diversity{suffix}": samples,
            f"annotator_diversity{suffix}": annotators,
        }
    return numbers


def _stack(
    images: Sequence[_ScoredImage],
    rebuilt: NDArray[np.float64],
    num_annotators: int,
    num_bins: int,
) -> Scores:
    modes = np.array([image.modes for image in images]).reshape(len(images), 3, num_annotators**2)
    numbers = {
        name: np.array([image.numbers[name] for image in images], np.float64) for name in _NUMBERS
    }
    return Scores(
        **numbers,
        reconstruction_iou=rebuilt,
        calibration=stack_calibrations([image.calibration for image in images], num_bins),
        modes=HeldOutFrequencies(*np.moveaxis(modes, 0, -1)),
    )
