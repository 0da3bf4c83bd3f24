"""Makes images and masks of the planes that PNG, TIFF and similar files store.

The readers of these formats give the values as they are stored. Here indices become colours,
opaque alpha is left out, and equal channels become one.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from hpunet.imaging.reading import QUANTITIES, as_picture, default_window, name_slice
from hpunet.imaging.volume import Picture, ReadMode, Volume, whole_volume
from hpunet.io.errors import UserError

MOST_CHANNELS = 4
# The tag of TIFF and EXIF that says how a picture is turned.
ORIENTATION = 274


class StoredPlane(NamedTuple):
    """The values of a plane as its file holds them.

    Attributes:
        values: Gray levels, colours or indices of a palette, channels last `[H, W, C]`. Values of
            one bit are bool.
        alpha: Whether the last channel is opacity.
        palette: Red, green, blue and, in a fourth column, opacity of each index, or None.
        bits: Number of bits of a value; it may be less than its type has.
    """

    values: Shaped[np.ndarray, "H W C"]
    alpha: bool = False
    palette: Shaped[np.ndarray, "N C"] | None = None
    bits: int = 8

    @property
    def white(self) -> int | None:
        """The value of white where it is not that of the type, as with 4 bits; else None."""
        odd = self.palette is None and self.values.dtype.kind in "bu" and self.bits % 8 != 0
        return 2**self.bits - 1 if odd else None


def open_planes(
    path: Path,
    mode: ReadMode,
    count: int,
    read: Callable[[int], StoredPlane],
    notes: Sequence[str] = (),
) -> Volume:
    """The volume of a file's planes.

    All images share one window, the `default_window` of the whole file. A resolution in such a file
    is that of paper: the spacing stays unknown.

    Args:
        path: The file.
        mode: What it is read as.
        count: Number of planes.
        read: Reads the plane of a number from 0.
        notes: What the user should know of the file.

    Raises:
        UserError: When a plane is read that is no gray or colour image, or no mask.
    """

    def read_mask(number: int) -> Picture:
        place = name_slice(path, number, count)
        plane = read(number)
        if mode.colours:
            return Picture(_as_colours(plane, place), None, "colours")
        return Picture(_as_labels(plane, place), None, "labels")

    @cache
    def window(dtype: np.dtype, white: int | None) -> tuple[float, float] | None:
        if white is not None:
            return 0.0, float(white)
        return default_window(dtype, lambda: (read(number).values for number in range(count)))

    def read_image(number: int) -> Picture:
        place = name_slice(path, number, count)
        plane = read(number)
        values = _as_image(plane, place)
        quantity = "intensity" if plane.white else QUANTITIES.get(values.dtype, "intensity")
        shown = window(values.dtype, plane.white)
        return as_picture(values, place, shown, quantity, nan=mode.nan)

    reader = read_mask if mode.mask else read_image
    return whole_volume(path, "picture", count, reader)._replace(notes=tuple(notes))


def _as_image(plane: StoredPlane, place: str) -> Shaped[np.ndarray, "H W *C"]:
    """Gray levels or colours, without opaque alpha."""
    values, alpha = _without_alpha(plane)
    if plane.palette is not None:
        values, opacity = np.split(_looked_up(values, plane.palette, place), [3], axis=-1)
        alpha = opacity if alpha is None else np.minimum(alpha, opacity)
    if alpha is not None:
        see_through = int((alpha < _opaque(alpha.dtype)).any(-1).sum())
        if see_through:
            raise UserError(
                f"{place}: {see_through} pixels are transparent; allowed are opaque ones"
            )
    channels = values.shape[-1]
    if channels > MOST_CHANNELS:
        raise UserError(f"{place}: has {channels} channels; allowed are 1 to {MOST_CHANNELS}")
    return values[..., 0] if (values == values[..., :1]).all() else values


def _as_labels(plane: StoredPlane, place: str) -> Shaped[np.ndarray, "H W *C"]:
    """Values or indices, of one channel if all channels are equal."""
    values, alpha = _without_alpha(plane)
    if (values == values[..., :1]).all():
        values = values[..., 0]
        if alpha is not None and _depends_on_more(values, alpha[..., 0]):
            raise UserError(
                f"{place}: pixels of one value are opaque here and transparent there; allowed are "
                "masks without transparency"
            )
    return values


def _as_colours(plane: StoredPlane, place: str) -> Shaped[np.ndarray, "H W 3"]:
    """Red, green and blue with 8 bits; of gray levels, white is 255."""
    values, _ = _without_alpha(plane)
    if plane.palette is not None:
        values = _looked_up(values, plane.palette, place)[..., :3]
    elif plane.white:
        values = (values.astype(np.int64) * 255 // plane.white).astype(np.uint8)
    if values.dtype != np.uint8:
        raise UserError(
            f"{place}: holds {values.dtype} values, but classes are colours; allowed are 8 bits"
        )
    if values.shape[-1] not in (1, 3):
        raise UserError(f"{place}: has {values.shape[-1]} channels; allowed are 1 and 3")
    return np.broadcast_to(values, (*values.shape[:2], 3))


def _without_alpha(plane: StoredPlane) -> tuple[np.ndarray, np.ndarray | None]:
    if not plane.alpha:
        return plane.values, None
    return plane.values[..., :-1], plane.values[..., -1:]


def _looked_up(indices: np.ndarray, palette: np.ndarray, place: str) -> np.ndarray:
    largest = int(indices.max())
    if largest >= len(palette):
        raise UserError(f"{place}: has the index {largest}, but a palette of {len(palette)}")
    if palette.shape[-1] == 3:
        opaque = np.full((len(palette), 1), _opaque(palette.dtype), palette.dtype)
        palette = np.concatenate([palette, opaque], axis=-1)
    return palette[indices[..., 0]]


def _opaque(dtype: np.dtype) -> float:
    return 1 if dtype.kind in "bf" else np.iinfo(dtype).max


def _depends_on_more(values: np.ndarray, alpha: np.ndarray) -> bool:
    """Whether opacity differs between pixels of one value."""
    if (alpha == alpha.flat[0]).all():
        return False
    pairs = np.unique(np.stack([values.ravel(), alpha.ravel()]), axis=1)
    return pairs.shape[1] > len(np.unique(values))


def upright(values: Shaped[np.ndarray, "H W C"], orientation: int) -> Shaped[np.ndarray, "H2 W2 C"]:
    """Values turned for display by the tag Orientation of TIFF and EXIF: 1 to 8; others do nothing.

    Reference: TIFF 6.0, section 8.
    """
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values
