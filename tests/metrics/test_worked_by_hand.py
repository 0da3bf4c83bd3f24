"""Scores of cases small enough to work by hand."""

import math

import numpy as np
import pytest

from hpunet import metrics
from tests.metrics.strategies import ROUNDING, TRANSPORT, rows, strips


def assert_is(result, *expected, tolerance=ROUNDING):
    np.testing.assert_allclose(result, expected, atol=tolerance)


def test_ged():
    # d(2, 4) = 1/2, d(0, 4) = 1, d(0, 2) = 1: 2 (1/2 + 1) / 2 - (0 + 1 + 1 + 0) / 4 - 0.
    assert_is(metrics.ged(strips(2, 0), strips(4)), 1.0)


def test_ged_counts_pairs_of_a_mask_with_itself():
    # Without them the two annotators' own distance would be 1 instead of 1/2.
    assert_is(metrics.ged(strips(0), strips(0, 4)), 0.5)


def test_unbiased_ged_leaves_out_pairs_of_a_mask_with_itself():
    # Between: d(1, 2) = 1/2, d(1, 4) = 3/4, d(3, 2) = 1/3, d(3, 4) = 1/4, mean 11/24. Among
    # samples d(1, 3) = 2/3, among annotators d(2, 4) = 1/2: 11/12 - 2/3 - 1/2 = -1/4.
    assert_is(metrics.ged(strips(1, 3), strips(2, 4), unbiased=True), -1 / 4)
    # With them the last two are halved: 11/12 - 1/3 - 1/4.
    assert_is(metrics.ged(strips(1, 3), strips(2, 4)), 1 / 3)


def test_ged_of_sets_that_share_nothing_is_two():
    left, right = np.zeros((2, 3, 1, 2, 2), np.uint8)
    left[..., 0] = right[..., 1] = 1
    np.testing.assert_array_equal(metrics.ged(left, right), [2.0])


def test_ged_of_weighted_annotations():
    # Shares 3/4 and 1/4. Between: 3/4 d(4, 4) + 1/4 d(4, 2) = 1/8; among annotators twice
    # 3/4 1/4 d(4, 2) = 3/16: 1/4 - 3/16.
    assert_is(metrics.ged(strips(4), strips(4, 2), weights=[3, 1]), 1 / 16)


def test_unbiased_ged_of_weighted_annotations():
    # As above, but among annotators 3/16 / (1 - 9/16 - 1/16) = d(4, 2) = 1/2; among two samples
    # d(4, 0) = 1. Between: half of 1/8, and half of 1, since the empty sample shares nothing.
    result = metrics.ged(strips(4, 0), strips(4, 2), weights=[3, 1], unbiased=True)
    assert_is(result, 2 * (1 / 16 + 1 / 2) - 1 - 1 / 2)


def test_unbiased_ged_of_one_sample_or_one_annotation_has_no_value():
    assert_is(metrics.ged(strips(4), strips(4, 2), unbiased=True), math.nan)
    assert_is(metrics.ged(strips(4, 2), strips(4), unbiased=True), math.nan)
    assert_is(metrics.ged(strips(4, 2), strips(4, 2), weights=[1, 0], unbiased=True), math.nan)


def test_sample_diversity():
    # d(4, 2) = 1/2, d(4, 1) = 3/4, d(2, 1) = 1/2, each twice among nine pairs, or six.
    assert_is(metrics.sample_diversity(strips(4, 2, 1)), 2 * 1.75 / 9)
    assert_is(metrics.sample_diversity(strips(4, 2, 1), unbiased=True), 2 * 1.75 / 6)
    # Shares 1/2, 1/2, 0.
    assert_is(metrics.sample_diversity(strips(4, 2, 1), weights=[1, 1, 0]), 2 * 0.5 / 4)


