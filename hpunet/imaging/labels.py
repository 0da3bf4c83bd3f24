"""Masks as numbers: the value or colour of each pixel, before it becomes a class."""

from pathlib import Path

import numpy as np
from jaxtyping import Integer, Shaped

from hpunet.imaging.formats import (
    LOSSY_SUFFIXES,
    MASK_SUFFIXES,
    RASTER_SUFFIXES,
    open_file,
    suffix_of,
)
from hpunet.imaging.volume import MASK, Picture, ReadMode, Volume
from hpunet.io.errors import UserError

ALLOWED = "PNG, TIFF, npy, npz and NIfTI (.nii, .nii.gz)"
# Factors of red, green and blue in the number of a pixel.
COLOUR = np.array([1 << 16, 1 << 8, 1], np.int32)
# The largest number of a class.
LARGEST = 2**31 - 1


def open_masks(path: Path, mode: ReadMode = MASK) -> Volume:
    """Opens the masks of a file, with the reader that its suffix has for images, too.

    Args:
        path: PNG, TIFF (of many pages), npy or npz (`[H, W]` or `[N, H, W]`, in an npz alone or
            called `mask`) or NIfTI.
        mode: How masks are read.

    Raises:
        UserError: If the file is of another format, unreadable, or of a format without colours
            where these are wanted.
    """
    suffix = suffix_of(path)
    if suffix not in MASK_SUFFIXES:
        why = " (JPEG alters values)" if suffix in LOSSY_SUFFIXES else ""
        raise UserError(f"{path}: is no file for masks{why}; allowed are {ALLOWED}")
    if mode.colours and suffix not in RASTER_SUFFIXES:
        raise UserError(f"{path}: has no colours, but classes are given as colours")
    return open_file(path, mode)


def labels_of(masks: Volume) -> Integer[np.ndarray, "N H W"]:
    """The numbers of pixels, slice by slice.

    Args:
        masks: The masks from `open_masks`. If they are read as colours, the number of a pixel is
            `0xRRGGBB`; otherwise it is the stored value, of palettes the index.

    Raises:
        UserError: If they are unreadable or differ in size, or hold fractions, or colours where
            these are not wanted.
    """
    place = masks.place
    planes = [_numbers(place, picture) for picture in masks.pictures]
    if len({plane.shape for plane in planes}) > 1:
        raise UserError(f"{place}: its pages differ in size; allowed is one size")
    return np.stack(planes)


def _numbers(path: Path, picture: Picture) -> Integer[np.ndarray, "H W"]:
    values = picture.values
    if picture.quantity == "colours":
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
