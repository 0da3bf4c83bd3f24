"""Reads back the contents of a figure."""

import numpy as np


def labels(*shape, seed=0, classes=2):
    return np.random.default_rng(seed).integers(0, classes, shape)


def squares(*corners, side=6, size=(128, 128)):
    """Masks `[N, 1, H, W]`, each of one square whose upper left corner is given, or empty."""
    masks = np.zeros((len(corners), 1, *size), np.uint8)
    for mask, corner in zip(masks, corners, strict=True):
        if corner is not None:
            mask[0, corner[0] : corner[0] + side, corner[1] : corner[1] + side] = 1
    return masks


def titles(figure):
    return [axis.get_title().replace("\n", " ") for axis in figure.axes if axis.get_title()]


def pictures(figure):
    return [axis.images[0].get_array() for axis in figure.axes if axis.images]


def notes(figure):
    """Texts on the panels."""
    return [text.get_text() for axis in figure.axes if axis.images for text in axis.texts]


def beside(figure):
    """Texts beside the panels."""
    return [text.get_text() for text in figure.texts if text.get_text()]


def legend(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]
