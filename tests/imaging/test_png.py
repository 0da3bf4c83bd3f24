"""Every damage of a PNG file is noticed."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from hpunet.imaging.png import decode_png

# Where the passes of an interlaced file start and how they step (PNG specification, section 8.2).
ROWS = (0, 0, 4, 0, 2, 0, 1), (8, 8, 8, 4, 4, 2, 2)
COLUMNS = (0, 4, 0, 2, 0, 1, 0), (8, 8, 4, 4, 2, 2, 1)


def encode(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode_interlaced(pixels: np.ndarray, lost: int) -> bytes:
    """A file as Pillow does not write them, its last `lost` bytes of pixels left out."""
    passes = (pixels[y::down, x::right] for y, down, x, right in zip(*ROWS, *COLUMNS, strict=True))
    rows = b"".join(b"\0" + row.tobytes() for part in passes if part.shape[1] for row in part)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 1)
    data = zlib.compress(rows[: len(rows) - lost])
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)
FILE = encode(PIXELS)


def test_a_sound_file_gives_its_pixels():
    np.testing.assert_array_equal(decode_png(FILE), PIXELS)


@pytest.mark.parametrize("length", range(len(FILE)))
def test_a_file_cut_anywhere_is_refused(length):
    with pytest.raises(ValueError, match=r"is (empty|no PNG|a truncated PNG)"):
        decode_png(FILE[:length])


def test_a_flipped_bit_anywhere_is_refused():
    for place in range(len(FILE)):
        broken = bytearray(FILE)
        broken[place] ^= 1 << random.Random(place).randrange(8)
        with pytest.raises(ValueError, match=r"is (no PNG|a truncated PNG|a corrupt PNG)"):
            decode_png(bytes(broken))


@pytest.mark.parametrize("shape", [(1, 1), (5, 11), (8, 8), (9, 3)])
def test_an_interlaced_file_is_read_and_refused_when_pixels_are_missing(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(decode_png(encode_interlaced(pixels, 0)), pixels)
    with pytest.raises(ValueError, match="is a corrupt PNG"):
        decode_png(encode_interlaced(pixels, 1))
