"""Images whose values have another scale than in training."""

import numpy as np
import pytest

from hpunet.data.intensities import BYTES, Intensities
from hpunet.inference.value_check import (
    ValueProblem,
    count_values,
    scale_problem,
    scale_warning,
    value_problem,
)

WINDOW = Intensities((44.0,), (160.0,), clip=True)
STANDARD = Intensities((100.0,), (130.0,), clip=False)
RNG = np.random.default_rng(0)


def values(low, high, dtype=np.float32):
    return RNG.uniform(low, high, (40, 40, 1)).astype(dtype)


def text_of(picture, intensities):
    problem = value_problem(picture, intensities)
    return None if problem is None else problem.text


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
    assert text_of(picture, WINDOW) == expected


def test_16_bit_values_with_a_black_border_are_outside_on_both_sides():
    picture = mixed(0.5, 30000, 0)
    assert (
        text_of(picture, WINDOW)
    ) == "all of its values are outside the range that the network learned (44 to 160)"


def test_black_and_white_just_outside_percentiles_is_no_other_scale():
    percentiles = Intensities((2.0,), (250.0,), clip=True)
    assert value_problem(mixed(0.5, 0, 255), percentiles) is None


@pytest.mark.parametrize("intensities", [Intensities((0.0,), (200.0,), clip=True), STANDARD])
def test_fractions_within_the_window_are_nearly_equal_to_the_network(intensities):
    problem = text_of(values(0, 1), intensities)
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
    problem = text_of(picture, STANDARD)
    assert problem is None if expected is None else problem.startswith(expected)


def test_channels_have_their_own_windows():
    intensities = Intensities((0.0, 100.0), (50.0, 200.0), clip=True)
    picture = np.concatenate([values(10, 40), values(110, 190)], axis=-1)
    assert value_problem(picture, intensities) is None
    assert "black (0, 100)" in text_of(picture - 500, intensities)


def test_8_bit_weights_are_never_checked():
    assert value_problem(values(1000, 2000), BYTES) is None


def test_counts_of_slices_add_up():
    air, body = values(-1024, -1000), values(60, 150)
    counts = count_values(air, WINDOW) + count_values(body, WINDOW)
    assert scale_problem(count_values(air, WINDOW), WINDOW) is not None
    assert scale_problem(counts, WINDOW) is None
    assert counts.every.total == air.size + body.size
    expected = (np.percentile(air, 0.1), np.percentile(body, 99.9))
    assert (counts.lowest, counts.highest) == pytest.approx(expected, rel=1e-5)


def test_one_warning_for_a_split_names_three_images():
    problems = {name: ValueProblem(f"problem of {name}", True) for name in "abcde"}
    warning = scale_warning(problems, 9)
    assert "5 of 9 images" in warning
    assert "(a, b, c and 2 more); on a, problem of a" in warning
    assert scale_warning({}, 9) is None


def test_few_images_that_may_be_empty_are_not_warned_of():
    problems = {name: ValueProblem(f"problem of {name}", False) for name in "abcde"}
    assert "5 of 10 images" in scale_warning(problems, 10)
    assert scale_warning(problems, 11) is None
    problems["f"] = ValueProblem("problem of f", True)
    assert "1 of 13 images" in scale_warning(problems, 13)


DISC = np.hypot(*(np.indices((48, 40)) - 20)) < 8


def disc(factor=1.0, dtype=np.float32, border=0):
    """A bright disc on gray, with a border of one value around an ellipse."""
    picture = RNG.normal(60, 6, DISC.shape) + 90 * DISC
    picture[np.hypot(*((np.indices(DISC.shape) - 20) / 1.2)) > 15] = border
    return (picture * factor).round().astype(dtype)[..., None]


@pytest.mark.parametrize("intensities", [WINDOW, STANDARD, Intensities((0.0,), (170.0,), True)])
@pytest.mark.parametrize(
    ("factor", "dtype"), [(16, np.uint16), (257, np.uint16), (257, np.float32)]
)
def test_a_border_does_not_hide_another_scale(intensities, factor, dtype):
    assert text_of(disc(), intensities) is None
    problem = value_problem(disc(factor, dtype), intensities)
    # The border lies below the black of the first window.
    values = "its values" if intensities == WINDOW else "its values but for the most frequent one"
    assert problem.text.startswith(f"all of {values} are")
    assert problem.is_sure


def test_a_negated_image_is_constant_to_the_network():
    problem = text_of(disc(-1), Intensities((0.0,), (170.0,), True))
    assert "its values are -164 to 0, nearly equal to the network (0 to 170 in training)" in problem


def test_a_bright_object_just_outside_the_window_is_no_other_scale():
    picture = np.where(DISC, 255, 0).astype(np.uint8)[..., None]
    assert value_problem(picture, WINDOW) is None


def test_8_bits_are_narrow_to_a_network_of_12_or_16_bits():
    for high in (2700.0, 4095.0, 60000.0):
        problem = value_problem(disc(dtype=np.uint8), Intensities((0.0,), (high,), True))
        assert "nearly equal to the network" in problem.text
        assert not problem.is_sure
    assert value_problem(disc(dtype=np.uint8), Intensities((0.0,), (1000.0,), True)) is None


def test_an_outlier_does_not_hide_narrow_values():
    picture = RNG.uniform(0, 1, (48, 40, 1))
    picture[5, 5] = 90
    problem = value_problem(picture, Intensities((0.0,), (170.0,), True))
    assert "nearly equal to the network" in problem.text
    assert problem.is_sure
