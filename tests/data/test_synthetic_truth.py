"""The truth of the synthetic data: probabilities, expected scores, assignment."""

import numpy as np
import pytest
from scipy import stats

from hpunet.config.data import SyntheticConfig
from hpunet.data.synthetic.lesion import mode_masks
from hpunet.data.synthetic.scene import draw_scenes
from hpunet.data.synthetic.truth import (
    Truth,
    assign,
    iou_distance,
    thresholded_mean,
    thresholded_mean_ged,
    total_variation,
)

CONFIG = SyntheticConfig(
    image_size=32, p_drawn=0.7, p_halo=0.4, p_protrusion=(0.5, 0.2), num_train=1
)
MIN_P_VALUE = 1e-3  # seeds are fixed: the tests below either always pass or never


@pytest.fixture(scope="module")
def truth():
    return Truth(CONFIG)


@pytest.fixture(scope="module")
def modes():
    return mode_masks(draw_scenes(np.random.default_rng(0), 6, 32, 2).parts, 2).astype(np.uint8)


def slow_distance(first, second):
    union = np.logical_or(first, second).sum()
    return 0.0 if union == 0 else 1 - np.logical_and(first, second).sum() / union


def slow_ged(samples, annotations):
    def mean_distance(a, b):
        return np.mean([slow_distance(x, y) for x in a for y in b])

    between = mean_distance(samples, annotations)
    return 2 * between - mean_distance(samples, samples) - mean_distance(annotations, annotations)


def test_probability_of_a_mode_is_the_product_of_its_choices(truth):
    expected = {
        "not drawn": 0.3,
        "core": 0.7 * 0.6 * 0.5 * 0.8,
        "core + protrusion 1": 0.7 * 0.6 * 0.5 * 0.8,
        "core + protrusion 2": 0.7 * 0.6 * 0.5 * 0.2,
        "core + protrusion 1 + protrusion 2": 0.7 * 0.6 * 0.5 * 0.2,
        "core and halo": 0.7 * 0.4 * 0.5 * 0.8,
        "core and halo + protrusion 1": 0.7 * 0.4 * 0.5 * 0.8,
        "core and halo + protrusion 2": 0.7 * 0.4 * 0.5 * 0.2,
        "core and halo + protrusion 1 + protrusion 2": 0.7 * 0.4 * 0.5 * 0.2,
    }
    assert dict(zip(truth.names, truth.probabilities, strict=True)) == pytest.approx(expected)
    assert truth.probabilities.sum() == pytest.approx(1)


def test_names_say_what_the_masks_contain(truth):
    parts = draw_scenes(np.random.default_rng(1), 1, 32, 2).parts[0]
    modes = dict(zip(truth.names, mode_masks(parts, 2), strict=True))
    assert not modes["not drawn"].any()
    np.testing.assert_array_equal(modes["core + protrusion 2"], (parts & (1 | 8)) != 0)
    np.testing.assert_array_equal(modes["core and halo + protrusion 1"], (parts & (2 | 4)) != 0)


def test_drawn_modes_follow_the_probabilities(truth):
    drawn = truth.draw_modes(np.random.default_rng(0), (20_000,))
    counts = np.bincount(drawn, minlength=9)
    assert stats.chisquare(counts, truth.probabilities * counts.sum()).pvalue > MIN_P_VALUE


def test_choices_of_a_drawn_mode_are_independent(truth):
    drawn = truth.draw_modes(np.random.default_rng(1), (20_000,))
    halo, first, second = truth.choices[drawn[drawn > 0], 1:].T
    for a, b in [(halo, first), (halo, second), (first, second)]:
        table = np.histogram2d(a, b, bins=2)[0]
        assert stats.chi2_contingency(table).pvalue > MIN_P_VALUE


@pytest.mark.parametrize("extreme", [0.0, 1.0])
def test_certain_choices_leave_one_mode(extreme):
    truth = Truth(SyntheticConfig(p_drawn=1.0, p_halo=extreme, p_protrusion=(extreme, extreme)))
    drawn = truth.draw_modes(np.random.default_rng(0), (50,))
    assert set(drawn) == {8 if extreme else 1}
    assert truth.probabilities[drawn[0]] == 1


def test_draws_of_several_images_are_their_own_modes(truth, modes):
    samples = truth.draw(np.random.default_rng(0), modes, num_samples=5)
    assert samples.shape == (5, 6, 32, 32)
    for sample in samples:
        for mask, own in zip(sample, modes, strict=True):
            assert (mask == own).all(axis=(1, 2)).sum() == 1


def test_images_and_samples_are_drawn_independently(truth, modes):
    same = np.stack([modes[0]] * 400)
    drawn = truth.draw(np.random.default_rng(3), same, num_samples=2).any(axis=(2, 3))
    assert stats.chi2_contingency(np.histogram2d(*drawn, bins=2)[0]).pvalue > MIN_P_VALUE
    assert 0 < drawn.mean() < 1


