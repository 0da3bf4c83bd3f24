"""Outlines along the edges of pixels, exact at any magnification."""

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

# Steps to the right, down, left and up; what is marked lies on the right of each.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
_COMMANDS = ("h{}", "v{}", "h-{}", "v-{}")

Edge = tuple[int, int, int]


def num_edges(mask: Bool[ndarray, "H W"]) -> int:
    """Number of edges of pixels between what is marked and what is not."""
    padded = np.pad(mask, 1)
    return int(sum((np.diff(padded, axis=axis)).sum() for axis in (0, 1)))


def outline_path(mask: Bool[ndarray, "H W"]) -> str:
    """The outline of what a mask marks, as the `d` of an SVG path in units of pixels.

    One closed loop each around parts and holes; pixels that touch at a corner only are parted.
    """
    edges = _edges(mask)
    # A dictionary keeps the order, so that the same mask gives the same text.
    left = dict.fromkeys(edges)
    return "".join(_loop(edge, left) for edge in edges if edge in left)


def _edges(mask: Bool[ndarray, "H W"]) -> list[Edge]:
    """Edges as x and y where each begins and the index of its step, row by row."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    # Background above, right, below and left of a pixel, and where its edge there begins.
    sides = (
        (padded[:-2, 1:-1], 0, 0),
        (padded[1:-1, 2:], 1, 0),
        (padded[2:, 1:-1], 1, 1),
        (padded[1:-1, :-2], 0, 1),
    )
    found = [
        (x + right, y + down, direction)
        for direction, (beside, right, down) in enumerate(sides)
        for y, x in np.argwhere(inner & ~beside).tolist()
    ]
    return sorted(found, key=lambda edge: (edge[1], edge[0], edge[2]))


def _loop(first: Edge, left: dict[Edge, None]) -> str:
    """The closed path from an edge on; takes its edges out of those that are left."""
    x, y, direction = first
    path, length = f"M{x} {y}", 0
    edge: Edge | None = first
    while edge is not None:
        del left[edge]
        if edge[2] != direction:
            path += _COMMANDS[direction].format(length)
            direction, length = edge[2], 0
        length += 1
        x, y = x + _STEPS[direction][0], y + _STEPS[direction][1]
        turns = ((x, y, (direction + turn) % 4) for turn in (1, 0, 3))
        edge = next((turn for turn in turns if turn in left), None)
    # The last straight piece is what `z` draws.
    return path + "z"
