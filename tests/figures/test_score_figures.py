"""Figures of scores: GED² by number of samples, calibration of pixels and modes."""

import numpy as np
import pytest

from hpunet import figures, metrics
from tests.figures.contents import legend

PUBLISHED = {
    "M-Heads": {1: 0.87, 4: 0.41, 16: 0.34},
    "HPU-Net": {16: 0.27},
    "elsewhere": {100: 0.1},
}
SUMS = metrics.Calibration(np.array([90.0, 0, 10]), np.array([2.0, 0, 9]), np.array([1.0, 0, 6]))


def dots(axis):
    return [collection.get_offsets() for collection in axis.collections]


def drawn_lines(axis):
    return {line.get_label(): line for line in axis.lines if len(line.get_xdata())}


def test_every_finite_score_is_a_dot_near_its_number_of_samples():
    ged = {4: [0.3, np.nan, 0.5], 1: [0.9, 0.8, 1.0]}
    axis = figures.ged_by_samples(ged).axes[0]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "4"]
    one, four = dots(axis)
    np.testing.assert_array_equal(one[:, 1], [0.9, 0.8, 1.0])
    np.testing.assert_array_equal(four[:, 1], [0.3, 0.5])
    assert (np.abs(one[:, 0]) < 0.5).all()
    assert (np.abs(four[:, 0] - 1) < 0.5).all()


def test_means_are_marked_with_their_values():
    axis = figures.ged_by_samples({1: [0.9, 0.8], 4: [0.3, np.nan]}).axes[0]
    assert [text.get_text() for text in axis.texts] == ["0.85", "0.30"]
    assert [text.get_position()[1] for text in axis.texts] == [pytest.approx(0.85), 0.3]


def test_intervals_are_drawn_where_they_are_known():
    intervals = {1: (0.7, 0.95), 4: (np.nan, np.nan)}
    figure = figures.ged_by_samples({1: [0.9, 0.8], 4: [0.3, 0.4]}, intervals=intervals)
    bars = [line.get_ydata() for line in figure.axes[0].lines if line.get_marker() == "_"]
    np.testing.assert_array_equal(bars, [[0.7, 0.95]])
    assert legend(figure)[1] == "this model, mean and interval"


def test_the_legend_says_the_level_of_the_intervals():
    for level, written in ((0.95, "95%"), (0.975, "97.5%")):
        figure = figures.ged_by_samples({1: [0.9]}, intervals={1: (0.7, 0.95)}, level=level)
        assert legend(figure)[1] == f"this model, mean and {written} interval"
    assert legend(figures.ged_by_samples({1: [0.9]}, level=0.95))[1] == "this model, mean"


def test_the_legend_says_how_many_images_have_a_score():
    ged = {1: [0.9, 0.8, np.nan], 4: [0.3, np.nan, np.nan]}
    assert legend(figures.ged_by_samples({1: ged[1]}))[0] == "this model, 2 images"
    assert legend(figures.ged_by_samples({4: ged[4]}))[0] == "this model, 1 image"
    assert legend(figures.ged_by_samples(ged))[0] == "this model, 1–2 images"


def test_dots_stand_above_their_number_where_no_published_mean_is_shown():
    (alone,) = dots(figures.ged_by_samples({2: [0.9]}, PUBLISHED).axes[0])
    (beside,) = dots(figures.ged_by_samples({1: [0.9]}, PUBLISHED).axes[0])
    (never,) = dots(figures.ged_by_samples({2: [0.9]}).axes[0])
    np.testing.assert_array_equal(alone, never)
    assert beside[0, 0] < alone[0, 0] - 0.2


def test_published_means_stand_beside_the_numbers_of_samples_that_were_scored():
    figure = figures.ged_by_samples({1: [0.9], 16: [0.3]}, PUBLISHED, name="ours")
    assert legend(figure) == [
        *("ours, 1 image", "ours, mean", "published means:", "M-Heads", "HPU-Net")
    ]
    lines = drawn_lines(figure.axes[0])
    np.testing.assert_array_equal(lines["M-Heads"].get_ydata(), [0.87, 0.34])
    np.testing.assert_array_equal(np.round(lines["M-Heads"].get_xdata()), [0, 1])
    np.testing.assert_array_equal(lines["HPU-Net"].get_ydata(), [0.27])
    assert lines["M-Heads"].get_marker() != lines["HPU-Net"].get_marker()


def test_a_number_of_samples_without_a_finite_score_stays_empty():
    figure = figures.ged_by_samples({1: [np.nan, np.nan], 2: [0.5, -0.1]})
    figure.draw_without_rendering()
    assert len(dots(figure.axes[0])) == len(figure.axes[0].texts) == 1
    assert figure.axes[0].get_ylim()[0] < -0.1


@pytest.mark.parametrize("ged", [{}, {1: [[0.5]]}, {1: 0.5}])
def test_ged_by_samples_refuses_other_shapes(ged):
    with pytest.raises(ValueError, match="at least one number of samples"):
        figures.ged_by_samples(ged)


