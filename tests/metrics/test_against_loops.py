"""Every score against the slow reference implementation, under every convention."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpunet import metrics
from tests.metrics import slow
from tests.metrics.strategies import CLASSES, IGNORED, ROUNDING, TRANSPORT, masks, scored, two_sets

# Differences of nearly equal variances lose some digits.
CORRELATION = 1e-9


def expected(case, function, *arguments, **keywords):
    """The slow function's value for each image."""
    split = slow.images(case.samples, case.annotations, case.ignored, case.weights)
    values = [function(*image, *arguments, classes=case.classes, **keywords) for image in split]
    return np.array(values, np.float64)


@given(two_sets(most=3), CLASSES, IGNORED)
def test_pairwise_iou_is_that_of_each_pair(sets, classes, ignored):
    result = metrics.pairwise_iou(*sets, classes=classes, ignored=ignored)
    pairs = [
        [[float(slow.iou(a, b, classes)) for b in second] for a in first]
        for first, second, _ in slow.images(*sets, ignored)
    ]
    np.testing.assert_allclose(result, pairs, atol=ROUNDING)
    far = metrics.pairwise_distance(*sets, classes=classes, ignored=ignored)
    np.testing.assert_array_equal(far, 1 - result)


@given(st.tuples(masks(2), masks(2)), CLASSES, IGNORED)
def test_iou_of_masks_one_to_one_is_the_diagonal_of_all_pairs(sets, classes, ignored):
    result = metrics.iou(*sets, classes=classes, ignored=ignored)
    pairs = metrics.pairwise_iou(*sets, classes=classes, ignored=ignored)
    np.testing.assert_array_equal(result, np.diagonal(pairs, axis1=1, axis2=2).T)
    far = metrics.distance(*sets, classes=classes, ignored=ignored)
    np.testing.assert_array_equal(far, 1 - result)


@pytest.mark.parametrize("unbiased", [False, True])
@given(case=scored())
def test_ged_is_the_formula(unbiased, case):
    result = metrics.ged(case.samples, case.annotations, unbiased=unbiased, **case.conventions())
    np.testing.assert_allclose(result, expected(case, slow.ged, unbiased=unbiased), atol=ROUNDING)


@pytest.mark.parametrize("unbiased", [False, True])
@given(case=scored())
def test_diversity_is_the_mean_distance_within_a_set(unbiased, case):
    result = metrics.sample_diversity(case.annotations, unbiased=unbiased, **case.conventions())
    loops = [
        float(slow.diversity(annotations, weights, case.classes, unbiased))
        for _, annotations, weights in slow.images(
            case.samples, case.annotations, case.ignored, case.weights
        )
    ]
    np.testing.assert_allclose(result, loops, atol=ROUNDING)


# Sums of 1, 2 and 3 in lowest terms: at most 3! 2! matchings of 3 samples are to be tried.
@given(
    scored(most=3),
    st.sampled_from([None, (1, 2), (2, 0, 1), (0.5, 0.25), (0, 0.3), (1, 1, 1), (2, 2), (1,)]),
)
def test_hungarian_iou_is_the_best_of_all_matchings(case, weights):
    count = len(case.annotations) if weights is None else len(weights)
    annotations = np.resize(case.annotations, (count, *case.annotations.shape[1:]))
    case = case._replace(annotations=annotations, weights=weights)
    result = metrics.hungarian_iou(case.samples, annotations, **case.conventions())
    np.testing.assert_allclose(result, expected(case, slow.hungarian_iou), atol=TRANSPORT)


@given(scored(), st.data())
def test_reconstruction_iou_is_the_mean_over_annotators(case, data):
    case = case._replace(samples=data.draw(masks(len(case.annotations))))
    result = metrics.reconstruction_iou(case.samples, case.annotations, **case.conventions())
    np.testing.assert_allclose(result, expected(case, slow.reconstruction_iou), atol=ROUNDING)


@given(scored())
def test_dice_of_mean_compares_what_most_samples_and_most_annotators_marked(case):
    result = metrics.dice_of_mean(case.samples, case.annotations, **case.conventions())
    np.testing.assert_allclose(result, expected(case, slow.dice_of_mean), atol=ROUNDING)


@given(scored())
def test_variance_ncc_is_the_correlation_of_the_variances(case):
    result = metrics.variance_ncc(case.samples, case.annotations, **case.conventions())
    np.testing.assert_allclose(result, expected(case, slow.variance_ncc), atol=CORRELATION)


@given(scored(), st.integers(1, 12))
def test_calibration_sums_pixels_by_their_prediction(case, num_bins):
    result = metrics.calibration(
        case.samples, case.annotations, num_bins=num_bins, **case.conventions()
    )
    loops = expected(case, slow.calibration, num_bins)
    np.testing.assert_allclose(np.stack(result, axis=1), loops, atol=ROUNDING)


@given(scored(), st.integers(1, 12))
def test_expected_calibration_error_is_the_mean_gap_of_the_bins(case, num_bins):
    result = metrics.calibration(
        case.samples, case.annotations, num_bins=num_bins, **case.conventions()
    )
    loops = [
        float(slow.calibration_error(*slow.calibration(*image, num_bins, case.classes)))
        if image[0][0]
        else np.nan
        for image in slow.images(case.samples, case.annotations, case.ignored, case.weights)
    ]
    np.testing.assert_allclose(metrics.expected_calibration_error(result), loops, atol=ROUNDING)


@given(scored())
def test_modes_are_counted_where_annotators_first_chose_them(case):
    result = metrics.mode_frequencies(case.samples, case.annotations, **case.conventions())
    loops = np.moveaxis(expected(case, slow.mode_frequencies), 0, -1)
    np.testing.assert_allclose(result.chosen, loops[:, 0], atol=ROUNDING)
    np.testing.assert_allclose(result.drawn, loops[:, 1], atol=ROUNDING)


@given(scored())
def test_modes_of_the_others_are_counted_while_each_annotator_is_held_out(case):
    result = metrics.held_out_frequencies(case.samples, case.annotations, **case.conventions())
    loops = np.moveaxis(expected(case, slow.held_out_frequencies), 0, -1)
    for n, shares in enumerate(result):
        np.testing.assert_allclose(shares, loops[:, n], atol=ROUNDING)
