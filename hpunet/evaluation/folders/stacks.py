"""Reads the masks of an image from files of any format."""

import functools
import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from hpunet.evaluation.folders.masks import (
    Labels,
    Masks,
    check_sizes,
    join_masks,
    most_likely,
    to_masks,
)
from hpunet.imaging.arrays import read_array
from hpunet.imaging.formats import suffix_of
from hpunet.imaging.labels import labels_of, open_masks
from hpunet.imaging.png import ONE_CHANNEL, kind_of, load_png
from hpunet.imaging.reading import reading
from hpunet.imaging.segmentation import read_segments
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError

# Damage anywhere in a file means that it is not the file that a tool wrote.
STRICT = ReadMode(mask=True, strict=True)
# Bytes of a PNG that hold its kind.
HEAD = 32
# All samples of an image or volume, as `hpunet.sample` writes them.
SAMPLES = "samples.npy"


class FileStack(NamedTuple):
    """Masks in files of one mask each.

    Attributes:
        paths: The files, in the order of their masks.
        numbers: The numbers of the files; None without numbers.
    """

    paths: tuple[pathlib.Path, ...]
    numbers: tuple[int, ...] | None

    @property
    def num_masks(self) -> int:
        """Number of masks."""
        return len(self.paths)

    def read(self, labels: Labels) -> Masks:
        """Reads the masks in order.

        Raises:
            UserError: If a file cannot be read or is damaged, if files differ in size, or if a
                value is not a class.
        """
        return join_masks([_read_file(path, labels) for path in self.paths])


class ArrayStack(NamedTuple):
    """Masks in an array of an npz.

    Attributes:
        path: The file.
        key: Name of the array.
        num_masks: Number of masks.
    """

    path: pathlib.Path
    key: str
    num_masks: int

    @property
    def numbers(self) -> None:
        """The masks of an array have no numbers of their own."""

    def read(self, labels: Labels) -> Masks:
        """Reads the masks in order; see `FileStack.read`."""
        source = f"{self.path}: {self.key}"
        array = read_array(self.path, self.key)
        if array.dtype.kind == "f":
            array = most_likely(source, array, self.key == "probabilities")
        return to_masks(source, array, labels)


class VolumeStack(NamedTuple):
    """Masks of one slice, in files of volumes or in one file of all masks.

    Attributes:
        paths: A file for each mask, or one file.
        numbers: The numbers of the files; None without numbers.
        num_masks: Number of masks.
        slice_index: Index of the slice.
        plane: The plane in which NIfTI volumes are cut.
    """

    paths: tuple[pathlib.Path, ...]
    numbers: tuple[int, ...] | None
    num_masks: int
    slice_index: int
    plane: str = "auto"

    def read(self, labels: Labels) -> Masks:
        """Reads the masks in order; see `FileStack.read`."""
        volumes = read_volumes(self.paths, self.num_masks, labels.mode(self.plane))
        sources = self.paths if len(self.paths) == self.num_masks else self.paths * self.num_masks
        return join_masks(
            [
                to_masks(str(path), volume[[self.slice_index]], labels)
                for path, volume in zip(sources, volumes, strict=True)
            ]
        )


# Masks of an image before they are read.
Stack = FileStack | ArrayStack | VolumeStack


def read_volumes(
    paths: tuple[pathlib.Path, ...], count: int, mode: ReadMode
) -> list[Shaped[np.ndarray, "N H W"]]:
    """Reads masks of all slices of a volume, as the values in the files.

    Args:
        paths: A file for each mask; or one file for all, whose planes are the masks of one image,
            or samples that `hpunet.sample` wrote.
        count: Number of masks.
        mode: How files are read.

    Raises:
        UserError: If a file cannot be read, or if files differ in size or number of slices.
    """
    try:
        changed = tuple(path.stat().st_mtime_ns for path in paths)
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return _read_volumes(paths, count, mode, changed)


# Predictions, reconstructions and annotations of one volume, whose slices are read one by one.
@functools.lru_cache(maxsize=3)
def _read_volumes(
    paths: tuple[pathlib.Path, ...], count: int, mode: ReadMode, changed: tuple[int, ...]
) -> list[Shaped[np.ndarray, "N H W"]]:
    """`read_volumes`; `changed` distinguishes versions of the files."""
    if paths[0].name == SAMPLES:
        return list(read_samples(paths[0]))
    if suffix_of(paths[0]) == ".dcm":
        return list(read_segments(paths[0]))
    if len(paths) == count:
        volumes = [labels_of(open_masks(path, mode)) for path in paths]
        check_sizes({str(path): v.shape for path, v in zip(paths, volumes, strict=True)})
        for path, volume in zip(paths, volumes, strict=True):
            if len(volume) != len(volumes[0]):
                raise UserError(
                    f"{path}: has {len(volume)} slices, but {paths[0]} has {len(volumes[0])}; "
                    "allowed is one number"
                )
        return volumes
    return list(labels_of(open_masks(paths[0], mode))[:, None])


def read_samples(path: pathlib.Path) -> Shaped[np.ndarray, "S N H W"]:
    """Maps `samples.npy`, with an axis of slices also for a single image.

    Raises:
        UserError: If it cannot be read, or does not hold integers `[S, H, W]` or `[S, N, H, W]`.
    """
    with reading(path, "npy file"):
        array = np.lib.format.open_memmap(path, mode="r")
    if array.dtype.kind not in "iub" or array.ndim not in (3, 4) or not array.size:
        raise UserError(
            f"{path}: holds {array.dtype} values of shape {array.shape}; allowed are integers "
            "[S, H, W] or [S, N, H, W]"
        )
    return array if array.ndim == 4 else array[:, None]


def _read_file(path: pathlib.Path, labels: Labels) -> Masks:
    """Reads a file of one mask; a PNG is read only if no part of it is damaged."""
    mode = labels.mode()
    if suffix_of(path) == ".png":
        if mode.colours or not _has_one_channel(path):
            _check_png(path)
        else:
            mode = STRICT
    numbers = labels_of(open_masks(path, mode))
    if len(numbers) > 1:
        raise UserError(f"{path}: has {len(numbers)} slices, but other masks of its image have 1")
    return to_masks(str(path), numbers, labels)


def _has_one_channel(path: pathlib.Path) -> bool:
    """Whether strict reading can tell what a file is; it also names one that is no PNG."""
    try:
        with path.open("rb") as file:
            kind = kind_of(file.read(HEAD))
    except OSError:
        return True
    return not kind or kind in ONE_CHANNEL


def _check_png(path: pathlib.Path) -> None:
    try:
        load_png(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
