"""Images and masks in PNG, TIFF and JPEG files, read by Pillow."""

import functools
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageOps, UnidentifiedImageError

from hpunet.imaging.png import KIND, PILLOW_ERRORS, decode_png, load_png, unstretched
from hpunet.imaging.reading import (
    QUANTITIES,
    as_picture,
    check_size,
    default_window,
    name_slice,
    reading,
)
from hpunet.imaging.volume import IMAGE, Picture, ReadMode, Volume, whole_volume
from hpunet.io.errors import UserError

# Pillow opens what cameras write that add a preview to a JPEG, MPO, as JPEG.
FORMATS = ("PNG", "TIFF", "JPEG")
WHAT = "PNG, TIFF or JPEG"
GRAY = {"1", "L", "I", "F", "I;16", "I;16L", "I;16B"}
COLOUR = {"RGB", "RGBA", "LA", "P", "PA"}
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
STDERR = 2


def open_raster(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """The image of a PNG, TIFF or JPEG file, or the pages of a TIFF as a volume.

    Images: colours whose channels agree are gray; alpha that is opaque everywhere is left out; the
    orientation that EXIF gives is applied. Pillow reads 16-bit colours with 8 bits. All pages share
    one window, the `default_window` of the whole file. A resolution in the file is that of paper:
    the spacing stays unknown.

    Masks: gray levels of any depth and indices of palettes are as they stand in the file, other
    colours RGB.

    Args:
        path: The file; its contents count, not its suffix.
        mode: What it is read as. If strict, it must be a PNG of one channel.

    Raises:
        UserError: If it is unreadable, too large, no gray or RGB image, or its pages differ.
    """
    if mode.strict:
        return whole_volume(path, "picture", 1, lambda number: _read_strictly(path))
    with open_image(path) as image:
        counts = mode.mask or image.format in ("TIFF", "PNG")
        count = getattr(image, "n_frames", 1) if counts else 1
        if not mode.mask:
            _check_pages(image, count, path)
    if mode.mask:
        masks = functools.cache(functools.partial(_read_masks, path, count, mode))
        return whole_volume(path, "picture", count, lambda page: masks()[page])

    @functools.cache
    def window(dtype: np.dtype) -> tuple[float, float] | None:
        return default_window(dtype, lambda: (_read_page(path, page) for page in range(count)))

    def read(page: int) -> Picture:
        values = _read_page(path, page)
        place = name_slice(path, page, count)
        quantity = QUANTITIES.get(values.dtype, "intensity")
        return as_picture(values, place, window(values.dtype), quantity)

    return whole_volume(path, "picture", count, read)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Pillow's image of a file.

    Raises:
        UserError: If it cannot be read, is damaged or too large, also while it is used.
    """
    with reading(path, WHAT, PILLOW_ERRORS), path.open("rb") as file:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Not by its name: Pillow maps some TIFF files then and mixes up the pixels of those that
        # are to be turned.
        try:
            opened = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError as error:
            # Its text names the file once more.
            raise UserError(
                f"{path}: not a readable {WHAT} (of another format, or of a kind that Pillow does "
                "not know)"
            ) from error
        with opened as image:
            yield image


def _check_pages(image: Image.Image, count: int, path: Path) -> None:
    if image.format == "PNG" and count > 1:
        raise UserError(f"{path}: is an animation of {count} pictures; allowed is one")
    for page in range(count):
        size = image.size
        image.seek(page)
        check_size(image.height, image.width, path)
        if image.size != size:
            raise UserError(
                f"{path}: page {page} has {image.height} x {image.width} pixels and page "
                f"{page - 1} {size[1]} x {size[0]}; allowed are pages of one size"
            )
        if image.mode not in GRAY | COLOUR:
            raise UserError(f"{path}: has colours of kind {image.mode}; allowed are gray and RGB")


def _read_page(path: Path, page: int) -> np.ndarray:
    """Values as displayed, gray or RGB, of their own type `[H, W]` or `[H, W, 3]`."""
    with open_image(path) as image:
        image.seek(page)
        _load(image)
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


def _read_masks(path: Path, count: int, mode: ReadMode) -> list[Picture]:
    """All pages at once: to reach a page, Pillow reads the headers of those before it."""
    with open_image(path) as image:
        return [_read_mask(image, page, path, mode) for page in range(count)]


def _read_mask(image: Image.Image, page: int, path: Path, mode: ReadMode) -> Picture:
    image.seek(page)
    check_size(image.height, image.width, path)
    _load(image)
    if mode.colours:
        return Picture(np.asarray(image.convert("RGB")), None, "colours")
    if image.mode != "P" and len(image.getbands()) > 1:
        return Picture(np.asarray(image.convert("RGB")), None, "labels")
    values = np.asarray(image)
    if image.format == "PNG":
        values = unstretched(values, _head(path))
    return Picture(values, None, "labels")


def _read_strictly(path: Path) -> Picture:
    with _faults_of(path):
        return Picture(decode_png(path.read_bytes()), None, "labels")


def read_luminance(path: Path) -> Float32[np.ndarray, "H W"]:
    """Gray levels of a PNG file of any kind, in [0, 1]; colours become their luminance.

    Raises:
        UserError: If it cannot be read, is no PNG, truncated or corrupt.
    """
    with _faults_of(path):
        image = load_png(path.read_bytes())
    if image.mode not in ("1", "L", "I;16"):
        # Through RGBA, as Pillow warns of palettes with transparency otherwise.
        image = image.convert("RGBA").convert("L")
    largest = {"1": 1, "L": 255, "I;16": 65535}[image.mode]
    return np.asarray(image).astype(np.float32) / np.float32(largest)


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Names the file in what is said of its contents."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def has_deep_colours(path: Path) -> bool:
    """Whether a file has several channels of more than 8 bits, of which Pillow keeps 8."""
    with open_image(path) as image:
        if image.format == "PNG":
            depth, kind = _head(path)[KIND]
            return depth == 16 and bool(kind & 2)
        bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
        return len(bits) > 1 and max(bits) > 8


def _head(path: Path) -> bytes:
    """The beginning of a PNG file, with its bit depth and colour type."""
    with path.open("rb") as file:
        return file.read(KIND.stop)


def _load(image: Image.Image) -> None:
    """Decodes the pixels of an image's page, with nothing written to stderr."""
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
