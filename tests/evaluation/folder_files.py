"""Folders of masks for tests, small enough to write by the hundred."""

import io
import pathlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from hpunet.evaluation.folders import FolderImages, open_folders
from hpunet.io.errors import UserError

SIZE = (3, 4)  # Height and width, unlike each other.
PREDICTIONS, ANNOTATIONS, IMAGES = "predictions", "annotations", "images"
Files = dict[str, bytes]


def draw(seed: int, *lead: int, most: int = 1, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, most + 1, (*lead, *size), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def raw_png(depth: int, color: int, row: bytes, width: int) -> bytes:
    """A PNG of one row as its bytes stand in the file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, color, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(range(48))) if color == 3 else b""
    data = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + header + palette + data + chunk(b"IEND", b"")


def write(folder: pathlib.Path, files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, contents in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents)


MASK = png(draw(0))
SOUND = {
    PREDICTIONS: {"a_s0.png": MASK, "a_s1.png": MASK, "b_s0.png": MASK, "b_s1.png": MASK},
    ANNOTATIONS: {"a_a0.png": MASK, "a_a1.png": MASK, "b_a0.png": MASK},
}


def open_in(
    place: pathlib.Path,
    predictions: Files | None = None,
    annotations: Files | None = None,
    images: Files | None = None,
    **options,
) -> FolderImages:
    """Writes the files, or sound ones of two images, and opens them."""
    write(place / PREDICTIONS, predictions or SOUND[PREDICTIONS])
    write(place / ANNOTATIONS, annotations or SOUND[ANNOTATIONS])
    if images is not None:
        write(place / IMAGES, images)
        options["images"] = place / IMAGES
    return open_folders(place / PREDICTIONS, place / ANNOTATIONS, **options)


def refusal_in(place: pathlib.Path, *files: Files, opens: bool, **options) -> str:
    """The one line in which opening ends, or reading what opens; `place` is left out of it."""
    if opens:
        images = open_in(place, *files, **options)
        with pytest.raises(UserError) as caught:
            list(images)
    else:
        with pytest.raises(UserError) as caught:
            open_in(place, *files, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{place}/", "")
