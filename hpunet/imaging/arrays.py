"""Arrays saved by NumPy, in npy and npz files."""

import functools
import tokenize
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hpunet.imaging.reading import (
    DAMAGE,
    QUANTITIES,
    as_picture,
    check_size,
    default_window,
    name_slice,
    reading,
)
from hpunet.imaging.volume import IMAGE, Picture, ReadMode, Volume, whole_volume
from hpunet.io.errors import UserError

MOST_CHANNELS = 4
# Headers are parsed as Python source. zipfile raises the last two for unknown compression and for
# encryption.
ERRORS = (
    *DAMAGE,
    *(SyntaxError, tokenize.TokenError),
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError),
)


def open_npy(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """Opens the image, volume or masks of a `.npy` file as a memory map.

    Three axes of an image are `[H, W, C]` if the last has 1 to 4 entries, else a volume
    `[N, H, W]`; those of masks always are `[N, H, W]`. All slices of an image share one window, the
    `default_window` of the whole file.

    Args:
        path: The file; pickles are refused.
        mode: Whether to read an image or masks.

    Raises:
        UserError: If the file is unreadable, or does not hold an image of real numbers.
    """
    # Mapped at each access: a folder may hold more files than a process may have open.
    return _volume_of(functools.partial(_map, path), path, mode)


def open_npz(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """Opens the image, volume or masks of an npz file: its only array, or `image` or `mask`.

    Args:
        path: The file; pickles are refused.
        mode: Whether to read an image or masks; axes are those of `open_npy`.

    Raises:
        UserError: If the file is unreadable, or does not hold an image of real numbers.
    """
    name = "mask" if mode.mask else "image"
    # Only one array: the slices of a volume are read in sequence.
    read = functools.lru_cache(maxsize=1)(functools.partial(_read_only_array, path, name))
    return _volume_of(read, path, mode)


@contextmanager
def open_archive(path: Path) -> Iterator[Any]:
    """Opens an npz file as NumPy's `NpzFile`, which reads an array when it is accessed.

    Raises:
        UserError: If the file is unreadable or damaged, also within the block.
    """
    with (
        reading(path, "npz file", ERRORS),
        # Opened here, because NumPy does not close damaged files.
        path.open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        yield archive


def read_array(path: Path, key: str) -> np.ndarray:
    """Reads one array of an npz file and verifies its checksum.

    Raises:
        UserError: If the file is unreadable or damaged, or has no such array.
    """
    with open_archive(path) as archive:
        return archive[key]


def _read_only_array(path: Path, name: str) -> np.ndarray:
    """Reads the only array of an npz file, or the one of the given name."""
    with open_archive(path) as archive:
        keys = archive.files
        if len(keys) != 1 and name not in keys:
            listed = ", ".join(keys) or "nothing"
            raise UserError(f"{path}: holds {listed}; allowed is one array, or one named {name}")
        array = archive[name if name in keys else keys[0]]
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path}: holds files that are not arrays")
        return array


def _map(path: Path) -> np.ndarray:
    with reading(path, "npy file", ERRORS):
        # Unlike `np.load`, it reads only npy files and never unpickles.
        return np.lib.format.open_memmap(path, mode="r")


def _volume_of(get: Callable[[], np.ndarray], path: Path, mode: ReadMode) -> Volume:
    """The volume in the array that `get` returns; every call returns the same array."""
    array = get()
    shape = _shape_of_masks(array, path) if mode.mask else _shape_of_image(array, path)
    dtype = array.dtype.newbyteorder("=")
    window = functools.cache(lambda: default_window(dtype, lambda: get().reshape(shape)))

    def read(number: int) -> Picture:
        values = get().reshape(shape)[number]
        if mode.mask:
            return Picture(values, None, "labels")
        place = name_slice(path, number, shape[0])
        quantity = QUANTITIES.get(dtype, "intensity")
        return as_picture(values, place, window(), quantity, nan=mode.nan)

    return whole_volume(path, "picture", shape[0], read)


def _shape_of_masks(array: np.ndarray, path: Path) -> tuple[int, ...]:
    if array.ndim not in (2, 3) or not array.size:
        raise UserError(f"{path}: has shape {list(array.shape)}; allowed are [H, W] and [N, H, W]")
    return (1, *array.shape)[-3:]


def _shape_of_image(array: np.ndarray, path: Path) -> tuple[int, ...]:
    """The shape with slices as the first axis."""
    if array.dtype.kind not in "buif":
        raise UserError(f"{path}: holds {array.dtype} values; allowed are integers and real floats")
    if array.ndim not in (2, 3):
        raise UserError(
            f"{path}: has shape {list(array.shape)}; allowed are [H, W], [H, W, C] with at most "
            f"{MOST_CHANNELS} channels, and [N, H, W]"
        )
    is_picture = array.ndim == 2 or 1 <= array.shape[2] <= MOST_CHANNELS
    shape = (1, *array.shape) if is_picture else array.shape
    if not shape[0]:
        raise UserError(f"{path}: has shape {list(array.shape)}, which holds no image")
    check_size(shape[1], shape[2], path)
    return shape
