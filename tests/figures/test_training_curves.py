"""Training curves: their panels, axes and notes."""

import numpy as np
import pytest

from hpunet import figures
from tests.figures.contents import titles

LINES = [
    {"step": 1, "rec_loss_mean": 0.5, "kl_sum": 2.0, "kl_0": 0.5, "kl_1": 1.5, "loss": 3.0},
    {"step": 2, "rec_loss_mean": None, "lagrange_multiplier": 1.1, "val/ged": 0.5},
    {"step": 3, "rec_loss_mean": 0.3, "val/ged": 0.4, "val/hungarian_iou": 0.6},
]


def many(count):
    noise = np.random.default_rng(0).normal(size=count)
    return [{"step": n + 1, "kl_sum": 5 + noise[n]} for n in range(count)]


def test_training_curves_draws_a_panel_for_what_the_lines_hold():
    figure = figures.training_curves(LINES, kappa=0.05)
    assert titles(figure) == [
        *("reconstruction", "multiplier", "KL of all scales"),
        *("KL of scale 0 (coarsest)", "KL of scale 1", "validation GED²"),
    ]
    reconstruction, kappa = figure.axes[0].lines
    np.testing.assert_array_equal(reconstruction.get_xydata(), [[1, 0.5], [3, 0.3]])
    np.testing.assert_array_equal(kappa.get_ydata(), [0.05, 0.05])


def test_training_curves_of_four_scales_has_the_seven_panels_of_the_paper():
    line = {"step": 1, "rec_loss_mean": 1.0, "lagrange_multiplier": 1.0, "kl_sum": 1.0}
    figure = figures.training_curves([line | {f"kl_{scale}": 1.0 for scale in range(4)}])
    assert len(titles(figure)) == 7


def test_training_curves_leaves_out_what_an_elbo_run_does_not_have():
    figure = figures.training_curves([{"step": 1, "rec_loss_mean": 0.5, "kl_sum": 0.0}])
    assert titles(figure) == ["reconstruction", "KL of all scales"]


def test_training_curves_leaves_out_scores_of_one_validation():
    assert "validation GED²" not in titles(figures.training_curves(LINES[1:2]))


def test_training_curves_orders_scales_as_numbers():
    line = {"step": 1} | {f"kl_{scale}": 1.0 for scale in (10, 2, 0)}
    expected = ["KL of scale 0 (coarsest)", "KL of scale 2", "KL of scale 10"]
    assert titles(figures.training_curves([line])) == expected


def test_training_curves_leaves_no_point_for_what_is_not_finite():
    lines = [{"step": n, "kl_sum": value} for n, value in enumerate([1.0, np.nan, np.inf, 2.0])]
    curve = figures.training_curves(lines).axes[0].lines[0]
    np.testing.assert_array_equal(curve.get_xydata(), [[0, 1], [3, 2]])


def test_axes_begin_at_zero_even_for_one_point():
    (axis,) = figures.training_curves([{"step": 7, "kl_sum": 3.0}]).axes
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    assert (left, bottom) == (0, 0)
    assert right > 7
    assert 3 < top < 4


def test_many_points_are_drawn_under_their_running_mean():
    lines = many(300)
    raw, mean = figures.training_curves(lines).axes[0].lines
    values = np.array([line["kl_sum"] for line in lines])
    np.testing.assert_array_equal(raw.get_ydata(), values)
    # 300 // 30 = 10, made odd.
    expected = [values[max(0, n - 5) : n + 6].mean() for n in range(300)]
    np.testing.assert_allclose(mean.get_ydata(), expected)
    assert "mean over 11" in figures.training_curves(lines).get_supxlabel()


def test_few_points_have_no_running_mean():
    figure = figures.training_curves(many(20))
    assert len(figure.axes[0].lines) == 1
    assert figure.get_supxlabel() == "step"


def test_one_wild_value_among_many_does_not_flatten_the_curve():
    lines = many(300)
    lines[100]["kl_sum"] = 1000.0
    figure = figures.training_curves(lines)
    assert figure.axes[0].get_ylim()[1] < 110
    high = np.array([line["kl_sum"] for line in lines]) > figure.axes[0].get_ylim()[1]
    assert figure.get_supxlabel().endswith(f"; logged values outside the axes: {high.sum()}")


def test_nothing_is_said_of_values_that_all_lie_on_the_axes():
    lines = [{"step": n, "kl_sum": 5.0} for n in range(300)]
    assert "outside the axes" not in figures.training_curves(lines).get_supxlabel()


def test_the_legend_of_the_ious_lies_inside_its_panel():
    line = {"rec_loss_mean": 1.0, "kl_sum": 1.0, "val/ged": 0.4, "val/hungarian_iou": 0.6}
    line |= {f"kl_{scale}": 1.0 for scale in range(4)} | {"val/reconstruction_iou": 0.9}
    figure = figures.training_curves([line | {"step": step} for step in (1, 2)])
    figure.draw_without_rendering()
    axis = figure.axes[-1]
    assert axis.get_title() == "validation IoU"
    box = axis.get_legend().get_window_extent()
    assert axis.bbox.x0 < box.x0
    assert axis.bbox.y0 < box.y0
    assert box.x1 < axis.bbox.x1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"length 0 has the keys \[\]; at least one of .*'rec_loss_mean'"),
        ([{"step": 1, "loss": 2.0}], r"length 1 has the keys \['loss', 'step'\]; at least"),
        ([{"step": 1, "kl_sum": None}], "must have a finite value"),
        ([{"step": 1, "val/ged": 0.5}], "a validation score two"),
    ],
)
def test_training_curves_of_nothing_names_what_it_looks_for(lines, message):
    with pytest.raises(ValueError, match=message):
        figures.training_curves(lines)
