"""Images whose values have another scale than in training."""

import numpy as np
import pytest

from hpunet.data.intensities import BYTES, Intensities
from hpunet.inference.value_check import count_values, scale_problem, scale_warning, value_problem

WINDOW = Intensities((44.0,), (160.0,), clip=True)
STANDARD = Intensities((100.0,), (130.0,), clip=False)
RNG = np.random.default_rng(0)


def values(low, high, dtype=np.float32):
    return RNG.uniform(low, high, (40, 40, 1)).astype(dtype)


def mixed(share, inside, outside):
    picture = np.full((40, 40, 1), inside, np.float32)
    picture.reshape(-1)[: round(share * picture.size)] = outside
    return picture


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (values(0, 1), "all of its values are below the training's black (44)"),
        (values(-1000, 40), "all of its values are below the training's black (44)"),
        (values(1000, 60000, np.uint16), "all of its values are above the training's white (160)"),
        (mixed(0.96, 100, 0), "96.0 % of its values are below the training's black (44)"),
        (mixed(0.94, 100, 0), None),
        (values(0, 255, np.uint8), None),
        # A constant within the window is all background.
        (mixed(1, 100, 44), None),
        (mixed(1, 100, 160), None),
    ],
)
def test_window_and_values_of_another_scale(picture, expected):
    assert value_problem(picture, WINDOW) == expected


def test_16_bit_values_with_a_black_border_are_outside_on_both_sides():
    picture = mixed(0.5, 30000, 0)
    assert (
        value_problem(picture, WINDOW)
    ) == "all of its values are outside the range that the network learned (44 to 160)"


def test_black_and_white_just_outside_percentiles_is_no_other_scale():
    percentiles = Intensities((2.0,), (250.0,), clip=True)
    assert value_problem(mixed(0.5, 0, 255), percentiles) is None


@pytest.mark.parametrize("intensities", [Intensities((0.0,), (200.0,), clip=True), STANDARD])
def test_fractions_within_the_window_are_nearly_equal_to_the_network(intensities):
    problem = value_problem(values(0, 1), intensities)
    assert "nearly equal to the network" in problem
    # Whole numbers, and one constant, may be an empty part of an image.
    assert value_problem(values(0, 2, np.uint8), intensities) is None
    assert value_problem(mixed(1, 0, 0.5), intensities) is None


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (values(1000, 60000), "all of its values are above the training's mean + 10 deviations"),
        (values(-3000, -1000), "all of its values are below the training's mean \N{MINUS SIGN} 10"),
        (values(-150, 350), None),
    ],
)
def test_standardised_values_may_be_ten_deviations_from_the_mean(picture, expected):
    problem = value_problem(picture, STANDARD)
    assert problem is None if expected is None else problem.startswith(expected)


def test_channels_have_their_own_windows():
    intensities = Intensities((0.0, 100.0), (50.0, 200.0), clip=True)
    picture = np.concatenate([values(10, 40), values(110, 190)], axis=-1)
    assert value_problem(picture, intensities) is None
    assert "black (0, 100)" in value_problem(picture - 500, intensities)


def test_8_bit_weights_are_never_checked():
    assert value_problem(values(1000, 2000), BYTES) is None


def test_counts_of_slices_add_up():
    air, body = values(-1024, -1000), values(60, 150)
    counts = count_values(air, WINDOW) + count_values(body, WINDOW)
    assert scale_problem(count_values(air, WINDOW), WINDOW) is not None
    assert scale_problem(counts, WINDOW) is None
    assert counts.total == air.size + body.size
    assert (counts.lowest, counts.highest) == (air.min(), body.max())


def test_one_warning_for_a_split_names_three_images():
    problems = {name: f"problem of {name}" for name in "abcde"}
    warning = scale_warning(problems, 9)
    assert "5 of 9 images" in warning
    assert "(a, b, c and 2 more); on a, problem of a" in warning
    assert scale_warning({}, 9) is None
