"""Images beside their augmentations."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hpunet.figures.masks import as_masks
from hpunet.figures.page import fitted, shortened
from hpunet.figures.style import CONTOUR, FONT, GAP, RESOLUTION, WIDTH


def augmentation_grid(
    images: ArrayLike,
    labels: ArrayLike,
    augmented_images: ArrayLike,
    augmented_labels: ArrayLike,
    *,
    title: str | None = None,
) -> Figure:
    """Grid of images and their augmentations, each with the outline of its mask.

    Args:
        images: `[B, H, W]`, any range; the range of an image is also that of its augmentations.
        labels: Class labels `[B, H, W]`.
        augmented_images: `[N, B, h, w]`, N augmentations of each image.
        augmented_labels: Class labels `[N, B, h, w]`.
        title: Title of the figure, or None.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        >>> import numpy as np
        >>> from hpunet import figures
        >>> images, labels = np.zeros((2, 8, 8)), np.ones((2, 8, 8), int)
        >>> figure = figures.augmentation_grid(images, labels, images[None], labels[None])
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['original', 'augmented 1']
    """
    images, results = np.asarray(images), np.asarray(augmented_images)
    masks = as_masks("labels", np.asarray(labels)[None], images.shape)[0]
    outcomes = as_masks("augmented_labels", augmented_labels, results.shape[1:])
    if results.shape[:2] != (len(outcomes), len(images)):
        raise ValueError(f"augmented_images {results.shape}; allowed is {outcomes.shape}")
    titles = ["original"] + [f"augmented {n + 1}" for n in range(len(results))]
    figure, axes = _image_axes(len(images), titles, images.shape, title)
    for b, row in enumerate(axes):
        limits = Normalize(images[b].min(), images[b].max())
        _draw_outlined(row[0], images[b], masks[b], limits)
        for axis, image, mask in zip(row[1:], results[:, b], outcomes[:, b], strict=True):
            _draw_outlined(axis, image, mask, limits)
    return figure


def _image_axes(
    rows: int, titles: list[str], size: tuple[int, ...], title: str | None
) -> tuple[Figure, NDArray]:
    """Figure with axes `[rows, columns]` for images with the aspect ratio of `size`."""
    columns = len(titles)
    width = (WIDTH - GAP * (columns - 1)) / columns
    tall = width * size[-2] / size[-1]
    top = 0.15 + (0.22 if title else 0.05)
    height = rows * (tall + GAP) - GAP + top
    figure = Figure(figsize=(WIDTH, height), dpi=RESOLUTION)
    edges = {"left": 0.0, "right": 1.0, "bottom": 0.0, "top": 1 - top / height}
    gaps = {"wspace": GAP / width, "hspace": GAP / tall}
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=edges | gaps)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, text in zip(axes[0], titles, strict=True):
        axis.set_title(text, fontsize=FONT, pad=3)
    if title:
        place = 1 - 0.04 / height
        text = fitted(shortened(title), WIDTH, fontsize=FONT + 2)
        figure.suptitle(text, fontsize=FONT + 2, y=place, va="top", parse_math=False)
    return figure, axes


def _draw_outlined(axis: Axes, image: NDArray, mask: NDArray, limits: Normalize) -> None:
    """Draws an image with the outline of the foreground of its mask."""
    axis.imshow(image, cmap="gray", norm=limits)
    # matplotlib warns of masks that have a single value and therefore no contour.
    if (mask > 0).any() and not (mask > 0).all():
        axis.contour(mask > 0, levels=[0.5], colors=CONTOUR, linewidths=1.0)
