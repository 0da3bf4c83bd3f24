"""Arrays in npz files."""

import functools
from pathlib import Path

import numpy as np

from hpunet.imaging.npy import volume_of
from hpunet.imaging.reading import reading
from hpunet.imaging.selection import Volume
from hpunet.io.errors import UserError

IMAGE = "image"


def open_npz(path: Path, names: tuple[str, ...]) -> Volume:
    """The picture or volume of an npz file that holds it alone or under the name `image`.

    Args:
        path: The file; a pickle in it is refused.
        names: For its results.

    Raises:
        UserError: If it is unreadable, or holds no picture of real numbers.
    """
    # One: the slices of a volume are read one after the other.
    read = functools.lru_cache(maxsize=1)(functools.partial(read_array, path, IMAGE))
    return volume_of(read, path, names)


def read_array(path: Path, name: str) -> np.ndarray:
    """The only array of an npz file, or of several the one of that name.

    Raises:
        UserError: If it is unreadable, or it is not clear which array is meant.
    """
    with (
        reading(path, "npz file"),
        # Opened here: NumPy leaves files open that turn out to be broken.
        path.open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        keys = archive.files
        if len(keys) != 1 and name not in keys:
            listed = ", ".join(keys) or "nothing"
            raise UserError(f"{path}: holds {listed}; allowed is one array, or one called {name}")
        return archive[name if name in keys else keys[0]]
