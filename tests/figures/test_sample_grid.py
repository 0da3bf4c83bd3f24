"""Samples and augmentations beside what they were made from."""

import numpy as np
import pytest

from hpunet import figures
from tests.figures.looking import labels, pictures, titles


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
