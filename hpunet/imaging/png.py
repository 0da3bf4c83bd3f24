"""PNG files, decoded with every damage noticed that the format can show.

Pillow reads pixels as soon as it has enough: a file may lack its end, rows or a fitting checksum.
That is right for pictures, and for published data and predictions it is not: there, damage means
that a file is not the one that was written.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Set

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bit depth and colour type stand here (PNG specification, section 11.2.1).
KIND = slice(24, 26)
COLOURS = {0: "gray", 2: "RGB", 3: "palette", 4: "gray with alpha", 6: "RGB with alpha"}
GRAY_8 = (8, 0)
ONE_CHANNEL = {
    *((depth, colour) for depth in (1, 2, 4, 8) for colour in (0, 3)),
    (16, 0),
}
# Pillow's plugins raise SyntaxError and IndexError for damaged files.
PILLOW_ERRORS: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, OverflowError, struct.error, zlib.error),
    *(SyntaxError, IndexError, NotImplementedError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
# First row and column and steps of an interlaced image's passes (PNG specification, section 8.2).
PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
# Pillow stretches the gray levels of few bits to 255.
STRETCH: dict[tuple[int, ...], int] = {(2, 0): 85, (4, 0): 17}


def decode_png(
    contents: bytes, kinds: Set[tuple[int, int]] = ONE_CHANNEL
) -> UInt8[np.ndarray, "H W"] | UInt16[np.ndarray, "H W"]:
    """The values that stand in a PNG file of one channel: gray levels or indices of a palette.

    Of 8-bit gray files every chunk must be whole and match its checksum, up to the closing one,
    and no row may be missing. Of others, Pillow compares the checksums of all chunks.

    Args:
        contents: The file.
        kinds: Bit depths and colour types that are allowed.

    Raises:
        ValueError: If it is of another kind, no PNG, too large, truncated or corrupt; the message
            says which, to stand behind the file's name.
    """
    kind = kind_of(contents)
    if kind in kinds and kind != GRAY_8:
        pixels = unstretched(np.asarray(load_png(contents)), contents)
        return pixels.astype(np.uint8) if pixels.dtype == bool else pixels
    chunks = list(_read_chunks(contents))
    if kind not in kinds:
        allowed = "8-bit gray" if kinds == {GRAY_8} else "gray and palettes"
        raise ValueError(f"is {_describe(kind)}; allowed are {allowed}")
    width, height, *_, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    try:
        rows = zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT"))
    except zlib.error as error:
        raise ValueError("is a corrupt PNG") from error
    pixels = np.asarray(load_png(contents, verify=False))
    # Pillow leaves missing rows black.
    if pixels.shape != (height, width) or len(rows) < _size_of_rows(height, width, interlaced):
        raise ValueError("is a corrupt PNG")
    return pixels


def load_png(contents: bytes, verify: bool = True) -> Image.Image:
    """Pillow's image of a PNG file, its pixels decoded.

    Args:
        contents: The file; of an animation, the first picture counts.
        verify: Whether Pillow compares the checksums of all chunks but the closing one.

    Raises:
        ValueError: If it is no PNG, too large, truncated or corrupt.
    """
    try:
        if verify:
            with Image.open(io.BytesIO(contents), formats=["PNG"]) as image:
                image.verify()
        with Image.open(io.BytesIO(contents), formats=["PNG"]) as image:
            image.load()
            return image.copy()
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ValueError(f"is too large; allowed are {most:,} pixels") from error
    except PILLOW_ERRORS as error:
        whole = contents.startswith(SIGNATURE)
        raise ValueError("is a corrupt PNG" if whole else "is no PNG") from error


def load_deep_png(contents: bytes) -> UInt16[np.ndarray, "H W C"]:
    """Values of several channels of 16 bits, of which Pillow keeps 8; every chunk is checked.

    Raises:
        ValueError: If it is truncated or corrupt.
    """
    import imagecodecs

    try:
        values = imagecodecs.png_decode(contents)
    except imagecodecs.PngError as error:
        raise ValueError(f"is a corrupt PNG ({error})") from error
    return values.reshape(*values.shape[:2], -1)


def kind_of(contents: bytes) -> tuple[int, ...]:
    """Bit depth and colour type of a PNG file; of others nothing."""
    return tuple(contents[KIND]) if contents.startswith(SIGNATURE) else ()


def unstretched(values: np.ndarray, contents: bytes) -> np.ndarray:
    """The gray levels that stand in a PNG file, of those that Pillow decodes."""
    stretch = STRETCH.get(kind_of(contents))
    return values if stretch is None else values // values.dtype.type(stretch)


def _describe(kind: tuple[int, ...]) -> str:
    depth, colour = kind
    return f"{depth}-bit {COLOURS.get(colour, 'unknown')}"


def _read_chunks(contents: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each chunk, up to and with the closing one."""
    if not contents.startswith(SIGNATURE):
        raise ValueError("is empty" if not contents else "is no PNG")
    place, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if len(contents) < place + 12:
            raise ValueError("is a truncated PNG")
        opening = not kind
        length, kind = struct.unpack_from(">I4s", contents, place)
        end = place + 12 + length
        if len(contents) < end:
            raise ValueError("is a truncated PNG")
        checksum = struct.unpack_from(">I", contents, end - 4)[0]
        sound = zlib.crc32(contents[place + 4 : end - 4]) == checksum
        if not sound or (opening and (kind, length) != (b"IHDR", 13)):
            raise ValueError("is a corrupt PNG")
        yield kind, contents[place + 8 : end - 4]
        place = end


def _size_of_rows(height: int, width: int, interlaced: int) -> int:
    """Bytes of all rows, each with the byte that names its filter."""
    if not interlaced:
        return height * (width + 1)
    sizes = (
        (len(range(y, height, down)), len(range(x, width, right))) for y, x, down, right in PASSES
    )
    return sum(rows * (columns + 1) for rows, columns in sizes if columns)
