"""Images beside what augmentation makes of them."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from hpunet.figures.frames import as_masks, image_axes, outlined


def augmentation_grid(
    images: ArrayLike,
    labels: ArrayLike,
    augmented_images: ArrayLike,
    augmented_labels: ArrayLike,
    *,
    title: str | None = None,
) -> Figure:
    """Images and what augmentation made of them, the outline of the mask drawn on each.

    Args:
        images: `[B, H, W]`, any range.
        labels: Class labels `[B, H, W]`.
        augmented_images: `[N, B, h, w]`, the N augmentations of each image.
        augmented_labels: Class labels `[N, B, h, w]`.
        title: A line above it all.

    Raises:
        ValueError: If the shapes do not fit.
    """
    images, results = np.asarray(images), np.asarray(augmented_images)
    masks = as_masks("labels", np.asarray(labels)[None], images.shape)[0]
    outcomes = as_masks("augmented_labels", augmented_labels, results.shape[1:])
    if results.shape[:2] != (len(outcomes), len(images)):
        raise ValueError(f"augmented_images {results.shape}; allowed is {outcomes.shape}")
    titles = ["original"] + [f"augmented {n + 1}" for n in range(len(results))]
    figure, axes = image_axes(len(images), titles, images.shape, title)
    for b, row in enumerate(axes):
        limits = Normalize(images[b].min(), images[b].max())
        outlined(row[0], images[b], masks[b], limits)
        for axis, image, mask in zip(row[1:], results[:, b], outcomes[:, b], strict=True):
            outlined(axis, image, mask, limits)
    return figure