def test_hungarian_iou():
    # Each of two samples appears three times, each of three annotators twice. Two of the full
    # samples meet the full annotator, the third the half (1/2); the empty ones take the other half
    # (0) and the empty annotator (1 + 1): (1 + 1 + 1/2 + 0 + 1 + 1) / 6.
    assert_is(metrics.hungarian_iou(strips(4, 0), strips(4, 2, 0)), 4.5 / 6)


def test_hungarian_iou_of_unequal_weights_transports_shares():
    # Of each sample's half, the full one gives 0.4 to the full annotator (1) and 0.1 to the half
    # (1/2); the empty one fills up the half with 0.2 (0) and the empty one with 0.3 (1).
    result = metrics.hungarian_iou(strips(4, 0), strips(4, 2, 0), weights=[0.4, 0.3, 0.3])
    assert_is(result, 0.4 + 0.05 + 0.3, tolerance=TRANSPORT)


def test_hungarian_iou_does_not_repeat_annotations_of_weight_zero():
    # Left are the full and the empty one.
    assert_is(metrics.hungarian_iou(strips(4, 0), strips(4, 2, 0), weights=[1, 0, 1]), 1.0)


def test_reconstruction_iou():
    # 2/4, 1/1 and, both empty, 1.
    rebuilt, annotations = strips(2, 1, 0), strips(4, 1, 0)
    assert_is(metrics.reconstruction_iou(rebuilt, annotations), 2.5 / 3)
    assert_is(metrics.reconstruction_iou(rebuilt, annotations, weights=[2, 1, 1]), 3 / 4)


def test_iou_of_classes_is_the_mean_over_those_present():
    first, second = np.array([[1, 1, 2, 0]]), np.array([[1, 2, 2, 0]])
    # Class 1: 1/2; class 2: 1/2; background: 1; class 3 is absent from both.
    assert metrics.iou(first, second, classes=(1, 2)) == 0.5
    assert metrics.iou(first, second, classes=(0, 1, 2, 3)) == pytest.approx(2 / 3)
    assert metrics.iou(first, second) == 1.0


def test_a_class_present_in_one_mask_alone_has_iou_zero():
    # Class 1: 0 / 2; class 2: 0 / 2; with the background: 2/2.
    first, second = np.array([[1, 1, 0, 0]]), np.array([[2, 2, 0, 0]])
    assert metrics.iou(first, second, classes=(1, 2)) == 0.0
    assert metrics.iou(first, second, classes=(0, 1, 2)) == pytest.approx(1 / 3)


def test_masks_without_any_of_the_classes_agree():
    first, second = np.array([[1, 1, 0, 0]]), np.array([[0, 0, 0, 2]])
    assert metrics.iou(first, second, classes=(3, 4)) == 1.0
    assert metrics.distance(first, second, classes=(3, 4)) == 0.0


def test_iou_leaves_out_ignored_pixels():
    first, second = np.array([[1, 1, 1, 0]]), np.array([[1, 0, 0, 0]])
    # 1/3; 1/2 without the third column; two empty masks without the first three.
    assert metrics.iou(first, second) == pytest.approx(1 / 3)
    third = np.array([[False, False, True, False]])
    assert metrics.iou(first, second, ignored=third) == 1 / 2
    assert metrics.iou(first, second, ignored=np.array([[True, True, True, False]])) == 1.0
    # For several images the same pixels of all, or others of each.
    several = [np.stack([x, x]) for x in (first, second)]
    assert_is(metrics.iou(*several, ignored=third), 1 / 2, 1 / 2)
    each = np.stack([third, ~third])
    assert_is(metrics.iou(*several, ignored=each), 1 / 2, 0)


def test_two_empty_masks_agree_and_an_empty_one_shares_nothing_with_another():
    empty, full = strips(0), strips(4)
    assert metrics.iou(empty, empty) == 1.0
    assert metrics.iou(empty, full) == 0.0
    assert metrics.distance(empty, empty) == 0.0
    np.testing.assert_array_equal(metrics.reconstruction_iou(empty, empty), [1.0])
    np.testing.assert_array_equal(metrics.dice_of_mean(empty, empty), [1.0])
    np.testing.assert_array_equal(metrics.dice_of_mean(empty, full), [0.0])


