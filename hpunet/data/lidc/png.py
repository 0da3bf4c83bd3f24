"""Decode PNG files, noticing every damage."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# First row and column and steps of an interlaced image's passes (PNG specification, section 8.2).
_PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def decode_gray_png(file: bytes) -> UInt8[np.ndarray, "H W"]:
    """The pixels of an 8-bit single-channel PNG file.

    Stricter than Pillow, and much stricter than TFDS: every chunk must be whole and match its
    checksum, up to the closing one.

    Raises:
        ValueError: If it is something else, truncated or corrupt; the message says which, to go
            behind the file's name.
    """
    chunks = list(_read_chunks(file))
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if (depth, color) != (8, 0):
        kind = {0: "gray", 2: "RGB", 3: "palette", 4: "gray with alpha", 6: "RGB with alpha"}
        found = f"{depth}-bit {kind.get(color, 'unknown')}"
        raise ValueError(f"is {found}, not 8-bit single-channel gray")
    try:
        rows = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
        with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
            pixels = np.array(image)
    # Pillow has no common exception for what it finds in a file.
    except Exception as error:
        raise ValueError("is a corrupt PNG") from error
    # Pillow leaves missing rows black.
    if pixels.shape != (height, width) or len(rows) < _size_of_rows(height, width, interlaced):
        raise ValueError("is a corrupt PNG")
    return pixels


def _read_chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each chunk, up to and with the closing one."""
    if not file.startswith(_SIGNATURE):
        raise ValueError("is empty" if not file else "is no PNG")
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        if len(file) < place + 12:
            raise ValueError("is a truncated PNG")
        opening = not kind
        length, kind = struct.unpack_from(">I4s", file, place)
        end = place + 12 + length
        if len(file) < end:
            raise ValueError("is a truncated PNG")
        checksum = struct.unpack_from(">I", file, end - 4)[0]
        sound = zlib.crc32(file[place + 4 : end - 4]) == checksum
        if not sound or (opening and (kind, length) != (b"IHDR", 13)):
            raise ValueError("is a corrupt PNG")
        yield kind, file[place + 8 : end - 4]
        place = end


def _size_of_rows(height: int, width: int, interlaced: int) -> int:
    """Bytes of all rows, each with the byte that names its filter."""
    if not interlaced:
        return height * (width + 1)
    sizes = (
        (len(range(y, height, down)), len(range(x, width, right))) for y, x, down, right in _PASSES
    )
    return sum(rows * (columns + 1) for rows, columns in sizes if columns)
