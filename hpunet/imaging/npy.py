"""Arrays saved by NumPy."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hpunet.imaging.reading import (
    QUANTITIES,
    as_picture,
    check_size,
    default_window,
    name_slice,
    reading,
)
from hpunet.imaging.scan import Picture
from hpunet.imaging.selection import Volume
from hpunet.io.errors import UserError

MOST_CHANNELS = 4


def open_npy(path: Path, names: tuple[str, ...]) -> Volume:
    """The picture or volume of a `.npy` file, which is mapped, not loaded.

    Three axes are a picture `[H, W, C]` if the last has 1 to 4 entries, else a volume `[N, H, W]`.
    All slices share one window, the `default_window` of the whole file.

    Args:
        path: The file; a pickle in it is refused.
        names: For its results.

    Raises:
        UserError: If it is unreadable, or holds no picture of real numbers.
    """
    # Mapped anew at every look: a folder may hold more files than may be open at once.
    return volume_of(functools.partial(_map, path), path, names)


def volume_of(get: Callable[[], np.ndarray], path: Path, names: tuple[str, ...]) -> Volume:
    """The picture or volume in an array.

    Args:
        get: Gives the array, `[H, W]`, `[H, W, C]` or `[N, H, W]`, the same whenever it is called.
        path: Its file, for messages.
        names: For its results.

    Raises:
        UserError: If it is no picture of real numbers.
    """
    array = get()
    if array.dtype.kind not in "uif":
        raise UserError(f"{path}: holds {array.dtype} values; allowed are integers and real floats")
    is_picture = array.ndim == 2 or (array.ndim == 3 and 1 <= array.shape[2] <= MOST_CHANNELS)
    if array.ndim not in (2, 3):
        raise UserError(
            f"{path}: has shape {list(array.shape)}; allowed are [H, W], [H, W, C] with at most "
            f"{MOST_CHANNELS} channels, and [N, H, W]"
        )
    planes = array[None] if is_picture else array
    if not len(planes):
        raise UserError(f"{path}: has shape {list(array.shape)}, which holds no picture")
    check_size(planes.shape[1], planes.shape[2], path)
    dtype = array.dtype.newbyteorder("=")
    shape = planes.shape
    window = functools.cache(lambda: default_window(dtype, lambda: get().reshape(shape)))

    def read(number: int) -> Picture:
        values = get().reshape(shape)[number]
        place = name_slice(path, number, shape[0])
        return as_picture(values, place, window(), QUANTITIES.get(dtype, "intensity"))

    return Volume(path, "picture", names, shape[0], read)


def _map(path: Path) -> np.ndarray:
    with reading(path, "npy file"):
        # Unlike `np.load` it takes nothing else for an array, and never unpickles.
        return np.lib.format.open_memmap(path, mode="r")