def test_every_label_above_zero_is_foreground():
    np.testing.assert_array_equal(metrics.ged(3 * strips(2), 255 * strips(2)), [0.0])
    np.testing.assert_array_equal(metrics.ged(-1 * strips(2), strips(0)), [0.0])


def test_dice_of_mean():
    # Two of three samples mark the first two columns, two of four annotators the first three:
    # 2 * 2 / (2 + 3).
    assert_is(metrics.dice_of_mean(strips(4, 2, 0), strips(4, 3, 1, 0)), 4 / 5)
    # By weight, only the annotator of 3 of 5 has half: 2 * 1 / (2 + 1).
    result = metrics.dice_of_mean(strips(4, 2, 0), strips(4, 1, 0), weights=[1, 3, 1])
    assert_is(result, 2 / 3)


def test_exactly_half_is_enough_for_the_foreground_but_not_for_a_larger_label():
    samples, annotations = strips(4, 0), strips(4)
    assert_is(metrics.dice_of_mean(samples, annotations), 1.0)
    assert_is(metrics.dice_of_mean(samples, annotations, classes=(1,)), 0.0)


def test_half_of_the_weights_is_half_however_doubles_add_up():
    # As doubles, 0.1 + 0.2 is more than 0.3, and 0.3 less than half of their sum.
    weights = [0.1, 0.2, 0.3]
    assert_is(metrics.dice_of_mean(strips(4), strips(0, 0, 4), weights=weights), 1.0)
    assert_is(metrics.dice_of_mean(strips(4), strips(4, 4, 0), weights=weights), 1.0)
    # A tie of 1 and 2 goes to 1.
    for annotators in (rows([2], [2], [1]), rows([1], [1], [2])):
        result = metrics.dice_of_mean(rows([1]), annotators, weights=weights, classes=(1, 2))
        assert_is(result, 1.0)


def test_dice_of_classes_takes_the_most_frequent_label_of_each_pixel():
    # By columns 1 1 2 | 1 2 0 (a tie: 0) | 2 2 0, so 1 0 2; the annotation says 1 1 2.
    samples, annotations = rows([1, 1, 2], [1, 2, 2], [2, 0, 0]), rows([1, 1, 2])
    # Class 1: 2 * 1 / (1 + 2), class 2: 1, the background: 0 / (1 + 0).
    assert_is(metrics.dice_of_mean(samples, annotations, classes=(1, 2, 5)), (2 / 3 + 1) / 2)
    assert_is(metrics.dice_of_mean(samples, annotations, classes=(0, 1, 2)), (2 / 3 + 1) / 3)


def test_variance_ncc():
    # p of the samples by column is 1, 1/2, 0, 0, variances 0, 1/4, 0, 0. Annotators 1, 1/2, 1/2, 0:
    # 0, 1/4, 1/4, 0. In quarters and centred: (-1, 3, -1, -1) / 4 and (-1, 1, 1, -1) / 2, whose
    # product is 1/2, lengths sqrt(3/4) and 1.
    assert_is(metrics.variance_ncc(strips(2, 1), strips(3, 1)), 1 / math.sqrt(3))


def test_variance_ncc_has_no_value_where_all_annotators_or_samples_agree():
    assert_is(metrics.variance_ncc(strips(2, 1), strips(3, 3)), math.nan)
    assert_is(metrics.variance_ncc(strips(2, 2), strips(3, 1)), math.nan)
    # Every pixel's p is 1/3 or 2/3, and all variances 2/9.
    thirds = rows([1, 0, 1, 1], [0, 0, 1, 0], [0, 1, 0, 1])
    assert_is(metrics.variance_ncc(thirds, strips(3, 1)), math.nan)
    # Every pixel has weight 0.3, but 0.1 + 0.2 is another double.
    annotators = rows([1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0])
    result = metrics.variance_ncc(strips(3, 1), annotators, weights=[0.1, 0.2, 0.3, 0.5])
    assert_is(result, math.nan)


