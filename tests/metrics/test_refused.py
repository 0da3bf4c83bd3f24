"""Invalid arguments raise errors that name them."""

import inspect

import numpy as np
import pytest

from hpunet import metrics
from tests.metrics.strategies import strips

PAIRS = [
    metrics.ged,
    metrics.hungarian_iou,
    metrics.reconstruction_iou,
    metrics.pairwise_iou,
    metrics.pairwise_distance,
    metrics.dice_of_mean,
    metrics.variance_ncc,
    metrics.calibration,
    metrics.mode_frequencies,
    metrics.held_out_frequencies,
    metrics.score,
]
WEIGHTED = [each for each in PAIRS if "weights" in inspect.signature(each).parameters]


@pytest.mark.parametrize("score", PAIRS)
@pytest.mark.parametrize(
    ("samples", "annotations", "message"),
    [
        (np.zeros((2, 1, 4, 4)), np.zeros((2, 1, 4, 4), int), "float64"),
        (np.zeros((1, 4, 4), int), np.zeros((2, 1, 4, 4), int), r"shape \(1, 4, 4\)"),
        (np.zeros((2, 1, 4, 4), int), np.zeros((2, 1, 4, 5), int), r"\(2, 1, 4, 5\) differ"),
        (np.zeros((2, 3, 4, 4), int), np.zeros((2, 1, 4, 4), int), r"\(2, 3, 4, 4\)"),
        (np.zeros((0, 1, 4, 4), int), np.zeros((2, 1, 4, 4), int), "N >= 1"),
    ],
)
def test_labels_that_do_not_fit(score, samples, annotations, message):
    with pytest.raises(ValueError, match=message):
        score(samples, annotations)


@pytest.mark.parametrize("score", [*PAIRS, metrics.iou, metrics.distance])
@pytest.mark.parametrize("classes", [(), (1, 1), (0.5,), 3, "12", [[1]]])
def test_classes_that_are_none(score, classes):
    with pytest.raises(ValueError, match="classes is"):
        score(strips(2), strips(2), classes=classes)


@pytest.mark.parametrize("score", PAIRS)
@pytest.mark.parametrize(
    ("ignored", "message"),
    [
        (np.zeros((1, 1, 4), int), "int64"),
        (np.zeros((1, 1, 5), bool), r"\(1, 1, 5\)"),
        (np.zeros((1, 4), bool), r"\(1, 4\)"),
        (np.zeros((1, 1, 1, 4), bool), r"\(1, 1, 1, 4\)"),
    ],
)
def test_ignored_pixels_that_do_not_fit(score, ignored, message):
    with pytest.raises(ValueError, match=message):
        score(strips(2), strips(2), ignored=ignored)


@pytest.mark.parametrize("score", WEIGHTED)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"shape \(1,\)"),
        ([[1.0, 1.0]], r"shape \(1, 2\)"),
        ([1.0, -0.5], "negative"),
        ([1.0, np.nan], "NaN"),
        ([1.0, np.inf], "infinite"),
        ([0.0, 0.0], "all 0"),
    ],
)
def test_weights_that_do_not_fit(score, weights, message):
    with pytest.raises(ValueError, match=message):
        score(strips(2, 1), strips(2, 1), weights=weights)


def test_weights_of_one_set_are_checked_alike():
    for score in (metrics.sample_diversity, metrics.annotation_modes):
        with pytest.raises(ValueError, match=r"shape \(3,\)"):
            score(strips(2, 1), weights=[1, 2, 3])


@pytest.mark.parametrize("num_samples", [(), (0,), (3,), (1.5,), 2, (True,)])
def test_numbers_of_samples_that_there_are_not(num_samples):
    with pytest.raises(ValueError, match="num_samples is"):
        metrics.score(strips(2, 1), strips(2), num_samples=num_samples)


@pytest.mark.parametrize("score", [metrics.calibration, metrics.score])
@pytest.mark.parametrize("num_bins", [0, -1, 2.5])
def test_numbers_of_bins_that_cannot_be(score, num_bins):
    with pytest.raises(ValueError, match="num_bins is"):
        score(strips(2, 1), strips(2), num_bins=num_bins)


def test_reconstructions_of_another_number_of_annotators():
    with pytest.raises(ValueError, match="allowed is one"):
        metrics.reconstruction_iou(strips(2, 1), strips(2))
    with pytest.raises(ValueError, match="allowed is one"):
        metrics.score(strips(2), strips(2), reconstructions=strips(2, 1))


def test_floats_and_other_shapes_one_to_one():
    with pytest.raises(ValueError, match="float64"):
        metrics.iou(np.zeros((4, 4)), np.zeros((4, 4)))
    with pytest.raises(ValueError, match="allowed is one"):
        metrics.iou(np.zeros((4, 4), int), np.zeros((4, 5), int))
    with pytest.raises(ValueError, match=r"the masks allow \(4, 4\)"):
        metrics.iou(strips(2)[0, 0].repeat(4, 0), strips(1)[0, 0].repeat(4, 0), ignored=[True])
