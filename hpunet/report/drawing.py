"""Outlines as SVG paths, and pictures as PNG inside data URIs."""

import base64
import io
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image

# Okabe and Ito's colours, distinguishable from gray and from each other for colour-blind readers.
COLOURS = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00")
# Longest side of an embedded image; larger ones would add tens of megabytes to the page.
MOST_SIDE = 2048
# Masks of an untrained network are noise, whose picture is smaller than its outline.
_MOST_EDGES = 6000
# Steps to the right, down, left and up; the marked side is on the right of each.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
_COMMANDS = ("h{}", "v{}", "h-{}", "v-{}")

Edge = tuple[int, int, int]


class EmbeddedImage(NamedTuple):
    """An image embedded in the page.

    Attributes:
        uri: A PNG as a data URI.
        height: In pixels of the image; a reduced picture reaches a little beyond it.
        width: Likewise.
        factor: Reduction of each side of the picture.
    """

    uri: str
    height: int
    width: int
    factor: int


class LabelDrawing(NamedTuple):
    """The mask of one label of a sample: an outline, or a picture of noise.

    Attributes:
        colour: Index of the label's colour.
        path: The outline as the `d` of an SVG path, or None.
        uri: The picture as a data URI, or None.
    """

    colour: int
    path: str | None
    uri: str | None


def embed_image(image: UInt8[ndarray, "H W"] | UInt8[ndarray, "H W 3"]) -> EmbeddedImage:
    """Embeds an image at full size, or reduced by an integer factor if larger than `MOST_SIDE`."""
    height, width = image.shape[:2]
    factor = -(-max(height, width) // MOST_SIDE)
    uri = png_uri(Image.fromarray(np.ascontiguousarray(image)).reduce(factor))
    return EmbeddedImage(uri, -(-height // factor) * factor, -(-width // factor) * factor, factor)


def draw_labels(labels: UInt8[ndarray, "H W"]) -> list[LabelDrawing]:
    """Draws each foreground label of a sample."""
    present = np.unique(labels)
    return [_draw_label(labels == label, int(label)) for label in present[present > 0]]


def _draw_label(mask: Bool[ndarray, "H W"], label: int) -> LabelDrawing:
    colour = (label - 1) % len(COLOURS)
    if is_noise(mask):
        return LabelDrawing(colour, None, _mask_uri(mask, COLOURS[colour]))
    return LabelDrawing(colour, outline_path(mask), None)


def is_noise(mask: Bool[ndarray, "H W"]) -> bool:
    """Whether the outline of a mask takes more space than its picture."""
    return num_edges(mask) > _MOST_EDGES


def num_edges(mask: Bool[ndarray, "H W"]) -> int:
    """Number of pixel edges between marked and unmarked pixels."""
    padded = np.pad(mask, 1)
    return int(sum((np.diff(padded, axis=axis)).sum() for axis in (0, 1)))


def outline_path(mask: Bool[ndarray, "H W"]) -> str:
    """Traces a mask along pixel edges, as the `d` of an SVG path in units of pixels.

    Parts and holes have one closed loop each; pixels that touch only at a corner are separate.
    """
    edges = _edges(mask)
    # A dictionary keeps the order, so that the same mask gives the same text.
    remaining = dict.fromkeys(edges)
    return "".join(_loop(edge, remaining) for edge in edges if edge in remaining)


def _edges(mask: Bool[ndarray, "H W"]) -> list[Edge]:
    """The start (x, y) of each edge and the index of its step, row by row."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    # Background above, right, below and left of a pixel, and where its edge there begins.
    sides = (
        (padded[:-2, 1:-1], 0, 0),
        (padded[1:-1, 2:], 1, 0),
        (padded[2:, 1:-1], 1, 1),
        (padded[1:-1, :-2], 0, 1),
    )
    edges = [
        (x + right, y + down, direction)
        for direction, (beside, right, down) in enumerate(sides)
        for y, x in np.argwhere(inner & ~beside).tolist()
    ]
    return sorted(edges, key=lambda edge: (edge[1], edge[0], edge[2]))


def _loop(first: Edge, remaining: dict[Edge, None]) -> str:
    """The closed path that starts with an edge; removes its edges from the remaining ones."""
    x, y, direction = first
    path, length = f"M{x} {y}", 0
    edge: Edge | None = first
    while edge is not None:
        del remaining[edge]
        if edge[2] != direction:
            path += _COMMANDS[direction].format(length)
            direction, length = edge[2], 0
        length += 1
        x, y = x + _STEPS[direction][0], y + _STEPS[direction][1]
        turns = ((x, y, (direction + turn) % 4) for turn in (1, 0, 3))
        edge = next((turn for turn in turns if turn in remaining), None)
    # `z` draws the last straight piece.
    return path + "z"


def _mask_uri(mask: Bool[ndarray, "H W"], colour: str) -> str:
    """The marked pixels in one colour, the rest transparent."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette(bytes(3) + bytes.fromhex(colour.lstrip("#")))
    return png_uri(picture, bytes([0, 255]))


def png_uri(picture: Image.Image, opacities: bytes | None = None) -> str:
    """A picture as PNG in a data URI, with the opacity of each palette entry if given."""
    file = io.BytesIO()
    options = {} if opacities is None else {"transparency": opacities}
    picture.save(file, format="PNG", compress_level=9, **options)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
