"""Figures: what is on them, and that a file is written whole."""

import numpy as np
import pytest
from PIL import Image

from hpunet import figures

LINES = [
    {"step": 1, "rec_loss_mean": 0.5, "kl_sum": 2.0, "kl_0": 0.5, "kl_1": 1.5, "loss": 3.0},
    {"step": 2, "rec_loss_mean": None, "lagrange_multiplier": 1.1},
    {"step": 3, "rec_loss_mean": 0.3, "val/ged": 0.4, "val/hungarian_iou": 0.6},
]


def labels(*shape, seed=0, classes=2):
    return np.random.default_rng(seed).integers(0, classes, shape)


def titles(figure):
    return [axis.get_title().replace("\n", " ") for axis in figure.axes if axis.get_title()]


def pictures(figure):
    return [axis.images[0].get_array() for axis in figure.axes if axis.images]


def test_sample_grid_names_every_column_and_shows_every_mask():
    images, annotations, samples = (
        np.linspace(0, 1, 2 * 64).reshape(2, 8, 8),
        labels(3, 2, 8, 8),
        labels(2, 2, 8, 8, seed=1),
    )
    figure = figures.sample_grid(images, annotations, samples)
    assert titles(figure) == [
        *("image", "grader 1", "grader 2", "grader 3", "sample 1", "sample 2"),
        *("std of graders", "std of samples"),
    ]
    shown = pictures(figure)
    assert len(shown) == 2 * 8
    for row in range(2):
        expected = [images[row], *annotations[:, row], *samples[:, row]]
        np.testing.assert_array_equal(shown[8 * row : 8 * row + 6], expected)
        np.testing.assert_allclose(shown[8 * row + 6], annotations[:, row].std(axis=0))
        np.testing.assert_allclose(shown[8 * row + 7], samples[:, row].std(axis=0))


def test_sample_grid_shows_eight_samples_but_takes_the_deviation_of_all():
    samples = labels(12, 1, 8, 8, seed=1)
    figure = figures.sample_grid(np.zeros((1, 8, 8)), labels(1, 1, 8, 8), samples)
    assert titles(figure)[-3] == "sample 8"
    np.testing.assert_allclose(pictures(figure)[-1], samples[:, 0].std(axis=0))


def test_sample_grid_shows_reconstructions_between_graders_and_samples():
    rebuilt = labels(1, 1, 8, 8, seed=2)
    figure = figures.sample_grid(
        np.zeros((1, 8, 8)),
        labels(2, 1, 8, 8),
        labels(1, 1, 8, 8),
        title="a title",
        reconstructions=rebuilt,
    )
    assert titles(figure)[1:5] == ["grader 1", "grader 2", "rebuilt 1", "sample 1"]
    np.testing.assert_array_equal(pictures(figure)[3], rebuilt[0, 0])
    assert figure.get_suptitle() == "a title"


def test_sample_grid_gives_every_class_a_shade_of_its_own():
    annotations = labels(1, 1, 8, 8, classes=4)
    figure = figures.sample_grid(np.zeros((1, 8, 8)), annotations, annotations)
    assert figure.axes[1].images[0].get_clim() == (0, annotations.max())


@pytest.mark.parametrize(
    ("annotations", "samples"), [((2, 1, 8, 7), (2, 1, 8, 8)), ((2, 1, 8, 8), (0, 1, 8, 8))]
)
def test_sample_grid_refuses_masks_that_do_not_fit(annotations, samples):
    with pytest.raises(ValueError, match="must be"):
        figures.sample_grid(np.zeros((1, 8, 8)), labels(*annotations), labels(*samples))


def test_augmentation_grid_outlines_masks_and_leaves_empty_ones_alone():
    masks = np.zeros((1, 8, 8), int)
    masks[0, 2:5, 2:5] = 1
    augmented = np.stack([masks[:, :6, :6], np.zeros((1, 6, 6), int), np.ones((1, 6, 6), int)])
    figure = figures.augmentation_grid(
        np.ones((1, 8, 8)), masks, np.ones((3, 1, 6, 6)), augmented, title="pairs"
    )
    assert titles(figure) == ["original", "augmented 1", "augmented 2", "augmented 3"]
    assert [len(axis.collections) for axis in figure.axes] == [1, 1, 0, 0]


def test_augmentation_grid_refuses_another_number_of_masks_than_images():
    with pytest.raises(ValueError, match="allowed is"):
        figures.augmentation_grid(
            np.ones((1, 8, 8)), labels(1, 8, 8), np.ones((2, 1, 6, 6)), labels(3, 1, 6, 6)
        )


def test_training_course_draws_a_panel_for_what_the_lines_hold():
    figure = figures.training_course(LINES, kappa=0.05)
    assert titles(figure) == [
        "reconstruction per kept pixel (nats)",
        "multiplier",
        "KL in all (nats)",
        "KL of each scale, 0 the coarsest (nats)",
        "validation GED²",
        "validation IoU",
    ]
    reconstruction, kappa = figure.axes[0].lines
    np.testing.assert_array_equal(reconstruction.get_xydata(), [[1, 0.5], [3, 0.3]])
    np.testing.assert_array_equal(kappa.get_ydata(), [0.05, 0.05])
    assert [line.get_label() for line in figure.axes[3].lines] == ["kl_0", "kl_1"]


def test_training_course_leaves_out_what_an_elbo_run_does_not_have():
    figure = figures.training_course([{"step": 1, "rec_loss_mean": 0.5, "kl_sum": 0.0}])
    assert len(figure.axes) == 2


def test_training_course_orders_scales_as_numbers():
    line = {"step": 1} | {f"kl_{scale}": 1.0 for scale in (10, 2, 0)}
    legend = [curve.get_label() for curve in figures.training_course([line]).axes[0].lines]
    assert legend == ["kl_0", "kl_2", "kl_10"]


def test_training_course_of_nothing_names_what_it_looks_for():
    with pytest.raises(ValueError, match=r"\['loss', 'step'\].*rec_loss_mean"):
        figures.training_course([{"step": 1, "loss": 2.0}])


def test_save_writes_a_readable_picture_about_as_wide_as_a_page(tmp_path):
    figures.save(
        figures.sample_grid(np.zeros((1, 8, 8)), labels(4, 1, 8, 8), labels(16, 1, 8, 8)),
        tmp_path / "samples.png",
    )
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.width == 1600
    assert [path.name for path in tmp_path.iterdir()] == ["samples.png"]


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "course.png"
    path.write_bytes(b"old")
    figure = figures.training_course(LINES)

    def write_half(file, **_):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", write_half)
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_saved_figure_may_be_read_by_whom_the_umask_lets(tmp_path):
    (tmp_path / "ordinary").touch()
    figures.save(figures.training_course(LINES), tmp_path / "course.png")
    expected = (tmp_path / "ordinary").stat().st_mode
    assert (tmp_path / "course.png").stat().st_mode == expected
