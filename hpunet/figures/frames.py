"""Pictures side by side: frames for them, and what is drawn in a frame."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hpunet.figures.style import CONTOUR, FONT, GAP, RESOLUTION, STD, STD_COLOURS, WIDTH


def as_masks(name: str, labels: ArrayLike, images: tuple[int, ...]) -> NDArray:
    """Labels `[N, B, H, W]` as an array that fits images `[B, H, W]`."""
    array = np.asarray(labels)
    if len(images) != 3 or array.ndim != 4 or array.shape[1:] != images or not array.size:
        raise ValueError(
            f"{name} {array.shape} and images {images}; they must be [N, B, H, W] and [B, H, W]"
        )
    return array


def image_axes(
    rows: int, titles: list[str], size: tuple[int, ...], title: str | None, *, right: float = 0.0
) -> tuple[Figure, NDArray]:
    """A figure of frames `[rows, columns]` for pictures, `right` inches left free beside them."""
    columns = len(titles)
    width = (WIDTH - right - GAP * (columns - 1)) / columns
    tall = width * size[-2] / size[-1]
    top = 0.15 * (1 + max(text.count("\n") for text in titles)) + (0.22 if title else 0.05)
    height = rows * (tall + GAP) - GAP + top
    figure = Figure(figsize=(WIDTH, height), dpi=RESOLUTION)
    edges = {"left": 0.0, "right": 1 - right / WIDTH, "bottom": 0.0, "top": 1 - top / height}
    gaps = {"wspace": GAP / width, "hspace": GAP / tall}
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=edges | gaps)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, text in zip(axes[0], titles, strict=True):
        axis.set_title(text, fontsize=FONT, pad=3)
    if title:
        figure.suptitle(title, fontsize=FONT + 2, y=1 - 0.04 / height, va="top")
    return figure, axes


def std_bar(figure: Figure, beside: Axes) -> None:
    """A colour bar of the standard deviations at the right of a frame."""
    frame = beside.get_position()
    # A little shorter than the frame, so that the outermost numbers stay beside it.
    low, tall = frame.y0 + 0.06 * frame.height, 0.88 * frame.height
    place = (frame.x1 + 0.05 / WIDTH, low, 0.09 / WIDTH, tall)
    bar = figure.colorbar(
        ScalarMappable(STD, STD_COLOURS), cax=figure.add_axes(place), ticks=[0, 0.25, 0.5]
    )
    bar.ax.tick_params(labelsize=FONT - 1, length=2, pad=2)


def outlined(axis: Axes, image: NDArray, mask: NDArray, limits: Normalize) -> None:
    """A picture with the outline of the mask's foreground."""
    axis.imshow(image, cmap="gray", norm=limits)
    # matplotlib warns of a contour that a mask of one value cannot have.
    if (mask > 0).any() and not (mask > 0).all():
        axis.contour(mask > 0, levels=[0.5], colors=CONTOUR, linewidths=1.0)
