"""The grid of images and their augmentations."""

import numpy as np
import pytest

from hpunet import figures
from tests.figures.contents import labels, titles


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
