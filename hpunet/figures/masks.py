"""Validates the masks of a figure and finds the window of an image that contains them."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Window: TypeAlias = int | Literal["auto"] | None
Part: TypeAlias = tuple[slice, slice]

# Pixels: smallest window, multiple of its sides, smallest margin between masks and border.
_LEAST = 48
_MULTIPLE = 8
_MARGIN = 5


def as_masks(name: str, labels: ArrayLike, images: tuple[int, ...]) -> NDArray:
    """Converts labels to an array `[N, B, H, W]` that matches images `[B, H, W]`.

    Raises:
        ValueError: If the shapes do not match or the array is empty; the message contains `name`.
    """
    array = np.asarray(labels)
    if len(images) != 3 or array.ndim != 4 or array.shape[1:] != images or not array.size:
        raise ValueError(
            f"{name} {array.shape} and images {images}; they must be [N, B, H, W] and [B, H, W]"
        )
    return array


def checked_sets(
    images: ArrayLike | None, sets: dict[str, ArrayLike]
) -> tuple[NDArray | None, dict[str, NDArray]]:
    """Converts images `[B, H, W]` and sets of masks `[N, B, H, W]` to arrays.

    Args:
        images: Images, or None.
        sets: Class labels by the name that error messages use.

    Raises:
        ValueError: If shapes do not match or labels are neither integers nor booleans.
    """
    pictures = None if images is None else np.asarray(images)
    shape = np.shape(next(iter(sets.values())))[1:] if pictures is None else pictures.shape
    masks = {name: as_masks(name, labels, shape) for name, labels in sets.items()}
    for name, labels in masks.items():
        if labels.dtype.kind not in "biu":
            raise ValueError(f"{name} of {labels.dtype}; allowed are integer and boolean labels")
    return pictures, masks


def find_windows(masks: NDArray, window: Window) -> list[Part]:
    """Rows and columns to show of each image, with the same aspect ratio for all images.

    Args:
        masks: Class labels `[N, B, H, W]`; labels above 0 are foreground.
        window: None shows the whole image. A number of pixels shows a square of that side centred
            on the masks. "auto" shows a square of at least 48 pixels that contains every mask with
            a margin, or the whole image if there is no such square or no foreground.

    Raises:
        ValueError: If a number is not between 1 and the shorter side of the image.
    """
    height, width = masks.shape[-2:]
    whole = (slice(0, height), slice(0, width))
    if window is None:
        return [whole] * masks.shape[1]
    if window != "auto" and not (
        isinstance(window, int | np.integer) and 1 <= window <= min(height, width)
    ):
        raise ValueError(
            f"window {window!r}; allowed are None, 'auto' and 1 to {min(height, width)} pixels"
        )
    windows = [_window(marked, window) for marked in np.asarray((masks > 0).any(axis=0))]
    squares = [part for part in windows if part]
    # All panels of a figure have the same shape.
    return squares if len(squares) == len(windows) else [whole] * len(windows)


def _window(marked: NDArray, window: int | Literal["auto"]) -> Part | None:
    """Square around the marked pixels `[H, W]`, or None if only the whole image contains them."""
    spans = [_span(np.asarray(marked.any(axis=1 - axis))) for axis in (0, 1)]
    extent, shorter = max(stop - start for start, stop in spans), min(marked.shape)
    if window == "auto" and extent > shorter:
        return None
    roomy = max(_LEAST, -(-(extent + 2 * _MARGIN) // _MULTIPLE) * _MULTIPLE)
    side = min(roomy, shorter) if window == "auto" else window
    # Centred on the spans, but inside the image.
    rows, columns = (
        slice(first, first + side)
        for (start, stop), length in zip(spans, marked.shape, strict=True)
        for first in [min(max((start + stop - side) // 2, 0), length - side)]
    )
    return rows, columns


def _span(marked: NDArray) -> tuple[int, int]:
    """Start and stop of the marked range; the whole range if nothing is marked."""
    indices = np.flatnonzero(marked)
    return (int(indices[0]), int(indices[-1]) + 1) if len(indices) else (0, len(marked))
