"""Scores against slow loops written from the formulas, hand-worked cases and properties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hpunet import metrics

# Sums of a few hundred doubles in another order.
ROUNDING = 1e-12


def slow_iou(first, second):
    both = either = 0
    for a, b in zip(first.ravel(), second.ravel(), strict=True):
        both += bool(a > 0 and b > 0)
        either += bool(a > 0 or b > 0)
    return both / either if either else 1.0


def slow_distance(first, second):
    """Mean of 1 - IoU over all pairs."""
    return sum(1 - slow_iou(a, b) for a in first for b in second) / (len(first) * len(second))


def slow_ged(samples, annotations):
    return [
        2 * slow_distance(samples[:, b], annotations[:, b])
        - slow_distance(samples[:, b], samples[:, b])
        - slow_distance(annotations[:, b], annotations[:, b])
        for b in range(samples.shape[1])
    ]


def slow_hungarian(samples, annotations):
    """The best of all matchings, tried one by one."""
    size = math.lcm(len(samples), len(annotations))
    scores = []
    for b in range(samples.shape[1]):
        rows = [mask for mask in samples[:, b] for _ in range(size // len(samples))]
        columns = [mask for mask in annotations[:, b] for _ in range(size // len(annotations))]
        table = [[slow_iou(row, column) for column in columns] for row in rows]
        scores.append(
            max(
                sum(table[i][j] for i, j in enumerate(order)) / size
                for order in itertools.permutations(range(size))
            )
        )
    return scores


def masks(count, images=2, size=4):
    return hnp.arrays(np.uint8, (count, images, size, size), elements=st.integers(0, 2))


@st.composite
def two_sets(draw, most=4):
    return draw(masks(draw(st.integers(1, most)))), draw(masks(draw(st.integers(1, most))))


def strips(*widths):
    """Masks `[N, 1, 1, 4]` of which the first columns are foreground."""
    return np.array([[[[int(x < width) for x in range(4)]]] for width in widths])


@settings(max_examples=25, deadline=None)
@given(two_sets())
def test_ged_is_the_formula(sets):
    np.testing.assert_allclose(metrics.ged(*sets), slow_ged(*sets), atol=ROUNDING)


@settings(max_examples=15, deadline=None)
@given(two_sets(most=3))
def test_hungarian_iou_is_the_best_of_all_matchings(sets):
    expected = slow_hungarian(*sets)
    np.testing.assert_allclose(metrics.hungarian_iou(*sets), expected, atol=ROUNDING)


@settings(max_examples=25, deadline=None)
@given(two_sets())
def test_pairwise_iou_is_that_of_each_pair(sets):
    first, second = sets
    result = metrics.pairwise_iou(first, second)
    expected = [
        [[slow_iou(a, b) for b in second[:, image]] for a in first[:, image]]
        for image in range(first.shape[1])
    ]
    np.testing.assert_allclose(result, expected, atol=ROUNDING)
    np.testing.assert_allclose(metrics.pairwise_distance(first, second), 1 - result)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4).flatmap(lambda count: st.tuples(masks(count), masks(count))))
def test_reconstruction_iou_is_the_mean_over_graders(pair):
    rebuilt, annotations = pair
    expected = [
        np.mean([slow_iou(rebuilt[g, b], annotations[g, b]) for g in range(len(rebuilt))])
        for b in range(2)
    ]
    result = metrics.reconstruction_iou(rebuilt, annotations)
    np.testing.assert_allclose(result, expected, atol=ROUNDING)


@settings(max_examples=50, deadline=None)
@given(two_sets(), st.randoms(use_true_random=False))
def test_the_order_of_samples_and_graders_changes_nothing(sets, random):
    shuffled = [labels[random.sample(range(len(labels)), len(labels))] for labels in sets]
    for score in (metrics.ged, metrics.hungarian_iou):
        np.testing.assert_allclose(score(*sets), score(*shuffled), atol=ROUNDING)


@settings(max_examples=50, deadline=None)
@given(two_sets())
def test_scores_are_symmetric_and_keep_their_bounds(sets):
    for score, most in ((metrics.ged, 2.0), (metrics.hungarian_iou, 1.0)):
        result = score(*sets)
        assert (result >= -ROUNDING).all()
        assert (result <= most + ROUNDING).all()
        np.testing.assert_allclose(result, score(*reversed(sets)), atol=ROUNDING)


@settings(max_examples=50, deadline=None)
@given(masks(3), st.integers(1, 4))
def test_a_set_agrees_with_itself_however_often_repeated(labels, times):
    repeated = labels.repeat(times, axis=0)
    np.testing.assert_allclose(metrics.ged(labels, repeated), 0, atol=ROUNDING)
    np.testing.assert_allclose(metrics.hungarian_iou(labels, repeated), 1, atol=ROUNDING)
    np.testing.assert_array_equal(metrics.ged(labels, labels), 0)
    np.testing.assert_array_equal(metrics.reconstruction_iou(labels, labels), 1)


@settings(max_examples=50, deadline=None)
@given(two_sets())
def test_repeating_a_set_changes_neither_score(sets):
    samples, annotations = sets
    for score in (metrics.ged, metrics.hungarian_iou):
        repeated = score(samples.repeat(2, axis=0), annotations)
        np.testing.assert_allclose(repeated, score(samples, annotations), atol=ROUNDING)


def test_ged_of_a_case_worked_by_hand():
    # d(2, 4) = 1/2, d(0, 4) = 1, d(0, 2) = 1: 2 (1/2 + 1) / 2 - (0 + 1 + 1 + 0) / 4 - 0.
    np.testing.assert_allclose(metrics.ged(strips(2, 0), strips(4)), [1.0], atol=ROUNDING)


def test_ged_counts_pairs_of_a_mask_with_itself():
    # Without them the two graders' own distance would be 1 instead of 1/2.
    np.testing.assert_allclose(metrics.ged(strips(0), strips(0, 4)), [0.5], atol=ROUNDING)


def test_ged_of_sets_that_share_nothing_is_two():
    left, right = np.zeros((2, 3, 1, 2, 2), np.uint8)
    left[..., 0] = right[..., 1] = 1
    np.testing.assert_array_equal(metrics.ged(left, right), [2.0])


def test_hungarian_iou_of_a_case_worked_by_hand():
    # Each of two samples appears three times, each of three graders twice. Two of the full samples
    # meet the full grader, the third the half (1/2); the empty ones take the other half (0) and
    # the empty grader (1 + 1): (1 + 1 + 1/2 + 0 + 1 + 1) / 6.
    result = metrics.hungarian_iou(strips(4, 0), strips(4, 2, 0))
    np.testing.assert_allclose(result, [4.5 / 6], atol=ROUNDING)


def test_two_empty_masks_agree_and_an_empty_one_shares_nothing_with_another():
    empty, full = strips(0), strips(4)
    assert metrics.iou(empty, empty) == 1.0
    assert metrics.iou(empty, full) == 0.0
    assert metrics.distance(empty, empty) == 0.0
    np.testing.assert_array_equal(metrics.reconstruction_iou(empty, empty), [1.0])


def test_every_label_above_zero_is_foreground():
    np.testing.assert_array_equal(metrics.ged(3 * strips(2), 255 * strips(2)), [0.0])
    np.testing.assert_array_equal(metrics.ged(-1 * strips(2), strips(0)), [0.0])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_every_integer_type_gives_the_same_doubles(dtype):
    samples, annotations = strips(2, 0).astype(dtype), strips(4).astype(dtype)
    result = metrics.ged(samples, annotations)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, [1.0], atol=ROUNDING)


def test_images_are_scored_one_by_one():
    random = np.random.default_rng(0)
    samples, annotations = random.integers(0, 2, (5, 3, 8, 8)), random.integers(0, 2, (4, 3, 8, 8))
    for score in (metrics.ged, metrics.hungarian_iou):
        single = [score(samples[:, [b]], annotations[:, [b]])[0] for b in range(3)]
        np.testing.assert_array_equal(score(samples, annotations), single)


def test_counts_stay_exact_on_images_larger_than_float32_can_count():
    mask = np.ones((1, 1, 4097, 4097), bool)
    short = mask.copy()
    short[..., -1, -1] = False
    pixels = 4097**2
    np.testing.assert_array_equal(metrics.pairwise_iou(mask, short), [[[1 - 1 / pixels]]])


def test_no_images_give_no_scores():
    none = np.zeros((2, 0, 4, 4), int)
    for score in (metrics.ged, metrics.hungarian_iou, metrics.reconstruction_iou):
        assert score(none, none).shape == (0,)


SCORES = [metrics.ged, metrics.hungarian_iou, metrics.reconstruction_iou, metrics.pairwise_iou]


@pytest.mark.parametrize("score", SCORES)
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
def test_labels_that_do_not_fit_are_refused(score, samples, annotations, message):
    with pytest.raises(ValueError, match=message):
        score(samples, annotations)


def test_reconstruction_iou_refuses_another_number_of_graders():
    with pytest.raises(ValueError, match="allowed is one"):
        metrics.reconstruction_iou(strips(2, 1), strips(2))


def test_iou_refuses_floats():
    with pytest.raises(ValueError, match="float64"):
        metrics.iou(np.zeros((4, 4)), np.zeros((4, 4)))
