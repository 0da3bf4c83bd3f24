"""Intervals by bootstrap over patients."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpunet import metrics
from tests.metrics import slow
from tests.metrics.strategies import ROUNDING

# 1000 draws give the ends of an interval to some five percent of its width.
OF_DRAWS = 0.15


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.sampled_from("abcd")), min_size=2, max_size=9),
    st.integers(0, 5),
)
def test_an_interval_is_that_of_means_drawn_image_by_image(images, seed):
    values, patients = (list(column) for column in zip(*images, strict=True))
    result = metrics.estimate_mean(values, patients, draws=50, seed=seed, level=0.8)
    assert result.value == pytest.approx(sum(values) / len(values), abs=ROUNDING)
    assert (result.num_images, result.num_patients) == (len(values), len(set(patients)))
    if len(set(patients)) < 2:
        assert math.isnan(result.low)
        assert math.isnan(result.high)
        return
    means = slow.resampled_means(values, patients, 50, seed)
    expected = np.quantile(means, [0.1, 0.9])
    np.testing.assert_allclose([result.low, result.high], expected, atol=ROUNDING)


def test_an_interval_of_two_patients():
    # Draws give 0, 1/2 and 1 with probability 1/4, 1/2, 1/4.
    wide = metrics.estimate_mean([0.0, 1.0], ["a", "b"])
    assert wide == (0.5, 0.0, 1.0, 2, 2)
    assert metrics.estimate_mean([0.0, 1.0], ["a", "b"], level=0.4) == (0.5, 0.5, 0.5, 2, 2)


def test_patients_are_drawn_not_images():
    # Fifty images of one patient say no more than one.
    result = metrics.estimate_mean([0.0] * 50 + [1.0] * 50, ["a"] * 50 + ["b"] * 50)
    assert result == (0.5, 0.0, 1.0, 100, 2)


def test_a_patient_of_more_images_counts_more():
    # Draws: a a gives 0, b b gives 1, a b gives 1/4.
    result = metrics.estimate_mean([0.0, 0.0, 0.0, 1.0], ["a", "a", "a", "b"], level=0.4)
    assert result == (0.25, 0.25, 0.25, 4, 2)


def test_an_interval_of_many_patients_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(size=400)
    result = metrics.estimate_mean(values, [str(i) for i in range(400)])
    half = 1.96 * values.std() / 20
    assert result.high - result.value == pytest.approx(half, rel=OF_DRAWS)
    assert result.value - result.low == pytest.approx(half, rel=OF_DRAWS)


def test_the_same_seed_gives_the_same_interval():
    values, patients = np.random.default_rng(0).random(30), [str(i // 2) for i in range(30)]
    assert metrics.estimate_mean(values, patients) == metrics.estimate_mean(values, patients)
    another = metrics.estimate_mean(values, patients, seed=1)
    assert another.value == metrics.estimate_mean(values, patients).value
    assert another.low != metrics.estimate_mean(values, patients).low


def test_the_order_of_images_does_not_matter():
    values, patients = np.random.default_rng(0).random(30), [str(i // 2) for i in range(30)]
    result = metrics.estimate_mean(values, patients)
    reversed_order = metrics.estimate_mean(values[::-1], patients[::-1])
    np.testing.assert_allclose(result, reversed_order, atol=ROUNDING)


def test_images_without_a_value_are_left_out():
    values, patients = [0.0, math.nan, 1.0, math.nan], ["a", "a", "b", "c"]
    assert metrics.estimate_mean(values, patients) == (0.5, 0.0, 1.0, 2, 2)


def test_scores_of_the_same_images_share_their_draws(monkeypatch):
    values, patients = np.arange(31.0), [str(i) for i in range(31)]
    first = metrics.estimate_mean(values, patients, seed=7)
    monkeypatch.delattr(np.random, "default_rng")
    again = metrics.estimate_mean(values, patients, seed=7)
    other_values = metrics.estimate_mean(-values, patients, seed=7, level=0.8)
    assert again == first
    assert other_values.low > -first.high
    with pytest.raises(AttributeError):
        metrics.estimate_mean(values, patients, seed=8)
    with pytest.raises(AttributeError):
        metrics.estimate_mean(values, patients, seed=7, draws=999)


def test_draws_that_are_kept_take_a_byte_for_each_patient():
    values, patients = np.arange(3001.0), [str(i) for i in range(3001)]
    tracemalloc.start()
    metrics.estimate_mean(values, patients, draws=400)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2 * 400 * len(patients)


@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_without_any_value_there_is_no_estimate(values):
    result = metrics.estimate_mean(values, ["a", "b"][: len(values)])
    np.testing.assert_array_equal(result, [math.nan, math.nan, math.nan, 0, 0])


def test_one_patient_has_a_value_but_no_interval():
    result = metrics.estimate_mean([0.0, 1.0], ["a", "a"])
    np.testing.assert_array_equal(result, [0.5, math.nan, math.nan, 2, 1])


def test_calibration_error_of_a_set_is_that_of_the_sums():
    # Predicted and observed of each bin, ten pixels an image: one image draws 2 pixels too many,
    # one 2 too few, in the same bin.
    sums = metrics.Calibration(
        np.array([[0.0, 10.0], [0.0, 10.0]]),
        np.array([[0.0, 8.0], [0.0, 6.0]]),
        np.array([[0.0, 6.0], [0.0, 8.0]]),
    )
    # Together they are right; each drawn twice is off by 2/10. Half of the draws are such.
    result = metrics.estimate_calibration_error(sums, ["a", "b"])
    np.testing.assert_allclose(result, [0, 0, 0.2, 2, 2], atol=ROUNDING)


def test_images_without_pixels_are_left_out_of_the_calibration_error():
    sums = metrics.Calibration(*np.ones((3, 2, 4)))
    for each in sums:
        each[1] = 0
    result = metrics.estimate_calibration_error(sums, ["a", "b"])
    np.testing.assert_array_equal(result, [0, math.nan, math.nan, 1, 1])


def test_calibration_error_agrees_with_the_sums_of_scored_images():
    random = np.random.default_rng(0)
    samples, annotations = random.integers(0, 2, (4, 6, 8, 8)), random.integers(0, 2, (3, 6, 8, 8))
    sums = metrics.calibration(samples, annotations)
    result = metrics.estimate_calibration_error(sums, list("aabbcc"), draws=200)
    together = metrics.Calibration(*(x.sum(axis=0) for x in sums))
    assert result.value == pytest.approx(metrics.expected_calibration_error(together))
    assert result.low <= result.value <= result.high
    again = metrics.estimate_calibration_error(sums, list("aabbcc"), draws=200)
    assert result == again


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (([0.0, 1.0], ["a"]), {}, "one name per image"),
        (([[0.0, 1.0]], ["a"]), {}, r"shape \(1, 2\)"),
        (([0.0], ["a"]), {"draws": 0}, "draws is 0"),
        (([0.0], ["a"]), {"draws": 1.5}, "draws is 1.5"),
        (([0.0], ["a"]), {"seed": -1}, "seed is -1"),
        (([0.0], ["a"]), {"seed": None}, "seed is None"),
        (([0.0], ["a"]), {"level": 1.0}, "level is 1.0"),
        (([0.0], ["a"]), {"level": 95}, "level is 95"),
    ],
)
def test_what_cannot_be_estimated_is_refused(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        metrics.estimate_mean(*arguments, **keywords)


def test_sums_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"allowed is \[B, N\]"):
        metrics.estimate_calibration_error(metrics.Calibration(*np.zeros((3, 4))), ["a"] * 4)
