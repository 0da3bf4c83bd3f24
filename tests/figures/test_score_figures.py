"""Scores as figures: GED² by number of samples, calibration of pixels and of modes."""

import numpy as np
import pytest

from hpunet import figures, metrics
from tests.figures.looking import legend

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


def test_published_means_stand_beside_the_numbers_of_samples_that_were_scored():
    figure = figures.ged_by_samples({1: [0.9], 16: [0.3]}, PUBLISHED, name="ours")
    assert legend(figure) == [
        *("ours, images", "ours, mean", "published means:", "M-Heads", "HPU-Net")
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


def mode(chosen, drawn, interval=(np.nan, np.nan), num_modes=2):
    return metrics.ModeEstimate(chosen, metrics.Estimate(drawn, *interval, 2, 2), num_modes)


def test_reliability_is_drawn_for_bins_with_pixels_and_says_the_error():
    figure = figures.calibration_plot(SUMS, [mode(0.5, 0.25)])
    left, _, below, _ = figure.axes
    np.testing.assert_allclose(left.lines[1].get_xydata(), [[2 / 90, 1 / 90], [0.9, 0.6]])
    assert left.texts[0].get_text() == "expected calibration error 0.04"
    assert [bar.get_height() for bar in below.patches] == [90, 0, 10]


def test_modes_are_drawn_with_the_estimates_that_are_given():
    modes = [mode(0.25, 0.2, (0.1, 0.4), 310), mode(1.0, 0.9, num_modes=1)]
    figure = figures.calibration_plot(SUMS, modes)
    figure.draw_without_rendering()
    _, right, _, below = figure.axes
    means = [line.get_xydata() for line in right.lines if line.get_marker() == "s"]
    np.testing.assert_array_equal(means, [[[0.25, 0.2], [1.0, 0.9]]])
    intervals = [line.get_xydata() for line in right.lines if line.get_marker() == "_"]
    np.testing.assert_array_equal(intervals, [[[0.25, 0.1], [0.25, 0.4]]])
    assert right.texts[0].get_text() == "mean and interval over patients"
    assert [bar.get_height() for bar in below.patches] == [310, 1]
    assert [text.get_text() for text in below.texts] == ["310", "1"]


def test_an_interval_that_leaves_the_mean_out_is_drawn_where_it_is():
    right = figures.calibration_plot(SUMS, [mode(0.5, 0.2, (0.3, 0.4))]).axes[1]
    (interval,) = (line.get_ydata() for line in right.lines if line.get_marker() == "_")
    np.testing.assert_array_equal(interval, [0.3, 0.4])


def test_calibration_names_no_interval_where_there_is_none():
    figure = figures.calibration_plot(SUMS, [mode(0.5, 0.25)])
    assert figure.axes[1].texts[0].get_text() == "mean"


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
