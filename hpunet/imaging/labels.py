"""Reads masks as integers: the value or colour of each pixel, before it is mapped to a class."""

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

ALLOWED = "PNG, TIFF, BMP, GIF, npy, npz and NIfTI (.nii, .nii.gz)"
# Factors of red, green and blue in the integer of a pixel.
COLOUR = np.array([1 << 16, 1 << 8, 1], np.int32)
# Masks become int32.
MOST = np.iinfo(np.int32).max


def open_masks(path: Path, mode: ReadMode = MASK) -> Volume:
    """Opens the masks of a file with the reader that also reads images of its format.

    Args:
        path: PNG, TIFF (one or several pages), BMP, GIF, NIfTI, or npy or npz with an array
            `[H, W]` or `[N, H, W]`, which in an npz is the only array or named `mask`.
        mode: Whether masks are read as values or as colours.

    Raises:
        UserError: If the file is unreadable or of another format, or if `mode` asks for colours
            and the format has none.
    """
    suffix = suffix_of(path)
    if suffix not in MASK_SUFFIXES:
        why = " (JPEG alters values)" if suffix in LOSSY_SUFFIXES else ""
        raise UserError(f"{path}: not a format for masks{why}; allowed are {ALLOWED}")
    if mode.colours and suffix not in RASTER_SUFFIXES:
        raise UserError(f"{path}: has no colours, but classes are given as colours")
    return open_file(path, mode)


def labels_of(masks: Volume) -> Integer[np.ndarray, "N H W"]:
    """Reads masks as integers, slice by slice.

    Args:
        masks: The masks from `open_masks`. Colours become `0xRRGGBB`. Otherwise the integers are
            the stored values, for a palette the indices.

    Raises:
        UserError: If the masks are unreadable, differ in size, hold fractions, or hold colours but
            are read as values.
    """
    place = masks.place
    planes = [_numbers(place, picture) for picture in masks.pictures]
    if len({plane.shape for plane in planes}) > 1:
        raise UserError(f"{place}: its pages differ in size; all must have the same")
    return np.stack(planes)


def _numbers(path: Path, picture: Picture) -> Integer[np.ndarray, "H W"]:
    values = picture.values
    if picture.quantity == "colours":
        return values.astype(np.int32) @ COLOUR
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            number = len(np.unique(values.reshape(-1, values.shape[-1]), axis=0))
            raise UserError(
                f"{path}: has {number} colours, but classes are integers; allowed are "
                "gray masks, or classes given as colours"
            )
        values = values[..., 0]
    return _whole(path, values)


def _whole(path: Path, values: Shaped[np.ndarray, "H W"]) -> Integer[np.ndarray, "H W"]:
    """Converts whole numbers of any type to integers."""
    if values.dtype.kind not in "biuf":
        raise UserError(f"{path}: holds {values.dtype} values; allowed are whole numbers")
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    low, high = values.min(), values.max()
    if not (low >= -MOST and high <= MOST):
        raise UserError(
            f"{path}: holds {low:g} to {high:g}; allowed are whole numbers, one per class"
        )
    if values.dtype.kind != "f":
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if (values != np.rint(values)).any():
        raise UserError(f"{path}: holds fractions; allowed are whole numbers, one per class")
    return values.astype(np.int32)
