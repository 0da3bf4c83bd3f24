"""Decode PNG files of every kind that tools write masks and pictures in."""

import io

import numpy as np
from jaxtyping import Float32, UInt8, UInt16
from PIL import Image

from hpunet.data.lidc.png import decode_gray_png

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bit depth and colour type stand here (PNG specification, section 11.2.1).
_KIND = slice(24, 26)
_GRAY, _PALETTE = 0, 3
# Pillow stretches gray levels of few bits to 0..255.
_STRETCH = {(2, _GRAY): 85, (4, _GRAY): 17}
_DEPTHS = {(depth, color) for depth in (1, 2, 4) for color in (_GRAY, _PALETTE)}
_OTHERS = _DEPTHS | {(8, _PALETTE), (16, _GRAY)}
_COLORS = {2: "RGB", 4: "gray with alpha", 6: "RGB with alpha"}


def decode_labels(file: bytes) -> UInt8[np.ndarray, "H W"] | UInt16[np.ndarray, "H W"]:
    """The numbers that stand in a PNG file of one channel: gray levels or indices of a palette.

    Raises:
        ValueError: If it has more channels, is no PNG, truncated or corrupt; the message says
            which, to go behind the file's name.
    """
    kind = tuple(file[_KIND]) if file.startswith(_SIGNATURE) else ()
    if kind and kind[-1] in _COLORS:
        raise ValueError(f"is {_COLORS[kind[-1]]}; allowed are gray and palettes")
    if kind not in _OTHERS:
        return decode_gray_png(file)
    pixels = np.asarray(_open(file))
    if kind in _STRETCH:
        pixels = pixels // np.uint8(_STRETCH[kind])
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def decode_picture(file: bytes) -> Float32[np.ndarray, "H W"]:
    """The gray levels of a PNG file of any kind, in 0..1; colours become their luminance.

    Raises:
        ValueError: If it is no PNG, truncated or corrupt; the message says which.
    """
    image = _open(file)
    if image.mode not in ("1", "L", "I;16"):
        # Through RGBA, as Pillow warns of palettes with transparency otherwise.
        image = image.convert("RGBA").convert("L")
    largest = {"1": 1, "L": 255, "I;16": 65535}[image.mode]
    return np.asarray(image).astype(np.float32) / np.float32(largest)


def _open(file: bytes) -> Image.Image:
    """A PNG read whole, the checksums of its chunks compared."""
    try:
        with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
            image.verify()
        with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
            image.load()
            return image.copy()
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"is too large; allowed are {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
        ) from error
    # Pillow has no common exception for what it finds in a file.
    except Exception as error:
        raise ValueError("is no PNG, or a truncated or corrupt one") from error
