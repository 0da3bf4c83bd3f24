"""Images and masks in PNG, JPEG, BMP and GIF files, read by Pillow; TIFF files by tifffile."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image, UnidentifiedImageError

from hpunet.imaging.planes import ORIENTATION, StoredPlane, open_planes, upright
from hpunet.imaging.png import (
    KIND,
    PILLOW_ERRORS,
    decode_png,
    kind_of,
    load_deep_png,
    load_png,
    unstretched,
)
from hpunet.imaging.reading import check_size, reading
from hpunet.imaging.tiff import is_tiff, open_tiff
from hpunet.imaging.volume import IMAGE, Picture, ReadMode, Volume, whole_volume
from hpunet.io.errors import UserError

# Pillow opens what cameras write that add a preview to a JPEG, MPO, as JPEG.
FORMATS = ("PNG", "JPEG", "BMP", "GIF")
WHAT = "PNG, TIFF, JPEG, BMP or GIF"
BITS = {"1": 1, "L": 8, "I;16": 16}
COLOUR = {"P", "LA", "RGB", "RGBA"}


def open_raster(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """The image or mask of a PNG, JPEG, BMP or GIF file, or what `open_tiff` gives.

    Values are read as they are stored, of palettes the indices, and `open_planes` makes an image or
    a mask of them. The orientation that EXIF gives is applied.

    Args:
        path: The file; its contents count, not its suffix.
        mode: What it is read as. If strict, it must be a PNG of one channel.

    Raises:
        UserError: If it is unreadable, damaged, too large, an animation, or no gray or RGB image.
    """
    if mode.strict:
        return whole_volume(path, "picture", 1, lambda number: _read_strictly(path))
    if is_tiff(_head(path)):
        return open_tiff(path, mode)
    with _opened(path) as image:
        count = getattr(image, "n_frames", 1)
        # The second picture of a JPEG is a preview of the first.
        if count > 1 and image.format in ("PNG", "GIF"):
            raise UserError(f"{path}: is an animation of {count} images; allowed is one")
        check_size(image.height, image.width, path)
        if image.mode not in BITS.keys() | COLOUR:
            raise UserError(f"{path}: has colours of kind {image.mode}; allowed are gray and RGB")
    return open_planes(path, mode, 1, lambda number: _stored(path))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Pillow's image of a file.

    Raises:
        UserError: If it cannot be read, is damaged or too large, also while it is used.
    """
    with reading(path, WHAT, PILLOW_ERRORS), path.open("rb") as file:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            opened = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError as error:
            # Its text names the file once more.
            bits = _jpeg_bits(path)
            if bits > 8:
                raise UserError(
                    f"{path}: is a JPEG of {bits} bits, which Pillow cannot read; allowed are PNG "
                    "and TIFF of 16 bits, to which imagecodecs.imread and tifffile.imwrite convert"
                ) from error
            raise UserError(
                f"{path}: not a readable {WHAT} (of another format, or of a kind that Pillow does "
                "not know)"
            ) from error
        with opened as image:
            yield image


def _jpeg_bits(path: Path) -> int:
    """The bits of a sample in a JPEG file, as the first frame header says; of others 0."""
    with path.open("rb") as file:
        if file.read(2) != b"\xff\xd8":
            return 0
        while len(head := file.read(5)) == 5 and head[0] == 0xFF:
            # Frame headers begin with C0 to CF, except for tables (C4, CC) and C8.
            if 0xC0 <= head[1] <= 0xCF and head[1] not in (0xC4, 0xC8, 0xCC):
                return head[4]
            file.seek(int.from_bytes(head[2:4]) - 3, 1)
    return 0


def _stored(path: Path) -> StoredPlane:
    with _opened(path) as image:
        image.load()
        plane = _stored_deep(path) if _is_deep(path) else _decoded(image, path)
        return plane._replace(values=upright(plane.values, image.getexif().get(ORIENTATION, 1)))


def _is_deep(path: Path) -> bool:
    """Whether a file is a PNG with several channels of 16 bits, of which Pillow keeps 8."""
    kind = kind_of(_head(path))
    return bool(kind) and kind[0] == 16 and kind[1] != 0


def _stored_deep(path: Path) -> StoredPlane:
    values = load_deep_png(path.read_bytes())
    return StoredPlane(values, alpha=values.shape[-1] in (2, 4), bits=16)


def _decoded(image: Image.Image, path: Path) -> StoredPlane:
    if image.mode == "P":
        return _decoded_indices(image)
    if image.mode in ("L", "RGB") and image.has_transparency_data:
        image = image.convert(f"{image.mode}A")
    values, bits = np.asarray(image), BITS.get(image.mode, 8)
    kind = kind_of(_head(path))
    if kind and image.mode == "L":
        values, bits = unstretched(values, _head(path)), kind[0]
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    values = values.reshape(*values.shape[:2], -1)
    return StoredPlane(values, alpha=image.mode in ("LA", "RGBA"), bits=bits)


def _decoded_indices(image: Image.Image) -> StoredPlane:
    indices = np.asarray(image)[..., np.newaxis]
    transparent = image.has_transparency_data
    if transparent:
        image.apply_transparency()
    kind = "RGBA" if transparent else "RGB"
    palette = np.array(image.getpalette(kind), np.uint8).reshape(-1, len(kind))
    if image.format == "GIF" and not transparent and (palette == palette[:, :1]).all():
        # The format has no gray levels of its own; writers number those that occur.
        return StoredPlane(palette[indices[..., 0], :1])
    return StoredPlane(indices, palette=palette)


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


def _head(path: Path) -> bytes:
    """The beginning of a file, with the bit depth and colour type of a PNG."""
    with reading(path, WHAT, PILLOW_ERRORS), path.open("rb") as file:
        return file.read(KIND.stop)