def test_variance_of_classes_sums_over_the_given_ones():
    # Class 1: variances 1/4, 1/4, 0; class 2: 1/4, 0, 0; background: 0, 1/4, 0.
    samples = rows([1, 1, 1], [2, 0, 1])
    # One annotator more: of class 1 the p are 1/2, 0, 0.
    annotations = rows([1, 0, 0], [0, 0, 0])
    # Of class 1 alone, (1, 1, -2) / 12 and (2, -1, -1) / 12: 3 / 6.
    assert_is(metrics.variance_ncc(samples, annotations, classes=(1,)), 1 / 2)
    # Of 1 and 2, (1/2, 1/4, 0) centred (1, 0, -1) / 4: 3 / sqrt(2 6).
    assert_is(metrics.variance_ncc(samples, annotations, classes=(1, 2)), 3 / math.sqrt(12))


def test_calibration():
    # By columns, shares of the samples 1, 2/3, 1/3, 1/3 and of the annotators 1, 1/2, 1/2, 0.
    result = metrics.calibration(strips(4, 2, 1), strips(3, 1), num_bins=3)
    # Bin edges belong to the bin above: 1/3 is in the second, 2/3 in the third, and so is 1.
    np.testing.assert_array_equal(result.pixels, [[0, 2, 2]])
    np.testing.assert_allclose(result.predicted, [[0, 2 / 3, 5 / 3]], atol=ROUNDING)
    np.testing.assert_allclose(result.observed, [[0, 1 / 2, 3 / 2]], atol=ROUNDING)
    # (|2/3 - 1/2| + |5/3 - 3/2|) / 4.
    assert_is(metrics.expected_calibration_error(result), 1 / 12)


def test_calibration_counts_a_pixel_once_for_each_class():
    samples, annotations = rows([0, 1, 2, 2]), rows([0, 1, 1, 1])
    result = metrics.calibration(samples, annotations, num_bins=1, classes=(1, 2))
    np.testing.assert_array_equal(result.pixels, [[8]])
    np.testing.assert_array_equal(result.predicted, [[1 + 2]])
    np.testing.assert_array_equal(result.observed, [[3 + 0]])


def test_calibration_error_of_a_set_is_that_of_its_sums():
    # One image draws too much, one too little, by as many pixels of the same bin.
    samples = np.concatenate([strips(2), strips(2)], axis=1)
    annotations = np.concatenate([strips(1), strips(2)], axis=1)
    result = metrics.calibration(samples, annotations, num_bins=1)
    assert_is(metrics.expected_calibration_error(result), 1 / 4, 0)
    together = metrics.Calibration(*(x.sum(axis=0) for x in result))
    # |4/8 - 3/8|.
    assert metrics.expected_calibration_error(together) == pytest.approx(1 / 8)


def test_calibration_error_without_pixels_has_no_value():
    nothing = metrics.Calibration(*np.zeros((3, 10)))
    assert np.isnan(metrics.expected_calibration_error(nothing))


def test_counts_stay_exact_on_images_larger_than_float32_can_count():
    mask = np.ones((1, 1, 4097, 4097), bool)
    short = mask.copy()
    short[..., -1, -1] = False
    pixels = 4097**2
    np.testing.assert_array_equal(metrics.pairwise_iou(mask, short), [[[1 - 1 / pixels]]])
    np.testing.assert_array_equal(metrics.iou(mask, short), [[1 - 1 / pixels]])


def test_more_samples_than_a_byte_can_count_are_counted():
    many = strips(4).repeat(300, axis=0)
    result = metrics.calibration(many, strips(2), num_bins=2)
    np.testing.assert_allclose(result.predicted, [[0, 4]], atol=ROUNDING)
    assert_is(metrics.dice_of_mean(many, strips(2)), 2 / 3)
