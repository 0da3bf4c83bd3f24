"""Pictures side by side: frames for them, and what is drawn in a frame."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hpunet.figures.lettering import writable
from hpunet.figures.style import CONTOUR, FONT, GAP, RESOLUTION, WIDTH


def as_masks(name: str, labels: ArrayLike, images: tuple[int, ...]) -> NDArray:
    """Labels `[N, B, H, W]` as an array that fits images `[B, H, W]`."""
    array = np.asarray(labels)
    if len(images) != 3 or array.ndim != 4 or array.shape[1:] != images or not array.size:
        raise ValueError(
            f"{name} {array.shape} and images {images}; they must be [N, B, H, W] and [B, H, W]"
        )
    return array


def image_axes(
    rows: int, titles: list[str], size: tuple[int, ...], title: str | None
) -> tuple[Figure, NDArray]:
    """A figure of frames `[rows, columns]` for pictures."""
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
        figure.suptitle(writable(title), fontsize=FONT + 2, y=place, va="top", parse_math=False)
    return figure, axes


def outlined(axis: Axes, image: NDArray, mask: NDArray, limits: Normalize) -> None:
    """A picture with the outline of the mask's foreground."""
    axis.imshow(image, cmap="gray", norm=limits)
    # matplotlib warns of a contour that a mask of one value cannot have.
    if (mask > 0).any() and not (mask > 0).all():
        axis.contour(mask > 0, levels=[0.5], colors=CONTOUR, linewidths=1.0)
