"""Pictures in PNG, TIFF and JPEG files."""

import functools
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

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

# MPO: what cameras write that add a preview to a JPEG.
FORMATS = ("PNG", "TIFF", "JPEG", "MPO")
WHAT = "PNG, TIFF or JPEG"
GRAY = {"1", "L", "I", "F", "I;16", "I;16L", "I;16B"}
COLOUR = {"RGB", "RGBA", "LA", "P", "PA"}
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
STDERR = 2


def open_raster(path: Path, names: tuple[str, ...]) -> Volume:
    """The picture of a file, or the pages of a TIFF as a volume.

    Colours whose channels agree are gray; alpha that is opaque everywhere is left out; the
    orientation that EXIF gives is applied. Pillow reads 16-bit colours with 8 bits. All pages
    share one window, the `default_window` of the whole file. A resolution in the file is that of
    paper: the spacing stays unknown.

    Args:
        path: The file; its contents count, not its suffix.
        names: For its results.

    Raises:
        UserError: If it is unreadable, too large, no gray or RGB picture, or its pages differ.
    """
    with open_image(path) as image:
        count = getattr(image, "n_frames", 1) if image.format in ("TIFF", "PNG") else 1
        if image.format == "PNG" and count > 1:
            raise UserError(f"{path}: is an animation of {count} pictures; allowed is one")
        for page in range(count):
            _check_page(image, page, path)

    @functools.cache
    def window(dtype: np.dtype) -> tuple[float, float] | None:
        return default_window(dtype, lambda: (_read_page(path, page) for page in range(count)))

    def read(page: int) -> Picture:
        values = _read_page(path, page)
        place = name_slice(path, page, count)
        quantity = QUANTITIES.get(values.dtype, "intensity")
        return as_picture(values, place, window(values.dtype), quantity)

    return Volume(path, "picture", names, count, read)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Pillow's image of a file; what goes wrong while it is used ends in one line."""
    with reading(path, WHAT), path.open("rb") as file:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Not by its name: Pillow maps some TIFF files then and mixes up the pixels of those that
        # are to be turned.
        with Image.open(file, formats=FORMATS) as image:
            yield image


def _check_page(image: Image.Image, page: int, path: Path) -> None:
    size = image.size
    image.seek(page)
    check_size(image.height, image.width, path)
    if image.size != size:
        raise UserError(
            f"{path}: page {page} has {image.height} x {image.width} pixels and page {page - 1} "
            f"{size[1]} x {size[0]}; allowed are pages of one size"
        )
    if image.mode not in GRAY | COLOUR:
        raise UserError(f"{path}: has colours of kind {image.mode}; allowed are gray and RGB")


def _read_page(path: Path, page: int) -> np.ndarray:
    """Stored values, gray or RGB, of their own type `[H, W]` or `[H, W, 3]`."""
    with open_image(path) as image:
        image.seek(page)
        load(image)
        # Pillow inverts what is stored with white as zero only up to 8 bits.
        upside_down = (
            image.mode.startswith("I;16")
            and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
        )
        upright = ImageOps.exif_transpose(image)
        if upright.mode in COLOUR or upright.has_transparency_data:
            return _gray_if_equal(_opaque(upright, path))
        values = np.asarray(upright.convert("L") if upright.mode == "1" else upright)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        return np.iinfo(values.dtype).max - values if upside_down else values


def has_deep_colours(path: Path) -> bool:
    """Whether a file has several channels of more than 8 bits, of which Pillow keeps 8."""
    with open_image(path) as image:
        if image.format == "PNG":
            depth, kind = path.read_bytes()[24:26]
            return depth == 16 and bool(kind & 2)
        bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
        return len(bits) > 1 and max(bits) > 8


def load(image: Image.Image) -> None:
    """Decodes the pixels of an image's page, without a word on stderr."""
    with _mute_libtiff() if image.format == "TIFF" else nullcontext():
        image.load()


@contextmanager
def _mute_libtiff() -> Iterator[None]:
    """Keeps what libtiff, past Python, writes of broken files from stderr; Pillow says it too."""
    stderr = _copy_of_stderr()
    if stderr is None:
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), STDERR)
    try:
        yield
    finally:
        os.dup2(stderr, STDERR)
        os.close(stderr)


def _copy_of_stderr() -> int | None:
    # Of a process that began without stderr, its number may have gone to the picture's own file.
    if sys.__stderr__ is None or sys.stderr is None:
        return None
    try:
        sys.stderr.flush()
        return os.dup(STDERR)
    except (OSError, ValueError):
        return None


def _opaque(image: Image.Image, path: Path) -> np.ndarray:
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    if image.mode.startswith("I"):
        # One of its gray values stands for transparent; Pillow cannot make an alpha of it.
        return np.asarray(image)
    pixels = np.asarray(image.convert("RGBA"))
    see_through = int((pixels[..., 3] < np.iinfo(pixels.dtype).max).sum())
    if see_through:
        raise UserError(f"{path}: {see_through} pixels are transparent; allowed are opaque ones")
    return pixels[..., :3]


def _gray_if_equal(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    return pixels
