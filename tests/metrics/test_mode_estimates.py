"""Estimates of the shares of modes, grouped by the chosen share."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpunet import metrics
from tests.metrics import slow
from tests.metrics.strategies import ROUNDING

NO = math.nan


def frequencies(chosen, drawn, held_out=None):
    """Modes of images from lists of each image's shares."""
    shares = (chosen, drawn, drawn if held_out is None else held_out)
    return metrics.HeldOutFrequencies(*(np.array(each).T for each in shares))


def test_modes_chosen_equally_often_are_put_together():
    modes = frequencies(
        [[0.5, 0.5, NO], [1.0, NO, NO], [0.25, 0.5, 0.25]],
        [[0.25, 0.75, NO], [1.0, NO, NO], [0.0, 0.5, 0.5]],
        [[0.0, 1.0, NO], [1.0, NO, NO], [1.0, 1.0, 0.0]],
    )
    quarter, half, whole = metrics.estimate_modes(modes, ["a", "b", "c"])
    assert [mode.chosen for mode in (quarter, half, whole)] == [0.25, 0.5, 1.0]
    assert [mode.num_modes for mode in (quarter, half, whole)] == [2, 3, 1]
    # Images and patients that have such a mode, however many.
    np.testing.assert_array_equal(quarter.drawn, [0.25, NO, NO, 1, 1])
    # Draws: a a gives 1/2, a c gives 1/2, c c gives 1/2.
    assert half.drawn == (0.5, 0.5, 0.5, 2, 2)
    # Draws: a a gives 1/2, c c gives 1, a c gives 2/3.
    np.testing.assert_allclose(half.held_out, [2 / 3, 0.5, 1, 2, 2], atol=ROUNDING)
    np.testing.assert_array_equal(quarter.held_out, [0.5, NO, NO, 1, 1])
    np.testing.assert_array_equal(whole.drawn, [1.0, NO, NO, 1, 1])


def test_all_modes_of_a_patient_are_drawn_together():
    # Two modes of patient a were never drawn, one of patient b always: a a gives 0, b b gives 1,
    # a b gives 1/3.
    modes = frequencies([[0.5, 0.5], [0.5, NO]], [[0.0, 0.0], [1.0, NO]])
    (estimate,) = metrics.estimate_modes(modes, ["a", "b"])
    np.testing.assert_allclose(estimate.drawn, [1 / 3, 0, 1, 2, 2], atol=ROUNDING)
    (narrow,) = metrics.estimate_modes(modes, ["a", "b"], level=0.4)
    np.testing.assert_allclose(narrow.drawn, [1 / 3, 1 / 3, 1 / 3, 2, 2], atol=ROUNDING)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from([0.25, 0.5]), st.floats(0, 1)), max_size=3),
            st.sampled_from("abc"),
        ),
        max_size=7,
    ),
    st.integers(0, 5),
)
def test_an_interval_is_that_of_means_drawn_mode_by_mode(images, seed):
    modes = metrics.HeldOutFrequencies(*np.full((3, 3, len(images)), NO))
    for b, (shares, _) in enumerate(images):
        for g, (chosen, drawn) in enumerate(shares):
            modes.chosen[g, b], modes.drawn[g, b] = chosen, drawn
            modes.held_out[g, b] = 1 - drawn
    patients = [patient for _, patient in images]
    result = metrics.estimate_modes(modes, patients, draws=50, seed=seed, level=0.8)
    assert [mode.chosen for mode in result] == sorted({c for s, _ in images for c, _ in s})
    for mode in result:
        found = [(d, p, b) for b, (s, p) in enumerate(images) for c, d in s if c == mode.chosen]
        values, owners, places = zip(*found, strict=True)
        assert mode.num_modes == len(found)
        assert mode.drawn.num_images == len(set(places))
        assert mode.drawn.value == pytest.approx(sum(values) / len(values), abs=ROUNDING)
        if len(set(owners)) > 1:
            means = slow.resampled_means(values, owners, 50, seed)
            expected = np.quantile(means, [0.1, 0.9])
            np.testing.assert_allclose(mode.drawn[1:3], expected, atol=ROUNDING)
            mirrored = 1 - expected[::-1]
            np.testing.assert_allclose(mode.held_out[1:3], mirrored, atol=ROUNDING)


def test_shares_that_differ_by_rounding_alone_are_one():
    # 2**-10 has a five as its tenth digit.
    for share in (0.3, 1 / 3, 2**-10):
        chosen = [[np.nextafter(share, 0)], [share], [np.nextafter(share, 1)]]
        (estimate,) = metrics.estimate_modes(frequencies(chosen, chosen), ["a", "b", "c"])
        assert estimate.num_modes == 3
        assert estimate.chosen == pytest.approx(share, abs=ROUNDING)


def test_ten_shares_stand_alone_and_more_are_put_together_in_tenths():
    ten = [[n / 10] for n in range(1, 11)]
    result = metrics.estimate_modes(frequencies(ten, ten), ["a"] * 10)
    assert [mode.chosen for mode in result] == [n / 10 for n in range(1, 11)]
    # Just below the border of a tenth as doubles come out of sums.
    many = [[np.nextafter(n / 50, 0)] for n in range(1, 51)]
    result = metrics.estimate_modes(frequencies(many, many), ["a"] * 50)
    assert [mode.num_modes for mode in result] == [4, 5, 5, 5, 5, 5, 5, 5, 5, 6]
    fourth = [n / 50 for n in range(15, 20)]
    assert result[3].chosen == pytest.approx(np.mean(fourth))
    assert result[3].drawn.value == pytest.approx(np.mean(fourth))


def test_modes_of_scored_images_are_estimated():
    random = np.random.default_rng(0)
    samples, annotations = random.integers(0, 2, (4, 6, 1, 2)), random.integers(0, 2, (3, 6, 1, 2))
    modes = metrics.score(samples, annotations)[4].modes
    result = metrics.estimate_modes(modes, list("aabbcc"), draws=20)
    assert sum(mode.num_modes for mode in result) == np.isfinite(modes.chosen).sum()


@pytest.mark.parametrize("images", [0, 2])
def test_without_modes_there_is_nothing_to_estimate(images):
    modes = metrics.HeldOutFrequencies(*np.full((3, 9, images), NO))
    assert metrics.estimate_modes(modes, ["a"] * images) == []


@pytest.mark.parametrize(
    ("modes", "keywords", "message"),
    [
        (frequencies([[1.0], [1.0]], [[1.0], [1.0]]), {}, "2 images, .*one name per image"),
        (([[1.0]], [[1.0], [1.0]], [[1.0]]), {}, r"allowed is \[N, B\]"),
        (([1.0], [1.0], [1.0]), {}, r"allowed is \[N, B\]"),
        (([[1.0]], [[1.0]]), {}, "allowed is .* held_out"),
        (([[1.5]], [[1.0]], [[1.0]]), {}, r"outside \[0, 1\]"),
        (([[1.0]], [[NO]], [[1.0]]), {}, r"outside \[0, 1\]"),
        (([[1.0]], [[1.0]], [[NO]]), {}, r"outside \[0, 1\]"),
        (([[1.0]], [[1.0]], [[1.0]]), {"draws": 0}, "draws is 0"),
        (([[1.0]], [[1.0]], [[1.0]]), {"level": 95}, "level is 95"),
    ],
)
def test_modes_that_cannot_be_estimated_are_refused(modes, keywords, message):
    with pytest.raises(ValueError, match=message):
        metrics.estimate_modes(modes, ["a"], **keywords)