UNKNOWN = (np.nan, np.nan)


def mode(
    chosen,
    drawn,
    interval=UNKNOWN,
    num_modes=2,
    held_out=0.7,
    held_out_interval=UNKNOWN,
    patients=10,
):
    shares = ((drawn, interval), (held_out, held_out_interval))
    estimates = (metrics.Estimate(value, *ends, patients, patients) for value, ends in shares)
    return metrics.ModeEstimate(chosen, *estimates, num_modes)


def points(axis, marker):
    return [line.get_xydata() for line in axis.lines if line.get_marker() == marker]


def explained(axis):
    """The legend's lines, its title first."""
    legend = axis.get_legend()
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def test_reliability_is_drawn_for_bins_with_pixels_and_says_the_error():
    figure = figures.calibration_plot(SUMS, [mode(0.5, 0.25)])
    left, _, below, _ = figure.axes
    np.testing.assert_allclose(left.lines[1].get_xydata(), [[2 / 90, 1 / 90], [0.9, 0.6]])
    assert left.texts[0].get_text() == "expected calibration error 0.04"
    assert [bar.get_height() for bar in below.patches] == [90, 0, 10]


def test_modes_are_drawn_with_the_estimates_that_are_given():
    modes = [
        mode(0.25, 0.2, (0.1, 0.4), 310, 0.3, (0.2, 0.5)),
        mode(1.0, 0.9, num_modes=1, held_out=0.8),
    ]
    figure = figures.calibration_plot(SUMS, modes)
    figure.draw_without_rendering()
    _, right, _, below = figure.axes
    (drawn,), (held_out,) = points(right, "s"), points(right, "D")
    np.testing.assert_array_equal(drawn[:, 1], [0.2, 0.9])
    np.testing.assert_array_equal(held_out[:, 1], [0.3, 0.8])
    np.testing.assert_array_equal(np.array(points(right, "_"))[..., 1], [[0.1, 0.4], [0.2, 0.5]])
    # Side by side, each mean on its own bar.
    np.testing.assert_array_equal(
        np.array(points(right, "_"))[..., 0], [[drawn[0, 0]] * 2, [held_out[0, 0]] * 2]
    )
    assert 0.2 < drawn[0, 0] < 0.25 < held_out[0, 0] < 0.3
    assert explained(right) == [
        "mean and interval over patients",
        "samples",
        "held-out annotators\n(expected of a perfect sampler)",
    ]
    assert [bar.get_height() for bar in below.patches] == [310, 1]
    assert [text.get_text() for text in below.texts] == ["310", "1"]


def test_an_interval_that_leaves_the_mean_out_is_drawn_where_it_is():
    right = figures.calibration_plot(SUMS, [mode(0.5, 0.2, (0.3, 0.4))]).axes[1]
    (interval,) = (line.get_ydata() for line in right.lines if line.get_marker() == "_")
    np.testing.assert_array_equal(interval, [0.3, 0.4])


def test_calibration_names_no_interval_where_there_is_none():
    right = figures.calibration_plot(SUMS, [mode(0.5, 0.25)]).axes[1]
    assert explained(right)[0] == "mean"
    assert not points(right, "_")


def test_calibration_draws_no_interval_of_fewer_than_ten_patients():
    modes = [mode(0.5, 0.25, (0.1, 0.4), patients=9)]
    right = figures.calibration_plot(SUMS, modes).axes[1]
    assert explained(right)[0] == "mean"
    assert not points(right, "_")


def test_there_is_a_diagonal_for_pixels_alone():
    figure = figures.calibration_plot(SUMS, [mode(0.5, 0.25)])
    left, right = (axis.lines for axis in figure.axes[:2])
    assert [[0, 0], [1, 1]] in [line.get_xydata().tolist() for line in left]
    assert [[0, 0], [1, 1]] not in [line.get_xydata().tolist() for line in right]


def test_axes_say_whose_share_they_show():
    axes = figures.calibration_plot(SUMS, [mode(0.5, 0.25)]).axes
    assert [axis.get_ylabel() for axis in axes[:2]] == [
        "share of annotators who mark a pixel",
        "share nearest to the mode",
    ]
    assert [axis.get_xlabel() for axis in axes[2:]] == [
        "share of samples that mark a pixel",
        "share of the other annotators who chose the mode",
    ]


def test_calibration_without_modes_says_so():
    figure = figures.calibration_plot(SUMS, [])
    figure.draw_without_rendering()
    assert figure.axes[1].texts[0].get_text() == "no modes"


@pytest.mark.parametrize(
    ("sums", "message"),
    [
        ([[1.0, 2], [1, 2], [1]], "three sums"),
        ([[[1.0]], [[1]], [[1]]], "three sums"),
        ([[0.0], [0], [0]], "at least one pixel"),
    ],
)
def test_calibration_plot_refuses_what_does_not_fit(sums, message):
    sums = metrics.Calibration(*(np.array(part) for part in sums))
    with pytest.raises(ValueError, match=message):
        figures.calibration_plot(sums, [])
