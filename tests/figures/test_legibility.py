"""Printed figures are legible at the size of a page."""

import numpy as np
import pytest
from matplotlib.text import Text

from hpunet import figures, metrics
from tests.figures.contents import labels

PAGE_INCHES = 7
LEAST_POINTS = 7
# matplotlib's layout leaves rounding errors, in parts of the figure.
ROUNDING = 1e-6

MASKS, CLASSES = labels(8, 2, 8, 12), labels(8, 2, 8, 12, classes=4)
LINES = [{"step": n, "rec_loss_mean": 1.0, "kl_0": 1.0, "val/ged": 0.5} for n in range(1, 100)]
SUMS = metrics.Calibration(np.array([1e6, 10]), np.array([2.0, 9]), np.array([1.0, 6]))
SHARE = metrics.Estimate(0.4, 0.3, 0.6, 10, 10)
MODES = [metrics.ModeEstimate(0.5, SHARE, SHARE, 3)]
PRINTED = {
    "hypothesis_grid": lambda: figures.hypothesis_grid(
        np.zeros((2, 8, 12)), MASKS, MASKS, captions=["a", "b"]
    ),
    "classes": lambda: figures.hypothesis_grid(None, CLASSES, CLASSES),
    "scale_grid": lambda: figures.scale_grid(None, MASKS, {"full hierarchy": MASKS}),
    "training_curves": lambda: figures.training_curves(LINES, kappa=0.05),
    "ged_by_samples": lambda: figures.ged_by_samples({1: [0.5, 0.6]}, {"other": {1: 0.7}}),
    "calibration_plot": lambda: figures.calibration_plot(SUMS, MODES),
}


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_figure_fits_a_page_and_its_letters_can_be_read(name):
    figure = PRINTED[name]()
    figure.draw_without_rendering()
    assert figure.get_figwidth() <= PAGE_INCHES
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text()]
    assert min(text.get_fontsize() for text in texts) >= LEAST_POINTS
    # Mathematical text sets exponents smaller.
    assert not [text.get_text() for text in texts if "$" in text.get_text()]


LONG = "_".join(["study/patient/acquisition"] * 8)
WITH_LONG_NAMES = {
    **PRINTED,
    "captions": lambda: figures.hypothesis_grid(None, MASKS, MASKS, captions=[LONG, LONG]),
    "captions of scales": lambda: figures.scale_grid(
        None, MASKS, {"most global latent only": MASKS}, captions=[LONG, LONG]
    ),
    "title": lambda: figures.augmentation_grid(
        np.zeros((2, 8, 12)), MASKS[0], np.zeros((8, 2, 8, 12)), MASKS, title=LONG
    ),
    "published": lambda: figures.ged_by_samples({1: [0.5, 0.6]}, {LONG[:40]: {1: 0.7}}),
}


@pytest.mark.parametrize("name", sorted(WITH_LONG_NAMES))
def test_no_text_runs_over_the_left_or_right_edge(name):
    figure = WITH_LONG_NAMES[name]()
    figure.draw_without_rendering()
    # matplotlib keeps the labels of ticks outside the axes and does not draw them.
    ticks = {t for axis in figure.axes for t in (*axis.get_xticklabels(), *axis.get_yticklabels())}
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    texts = [text for text in texts if text not in ticks]
    boxes = {text.get_text(): text.get_window_extent() for text in texts}
    # Letters have empty pixels at their sides.
    wide = figure.bbox.width + 2
    assert not [text for text, box in boxes.items() if box.x0 < -2 or box.x1 > wide]


@pytest.mark.parametrize("name", ["hypothesis_grid", "classes", "scale_grid"])
def test_panels_lie_on_the_page_and_not_on_each_other(name):
    frames = [axis.get_position() for axis in PRINTED[name]().axes if axis.images]
    corners = np.array([frame.extents for frame in frames])
    assert corners.min() >= -ROUNDING
    assert corners.max() <= 1 + ROUNDING
    low, high = corners[:, None, :2], corners[None, :, 2:]
    apart = ((low >= high - ROUNDING) | (low >= high - ROUNDING).swapaxes(0, 1)).any(axis=-1)
    assert (apart | np.eye(len(frames), dtype=bool)).all()
