"""The part of an image that is worth showing: lesions are small, images are not."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Window: TypeAlias = int | Literal["auto"] | None
Part: TypeAlias = tuple[slice, slice]

# Pixels: never closer than this, sides in multiples, least room between masks and border.
_LEAST = 48
_MULTIPLE = 8
_MARGIN = 5


def find_windows(masks: NDArray, window: Window) -> list[Part]:
    """The rows and columns of each image that are shown, of one shape's proportions for all.

    Args:
        masks: Class labels `[N, B, H, W]`; what is above 0 is to be seen.
        window: None for the whole image; a number of pixels for a square of that side about the
            middle of the masks; "auto" for a square that holds every mask with a margin, of at
            least 48 pixels, or the whole image if there is no such square or no mask.

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
    found = [_window(marked, window) for marked in np.asarray((masks > 0).any(axis=0))]
    squares = [part for part in found if part]
    # All panels of a figure have one shape.
    return squares if len(squares) == len(found) else [whole] * len(found)


def _window(marked: NDArray, window: int | Literal["auto"]) -> Part | None:
    """The square around what is marked `[H, W]`, or None if only the whole image will do."""
    spans = [_span(np.asarray(marked.any(axis=1 - axis))) for axis in (0, 1)]
    extent, shorter = max(stop - start for start, stop in spans), min(marked.shape)
    if window == "auto" and extent > shorter:
        return None
    roomy = max(_LEAST, -(-(extent + 2 * _MARGIN) // _MULTIPLE) * _MULTIPLE)
    side = min(roomy, shorter) if window == "auto" else window
    # About the middle of the spans, but inside the image.
    rows, columns = (
        slice(first, first + side)
        for (start, stop), length in zip(spans, marked.shape, strict=True)
        for first in [min(max((start + stop - side) // 2, 0), length - side)]
    )
    return rows, columns


def _span(marked: NDArray) -> tuple[int, int]:
    """From the first place that is marked to behind the last; all places if none is."""
    places = np.flatnonzero(marked)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, len(marked))
