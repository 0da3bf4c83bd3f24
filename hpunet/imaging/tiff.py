"""Images and masks in TIFF files, read by tifffile; imagecodecs decodes what is compressed."""

import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from jaxtyping import Shaped

from hpunet.imaging.planes import ORIENTATION, StoredPlane, open_planes, upright
from hpunet.imaging.reading import DAMAGE, check_size, reading
from hpunet.imaging.volume import IMAGE, ReadMode, Volume
from hpunet.io.errors import UserError

# TIFF and BigTIFF, in both byte orders.
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
COLOUR_CHANNELS = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, PALETTE: 1, YCBCR: 3}
JPEG = (6, 7, 33007, 34892)
JPEG_2000 = (33003, 33004, 33005, 34712)
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2
# imagecodecs raises subclasses of RuntimeError, one for each codec. tifffile documents only its
# TiffFileError, a ValueError; damaged tags lead to the others.
ERRORS = (
    *DAMAGE,
    *(IndexError, AttributeError, ZeroDivisionError, NotImplementedError, RuntimeError),
)
MIN_IS_WHITE_NOTE = (
    "stored with 0 as white (PhotometricInterpretation 0) and read as stored; some programs read "
    "such files inverted"
)


class _Place(NamedTuple):
    """The page of a plane, and its index in a page or series of several planes."""

    page: int
    inside: int


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a TIFF."""
    return head.startswith(SIGNATURES)


def open_tiff(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """The image of a TIFF file, or its pages as a volume; `open_planes` says what they become.

    Reads values as they are stored, for palettes the indices, and applies the orientation in the
    header. Where 0 is white, the values are not inverted, and the volume has a note. Pages that
    are marked as reduced versions of others, such as thumbnails, are skipped. Of masks,
    channels that are stored in separate planes are masks of their own, as tifffile writes arrays
    `[N, H, W]` of three and four masks.

    Args:
        path: The file.
        mode: Whether to read an image or masks.

    Raises:
        UserError: If the file is unreadable, damaged or too large, holds complex numbers or colours
            other than gray, RGB and palettes, or if its pages differ in size.
    """
    with _opened(path) as tiff:
        pages = _full_pages(tiff)
        _check_pages([page for _, page in pages], path)
        places, is_series = _places(tiff, pages, mode)
    white = any(page.photometric == MIN_IS_WHITE for _, page in pages)
    notes = (MIN_IS_WHITE_NOTE,) if white else ()

    def read(number: int) -> StoredPlane:
        place = places[number]
        with _opened(path) as tiff:
            values = _series(path, path.stat().st_mtime_ns) if is_series else None
            return _stored(_page(tiff, place.page), place.inside, values, mode)

    return open_planes(path, mode, len(places), functools.lru_cache(maxsize=1)(read), notes)


@contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    with reading(path, "TIFF file", ERRORS), tifffile.TiffFile(path) as tiff:
        yield tiff


def _places(
    tiff: tifffile.TiffFile, pages: Sequence[tuple[int, tifffile.TiffPage]], mode: ReadMode
) -> tuple[list[_Place], bool]:
    """The places of all planes, and whether they follow the only page without pages of their own.

    ImageJ and tifffile write such series.
    """
    first = pages[0][1]
    if len(pages) == 1 and (tiff.is_imagej or tiff.is_shaped):
        size = math.prod(tiff.series[0].shape)
        if size > first.size:
            return [_Place(pages[0][0], number) for number in range(size // first.size)], True
    counts = [(index, _num_planes(page, mode)) for index, page in pages]
    return [_Place(index, i) for index, count in counts for i in range(count)], False


def _full_pages(tiff: tifffile.TiffFile) -> list[tuple[int, tifffile.TiffPage]]:
    """The pages with their indices, without reduced versions of others."""
    pages = [_page(tiff, index) for index in range(len(tiff.pages))]
    return [(index, page) for index, page in enumerate(pages) if not page.is_reduced]


def _page(tiff: tifffile.TiffFile, index: int) -> tifffile.TiffPage:
    page = tiff.pages[index]
    # Frames are made only where they are asked for.
    assert isinstance(page, tifffile.TiffPage)
    return page


def _num_planes(page: tifffile.TiffPage, mode: ReadMode) -> int:
    separate, depth = page.shaped[:2]
    return depth * (separate if mode.mask and not mode.colours else 1)


def _check_pages(pages: Sequence[tifffile.TiffPage], path: Path) -> None:
    if not pages:
        raise UserError(f"{path}: holds no image")
    size = None
    for page in pages:
        height, width = page.imagelength, page.imagewidth
        check_size(height, width, path)
        if size not in (None, (height, width)):
            raise UserError(
                f"{path}: its pages differ in size, {size[0]} x {size[1]} and {height} x {width} "
                f"pixels (height x width); allowed is one size"
            )
        size = height, width
        _check_values(page, path)
        _check_colours(page, path)
        _check_segments(page, path)


def _check_values(page: tifffile.TiffPage, path: Path) -> None:
    if page.dtype is None or page.dtype.kind not in "biuf":
        kind = page.dtype or f"{page.bitspersample}-bit"
        raise UserError(f"{path}: holds {kind} values; allowed are integers and real floats")
    # Programs disagree on the order of such bits.
    if page.dtype.kind == "b" and page.samplesperpixel > 1:
        raise UserError(f"{path}: has {page.samplesperpixel} channels of one bit; allowed is one")
    # OpenJPEG keeps at most 25 bits, and writers of big-endian files differ in the order of bytes.
    is_large = page.dtype.itemsize > 2 or (page.dtype.itemsize > 1 and page.parent.byteorder == ">")
    if page.compression in JPEG_2000 and is_large:
        raise UserError(
            f"{path}: holds {page.dtype} values compressed by JPEG 2000; allowed are 8 bits, and "
            "16 bits in little-endian files"
        )


def _check_colours(page: tifffile.TiffPage, path: Path) -> None:
    known = page.photometric in COLOUR_CHANNELS
    if not known or (page.photometric == YCBCR and page.compression not in JPEG):
        kind = getattr(page.photometric, "name", str(page.photometric))
        raise UserError(f"{path}: has colours of kind {kind}; allowed are gray, RGB and palettes")
    if page.photometric == PALETTE and page.colormap is None:
        raise UserError(f"{path}: has indices of a palette, but no palette")


def _check_segments(page: tifffile.TiffPage, path: Path) -> None:
    """Checks that every strip or tile is complete.

    tifffile fills missing ones with zeros, and JPEG's decoder the missing end of one with gray.
    """
    count, length = math.prod(page.chunked), page.parent.filehandle.size
    segments = zip(page.databytecounts, page.dataoffsets, strict=False)
    stored = sum(bool(size and offset and offset + size <= length) for size, offset in segments)
    if stored < count:
        raise UserError(
            f"{path}: not a readable TIFF file ({count - stored} of {count} strips or tiles are "
            "incomplete)"
        )


@functools.lru_cache(maxsize=1)
def _series(path: Path, changed: int) -> np.ndarray:
    """The array of a series that has one page. `changed` distinguishes versions of a file."""
    with _opened(path) as tiff:
        return tiff.series[0].asarray()


def _stored(
    page: tifffile.TiffPage, inside: int, series: np.ndarray | None, mode: ReadMode
) -> StoredPlane:
    separate, depth, height, width, contiguous = page.shaped
    if series is not None:
        stack = series.reshape(-1, separate, height, width, contiguous)
        values = np.moveaxis(stack[inside], 0, -1).reshape(height, width, -1)
    else:
        stack = page.asarray().reshape(page.shaped)
        if _num_planes(page, mode) > depth:
            values = stack[inside // depth, inside % depth]
        else:
            values = np.moveaxis(stack[:, inside], 0, -1).reshape(height, width, -1)
    channels = COLOUR_CHANNELS[page.photometric]
    alpha = (
        values.shape[-1] == channels + 1
        and tuple(page.extrasamples)[-1:]
        and page.extrasamples[-1] in (ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA)
    )
    colormap = page.colormap if page.photometric == PALETTE else None
    palette = None if colormap is None else _palette(colormap)
    tag = page.tags.get(ORIENTATION)
    values = upright(values, tag.value if tag is not None else 1)
    return StoredPlane(values, bool(alpha), palette, _bits(page))


def _bits(page: tifffile.TiffPage) -> int:
    bits = page.bitspersample
    return bits if isinstance(bits, int) else 8 * page.dtype.itemsize


def _palette(colormap: Shaped[np.ndarray, "3 N"]) -> Shaped[np.ndarray, "N 3"]:
    """Colours of 8 bits where 16 hold no more: libtiff writes v * 257, others v * 256."""
    colours = np.ascontiguousarray(colormap.T)
    high, low = colours >> 8, colours & 255
    if (low == high).all() or not low.any():
        return high.astype(np.uint8)
    return colours
