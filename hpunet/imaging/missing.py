"""Values for NaN in images, such as outside of a scanner's field of view."""

import contextlib
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from hpunet.imaging.volume import Picture, Slices, Volume
from hpunet.io.errors import UserError

LEAST = "min"


class Filled(NamedTuple):
    """An image without NaN.

    Attributes:
        values: The values `[H, W, C]`.
        empty: Pixels with NaN in any channel, or None if there are none.
    """

    values: Float[np.ndarray, "H W C"]
    empty: Bool[np.ndarray, "H W"] | None


def fill(
    picture: Picture,
    nan: float | str | None,
    least: Callable[[], Float[np.ndarray, " C"]],
    remedy: str,
) -> Filled:
    """Replaces NaN in an image.

    Args:
        picture: The image.
        nan: The replacement: a number, or `LEAST` for the least value of each channel; None
            refuses NaN.
        least: Returns the least value of each channel of the volume.
        remedy: What the user can do if NaN is refused, for the message.

    Raises:
        UserError: If NaN is refused, or if the least value is asked for and a channel has none. It
            names no file.
    """
    values = np.asarray(picture.values)
    places = np.isnan(values)
    if not places.any():
        return Filled(values, None)
    if nan is None:
        count = int(places.sum())
        raise UserError(f"{count} value{'s are' if count > 1 else ' is'} NaN; {remedy}")
    filling = least() if nan == LEAST else np.full(values.shape[-1], nan, np.float32)
    if np.isnan(filling).any():
        raise UserError("a channel holds NaN only; allowed are images with values")
    return Filled(np.where(places, filling, values).astype(np.float32), places.any(axis=-1))


def least_values(volume: Volume) -> Float[np.ndarray, " C"]:
    """The least value of each channel over the whole volume; NaN if there is none.

    Slices that cannot be read do not count.
    """
    planes = []
    whole = volume.pictures.whole
    for number in range(len(whole)):
        with contextlib.suppress(UserError):
            planes.append(np.fmin.reduce(whole[number].values, axis=(0, 1)))
    return np.fmin.reduce(np.stack(planes), axis=0)


def fill_volume(volume: Volume, nan: float | str | None, remedy: str) -> Volume:
    """The volume with NaN replaced as each slice is read; see `fill`."""
    least = functools.cache(functools.partial(least_values, volume))

    def read(index: int) -> Picture:
        picture = volume.pictures[index]
        try:
            values = fill(picture, nan, least, remedy).values
            return picture._replace(values=values, filled=int(np.isnan(picture.values).sum()))
        except UserError as error:
            raise UserError(f"{volume.shown_slice(index)}: {error}") from None

    return volume._replace(pictures=Slices(read, range(len(volume.pictures))))
