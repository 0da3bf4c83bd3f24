"""Masks as numbers: what stands at each pixel of a file, before anyone knows what it means."""

from pathlib import Path

import numpy as np
from jaxtyping import Integer, Shaped

from hpunet.imaging.formats import LOSSY_SUFFIXES, MASK_SUFFIXES, open_file, suffix_of
from hpunet.imaging.volume import MASK, ReadMode, Volume
from hpunet.io.errors import UserError

ALLOWED = "PNG, TIFF, npy, npz and NIfTI (.nii, .nii.gz)"
# What a pixel's number is made of: red, green, blue.
COLOUR = np.array([1 << 16, 1 << 8, 1], np.int32)
# Number of a class.
LARGEST = 2**31 - 1


def open_masks(path: Path, mode: ReadMode = MASK) -> Volume:
    """The masks of a file, read as images are, by its suffix.

    Args:
        path: PNG, TIFF (of many pages), npy or npz (`[H, W]` or `[N, H, W]`, in an npz alone or
            called `mask`) or NIfTI.
        mode: How masks are read.

    Raises:
        UserError: If the file is of another format, or unreadable.
    """
    suffix = suffix_of(path)
    if suffix not in MASK_SUFFIXES:
        why = " (JPEG alters values)" if suffix in LOSSY_SUFFIXES else ""
        raise UserError(f"{path}: is no file for masks{why}; allowed are {ALLOWED}")
    return open_file(path, mode)


def labels_of(masks: Volume, colours: bool = False) -> Integer[np.ndarray, "N H W"]:
    """The numbers of pixels, slice by slice.

    Args:
        masks: What `open_masks` gives.
        colours: Whether a pixel's number is its colour, `0xRRGGBB`, and not what stands in the
            file, of palettes the index. The masks must be read so, too.

    Raises:
        UserError: If they are unreadable or differ in size, hold fractions, colours where none are
            wanted, or none where they are.
    """
    place = masks.place
    planes = [_numbers(place, picture.values, colours) for picture in masks.pictures]
    if len({plane.shape for plane in planes}) > 1:
        raise UserError(f"{place}: its pages differ in size; allowed is one size")
    return np.stack(planes)


def _numbers(
    path: Path, values: Shaped[np.ndarray, "H W *C"], colours: bool
) -> Integer[np.ndarray, "H W"]:
    if colours and values.shape[2:] != (len(COLOUR),):
        raise UserError(f"{path}: has no colours, but classes are given as colours")
    if colours:
        return values.astype(np.int32) @ COLOUR
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            number = len(np.unique(values.reshape(-1, values.shape[-1]), axis=0))
            raise UserError(
                f"{path}: is in colour ({number} of them), but classes are integers; allowed are "
                "gray masks, or classes given as colours"
            )
        values = values[..., 0]
    return _whole(path, values)


def _whole(path: Path, values: Shaped[np.ndarray, "H W"]) -> Integer[np.ndarray, "H W"]:
    """Values as integers, also of floats that are whole."""
    if values.dtype.kind not in "biuf":
        raise UserError(f"{path}: holds {values.dtype} values; allowed are whole numbers")
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    low, high = values.min(), values.max()
    if not (low >= -LARGEST and high <= LARGEST):
        raise UserError(
            f"{path}: holds {low:g} to {high:g}; allowed are whole numbers, one a class"
        )
    if values.dtype.kind != "f":
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if (values != np.rint(values)).any():
        raise UserError(f"{path}: holds fractions; allowed are whole numbers, one a class")
    return values.astype(np.int32)
