"""Pictures inside the page: PNG as data URIs."""

import base64
import io

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib import colormaps
from numpy import ndarray
from PIL import Image

# Larger pictures are embedded reduced, or a photograph would weigh tens of megabytes.
LARGEST = 2048


def _uri(picture: Image.Image, transparent: bytes | None = None) -> str:
    file = io.BytesIO()
    options = {} if transparent is None else {"transparency": transparent}
    picture.save(file, format="PNG", compress_level=9, **options)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def image_uri(image: UInt8[ndarray, "H W"] | UInt8[ndarray, "H W 3"]) -> str:
    """An image as it is, or averaged down by a whole factor if it is larger than `LARGEST`."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    return _uri(picture.reduce(reduction(image.shape[:2])))


def reduction(size: tuple[int, ...]) -> int:
    """The factor by which an image is reduced before it is embedded."""
    return -(-max(size) // LARGEST)


def map_uri(values: Float[ndarray, "H W"], most: float, colours: str) -> str:
    """Values from 0 to `most` in 255 shades of a colour map; what rounds to 0 is transparent."""
    shades = np.rint(np.clip(values / most, 0, 1) * 255).astype(np.uint8)
    used, index = np.unique(shades, return_inverse=True)
    picture = Image.fromarray(index.reshape(shades.shape).astype(np.uint8))
    picture.putpalette((colormaps[colours](used, bytes=True)[:, :3]).tobytes())
    return _uri(picture, bytes(0 if shade == 0 else 255 for shade in used))


def mask_uri(mask: Bool[ndarray, "H W"], colour: str) -> str:
    """What a mask marks in one colour, the rest transparent."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette(bytes(3) + bytes.fromhex(colour.lstrip("#")))
    return _uri(picture, bytes([0, 255]))


def shade(colours: str, value: float) -> str:
    """A colour of a colour map as CSS writes it, for a value in [0, 1]."""
    red, green, blue, _ = colormaps[colours](value, bytes=True)
    return f"#{red:02x}{green:02x}{blue:02x}"
