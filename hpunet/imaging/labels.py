"""Masks as numbers: what stands at each pixel of a file, before anyone knows what it means."""

from pathlib import Path

import numpy as np
from jaxtyping import Integer
from PIL import Image

from hpunet.imaging.naming import suffix_of
from hpunet.imaging.nifti import open_nifti
from hpunet.imaging.npz import read_array
from hpunet.imaging.raster import load, open_image
from hpunet.imaging.reading import check_size, reading
from hpunet.io.errors import UserError

OF_RASTERS = (".png", ".tif", ".tiff")
OF_ARRAYS = (".npy", ".npz")
OF_VOLUMES = (".nii", ".nii.gz")
SUFFIXES = (*OF_RASTERS, *OF_ARRAYS, *OF_VOLUMES)
ALLOWED = "PNG, TIFF, npy, npz and NIfTI (.nii, .nii.gz)"
MASK = "mask"
PALETTE = "P"
# Pillow stretches the gray levels of few bits to 255. Bit depth and colour type stand in the header
# of a PNG (specification, section 11.2.1).
DEPTH_AND_KIND = slice(24, 26)
STRETCH = {b"\x02\x00": 85, b"\x04\x00": 17}
# What a pixel's number is made of: red, green, blue.
COLOUR = np.array([1 << 16, 1 << 8, 1], np.int32)
# Number of a class.
LARGEST = 2**31 - 1


def read_labels(path: Path, colours: bool) -> Integer[np.ndarray, "N H W"]:
    """The numbers in a file of masks, plane by plane as `open_*` shows its pictures.

    Args:
        path: PNG, TIFF (of many pages), npy or npz (`[H, W]` or `[N, H, W]`, in an npz alone or
            called `mask`) or NIfTI.
        colours: Whether colours are wanted: a pixel's number is then `0xRRGGBB`, and otherwise what
            stands in the file, of palettes the index.

    Raises:
        UserError: If the file is of another format, unreadable, holds fractions, or colours where
            none are wanted or none where they are.
    """
    suffix = suffix_of(path)
    if suffix not in SUFFIXES:
        why = " (JPEG alters values)" if suffix in (".jpg", ".jpeg") else ""
        raise UserError(f"{path}: is no file for masks{why}; allowed are {ALLOWED}")
    if suffix in OF_RASTERS:
        return _read_raster(path, colours)
    if colours:
        raise UserError(f"{path}: has no colours, but classes are given as colours")
    if suffix in OF_ARRAYS:
        return _whole(path, _read_array(path))
    volume = open_nifti(path, (path.name,))
    planes = (volume.read(number).values[..., 0] for number in range(volume.size))
    return np.stack([_whole(path, plane) for plane in planes])


def _read_raster(path: Path, colours: bool) -> np.ndarray:
    planes = []
    with open_image(path) as image:
        stretch = 1
        if image.format == "PNG":
            stretch = STRETCH.get(path.read_bytes()[DEPTH_AND_KIND], 1)
        for page in range(getattr(image, "n_frames", 1)):
            image.seek(page)
            check_size(image.height, image.width, path)
            load(image)
            planes.append(_colours(image) if colours else _numbers(path, image) // stretch)
    if len({plane.shape for plane in planes}) > 1:
        raise UserError(f"{path}: its pages differ in size; allowed is one size")
    return np.stack(planes)


def _colours(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(np.int32) @ COLOUR


def _numbers(path: Path, image: Image.Image) -> np.ndarray:
    if image.mode == PALETTE or len(image.getbands()) == 1:
        return _whole(path, np.asarray(image))
    pixels = np.asarray(image.convert("RGB"))
    if (pixels != pixels[..., :1]).any():
        number = len(np.unique(pixels.reshape(-1, 3), axis=0))
        raise UserError(
            f"{path}: is in colour ({number} of them), but classes are integers; allowed are gray "
            "masks, or classes given as colours"
        )
    return pixels[..., 0]


def _read_array(path: Path) -> np.ndarray:
    if suffix_of(path) == ".npz":
        array = read_array(path, MASK)
    else:
        with reading(path, "npy file"):
            array = np.lib.format.open_memmap(path, mode="r")
    if array.ndim not in (2, 3) or not array.size:
        raise UserError(f"{path}: has shape {list(array.shape)}; allowed are [H, W] and [N, H, W]")
    return array if array.ndim == 3 else array[None]


def _whole(path: Path, values: np.ndarray) -> np.ndarray:
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