@pytest.mark.parametrize("num_samples", [1, 4])
def test_expected_ged_is_the_mean_over_draws(truth, modes, num_samples):
    rng = np.random.default_rng(2)
    annotations = modes[0][[0, 3, 6, 6]]
    scores = [slow_ged(truth.draw(rng, modes[0], num_samples), annotations) for _ in range(1500)]
    standard_error = np.std(scores) / np.sqrt(len(scores))
    expected = truth.expected_ged(modes[0], annotations, num_samples)
    assert np.mean(scores) == pytest.approx(expected, abs=4 * standard_error)
    assert standard_error < 0.02


def test_expected_ged_falls_with_the_number_of_samples(truth, modes):
    scores = [truth.expected_ged(modes[1], modes[1][[0, 1, 5, 8]], n) for n in (1, 4, 8, 16)]
    assert scores == sorted(scores, reverse=True)


def test_expected_ged_of_a_certain_truth_is_zero(modes):
    truth = Truth(SyntheticConfig(p_drawn=0.0))
    assert truth.expected_ged(modes[0], modes[0][[0, 0]], 4) == 0


def test_expected_ged_does_not_depend_on_the_order_of_annotators(truth, modes):
    first = truth.expected_ged(modes[0], modes[0][[0, 2, 7, 7]], 8)
    second = truth.expected_ged(modes[0], modes[0][[7, 0, 7, 2]], 8)
    assert first == pytest.approx(second)


def test_iou_distance_is_that_of_every_pair(modes):
    slow = [[slow_distance(a, b) for b in modes[1]] for a in modes[0]]
    np.testing.assert_allclose(iou_distance(modes[0], modes[1]), slow, atol=1e-12)


def test_two_empty_masks_have_no_distance():
    empty = np.zeros((1, 4, 4), np.uint8)
    assert iou_distance(empty, empty) == 0
    assert iou_distance(empty, 1 - empty) == 1


def test_mode_with_a_few_flipped_pixels_is_still_recognised(modes):
    rng = np.random.default_rng(0)
    for own in modes:
        samples = own.copy()
        for sample in samples[1:]:  # a pixel more and a pixel less
            inside, outside = np.flatnonzero(sample), np.flatnonzero(sample == 0)
            sample.flat[rng.choice(inside)] = 0
            sample.flat[rng.choice(outside)] = 1
        np.testing.assert_array_equal(assign(samples, own), np.arange(9))


def test_stray_pixels_beside_the_lesion_are_not_drawn(modes):
    sample = np.zeros((1, 32, 32), np.uint8)
    sample[0, 0, :3] = 1
    assert assign(sample, modes[0]) == 0


def test_iou_decides_before_the_number_of_pixels():
    few, many = np.zeros((2, 8, 8), np.uint8)
    few[0, 0] = 1
    many[:4] = 1
    sample = np.zeros((8, 8), np.uint8)
    sample[0, :4] = 1  # IoU 1/4 with one, 3 pixels off; 1/8 with the other, 28 pixels off
    assert assign(sample[None], np.stack([np.zeros_like(few), many])) == 1
    assert assign(sample[None], np.stack([many, few])) == 1


def test_frequencies_count_the_samples_of_all_images(truth, modes):
    chosen = np.array([[0, 1, 2, 3, 4, 5], [0, 1, 8, 8, 8, 8]])
    samples = np.stack([modes[np.arange(6), row] for row in chosen])
    expected = np.bincount(chosen.ravel(), minlength=9) / 12
    np.testing.assert_allclose(truth.frequencies(samples, modes), expected)


def test_frequencies_of_many_draws_approach_the_truth(truth, modes):
    samples = truth.draw(np.random.default_rng(0), modes, num_samples=300)
    assert total_variation(truth.frequencies(samples, modes), truth.probabilities) < 0.04


def test_total_variation_is_one_between_disjoint_distributions():
    assert total_variation(np.array([1.0, 0, 0]), np.array([0, 0.5, 0.5])) == 1
    assert total_variation(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == 0.25


def test_thresholded_mean_keeps_what_half_of_the_annotators_drew():
    annotations = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], np.uint8)
    mean = thresholded_mean(annotations[:, None])
    np.testing.assert_array_equal(mean, [[1, 1, 0, 0]])


def test_thresholded_mean_scores_as_any_number_of_equal_samples(modes):
    annotations = modes[2][[0, 1, 6, 7]]
    samples = np.stack([thresholded_mean(annotations)] * 3)
    assert thresholded_mean_ged(annotations) == pytest.approx(slow_ged(samples, annotations))


def test_truth_scores_better_than_the_thresholded_mean(truth, modes):
    rng = np.random.default_rng(7)
    annotations = [truth.draw(rng, own, 4) for own in np.concatenate([modes] * 20)]
    owners = np.concatenate([modes] * 20)
    perfect = [truth.expected_ged(own, a, 16) for own, a in zip(owners, annotations, strict=True)]
    assert np.mean(perfect) < 0.7 * np.mean([thresholded_mean_ged(a) for a in annotations])
