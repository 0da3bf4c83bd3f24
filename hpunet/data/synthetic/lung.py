"""Surroundings of the lesion of a synthetic image: lung, vessels and chest wall.

Lengths are fractions of the width of the image and grey values lie in [0, 1]. Vessels and chest
wall avoid the lesion, so that only the lesion is bright around its centre.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

CLEAR_RADIUS = 0.37  # around the centre of the lesion; exceeds the longest protrusion
FADE_WIDTH = 0.08  # over which a vessel fades out near the lesion
NUM_TREES = 2
NUM_BRANCHES = 4
NUM_CROSS_SECTIONS = 8
WALL_SHARE = 0.65  # share of the images with a chest wall
VESSEL = 0.55
BONE = 0.92
MARROW = 0.68


class Tubes(NamedTuple):
    """One vessel in each of N images: a tapering tube along a slightly bent line.

    Attributes:
        origin: Start (y, x).
        angle: Direction at the start, radians.
        length: Distance from start to end.
        half_width: Half-width at the start.
        bend: Distance of its middle from the straight line.
    """

    origin: Float[np.ndarray, "N 2"]
    angle: Float[np.ndarray, " N"]
    length: Float[np.ndarray, " N"]
    half_width: Float[np.ndarray, " N"]
    bend: Float[np.ndarray, " N"]


def render_lungs(
    rng: np.random.Generator,
    centre: Float[np.ndarray, "N 2"],
    texture: Float[np.ndarray, "N H W"],
) -> Float[np.ndarray, "N H W"]:
    """Draws and renders the surroundings of lesions, without the lesions.

    Args:
        rng: Generator of the shapes; the numbers it draws do not depend on the image size.
        centre: Centres (y, x) of the lesions.
        texture: Texture of the tissue, standard deviation 1.
    """
    num, size = len(texture), texture.shape[1]
    lung, muscle = _columns(rng.uniform(0.05, 0.1, num), rng.uniform(0.44, 0.56, num))
    image = blend(lung + 0.012 * texture, VESSEL, _vessels(rng, centre, size))
    return _add_chest_wall(rng, image, muscle + 0.02 * texture, centre)


def blend(
    image: Float[np.ndarray, "N H W"],
    density: Float[np.ndarray, "N H W"] | float,
    weight: Float[np.ndarray, "N H W"],
) -> Float[np.ndarray, "N H W"]:
    """Blends `image` with `density`, whose share is `weight`."""
    return image + weight * (density - image)


def coverage(distance: Float[np.ndarray, "N H W"], size: int) -> Float[np.ndarray, "N H W"]:
    """Share of each pixel inside an outline, from its signed distance.

    The width of an edge is that of a pixel or of the blur of the scanner, whichever is larger.
    """
    return np.clip(0.5 - distance / max(1 / size, 0.016), 0, 1)


def pixel_offsets(
    point: Float[np.ndarray, "N 2"], size: int
) -> tuple[Float[np.ndarray, "N H 1"], Float[np.ndarray, "N 1 W"]]:
    """Vertical and horizontal offsets of the centres of pixels from `point`, float32."""
    axis = (np.arange(size) + 0.5) / size
    y = axis[:, None] - point[:, 0, None, None]
    x = axis[None, :] - point[:, 1, None, None]
    return y.astype(np.float32), x.astype(np.float32)


def _turned(point: np.ndarray, angle: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of pixels from `point`, along the direction `angle` `[N]` and across it."""
    y, x = pixel_offsets(point, size)
    sine, cosine = _columns(np.sin(angle), np.cos(angle))
    return y * sine + x * cosine, y * cosine - x * sine


def _columns(*values: np.ndarray) -> list[np.ndarray]:
    return [value.astype(np.float32)[:, None, None] for value in values]


def _vessels(rng: np.random.Generator, centre: np.ndarray, size: int) -> np.ndarray:
    """Coverage by vessels, which fade out near the lesion."""
    num = len(centre)
    total = np.zeros((num, size, size), np.float32)
    for _ in range(NUM_TREES):
        for tubes in _draw_tree(rng, num):
            np.maximum(total, _tube_coverage(tubes, size), out=total)
    for _ in range(NUM_CROSS_SECTIONS):
        np.maximum(total, _cross_section_coverage(rng, num, size), out=total)
    distance = np.hypot(*pixel_offsets(centre, size))
    return total * np.clip((distance - CLEAR_RADIUS) / FADE_WIDTH + 1, 0, 1)


def _draw_tree(rng: np.random.Generator, num: int) -> list[Tubes]:
    """Draws a trunk that enters from outside, its branches, and a twig on each branch."""
    around = rng.uniform(0, 2 * np.pi, num)
    trunk = Tubes(
        origin=0.5 + 0.72 * np.stack([np.sin(around), np.cos(around)], axis=1),
        angle=around + np.pi + rng.choice([-1, 1], num) * rng.uniform(0.35, 0.8, num),
        length=rng.uniform(0.6, 1.1, num),
        half_width=rng.uniform(0.01, 0.02, num),
        bend=rng.uniform(-0.06, 0.06, num),
    )
    starts = (np.arange(NUM_BRANCHES) + 0.5) / NUM_BRANCHES
    branches = [_draw_branch(rng, trunk, start) for start in starts]
    return [trunk, *branches, *(_draw_branch(rng, branch, 0.5) for branch in branches)]


def _draw_branch(rng: np.random.Generator, parent: Tubes, start: float) -> Tubes:
    """Draws a thinner vessel that leaves its parent near the share `start` of its length."""
    num = len(parent.angle)
    share = np.clip(start + rng.uniform(-0.15, 0.15, num), 0, 1)
    along, across = share * parent.length, parent.bend * _arch(share)
    sine, cosine = np.sin(parent.angle), np.cos(parent.angle)
    offset = np.stack([along * sine + across * cosine, along * cosine - across * sine], axis=1)
    return Tubes(
        origin=parent.origin + offset,
        angle=parent.angle + rng.choice([-1, 1], num) * rng.uniform(0.4, 1.0, num),
        length=parent.length * rng.uniform(0.3, 0.55, num),
        half_width=parent.half_width * rng.uniform(0.5, 0.7, num),
        bend=rng.uniform(-0.03, 0.03, num),
    )


def _arch(share: np.ndarray) -> np.ndarray:
    """Parabola with value 0 at both ends and 1 in the middle."""
    return 4 * share * (1 - share)


def _tube_coverage(tubes: Tubes, size: int) -> np.ndarray:
    along, across = _turned(tubes.origin, tubes.angle, size)
    length, half_width, bend = _columns(tubes.length, tubes.half_width, tubes.bend)
    share = np.clip(along / length, 0, 1)
    distance = np.hypot(across - bend * _arch(share), along - share * length)
    return _thin_coverage(distance, half_width * (1 - 0.4 * share), size)


def _thin_coverage(distance: np.ndarray, half_width: np.ndarray, size: int) -> np.ndarray:
    """Share of a pixel inside a band, also correct for bands thinner than a pixel."""
    return coverage(distance - half_width, size) - coverage(distance + half_width, size)


def _cross_section_coverage(rng: np.random.Generator, num: int, size: int) -> np.ndarray:
    """Coverage by vessels that cross the slice: small ellipses at random positions."""
    along, across = _turned(rng.uniform(0, 1, (num, 2)), rng.uniform(0, np.pi, num), size)
    radius, stretch = _columns(rng.uniform(0.004, 0.013, num), rng.uniform(1, 2.5, num))
    return _thin_coverage(np.hypot(along / stretch, across), radius, size)


def _add_chest_wall(
    rng: np.random.Generator, image: np.ndarray, muscle: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Adds the chest wall with a rib to one side of some of the images."""
    num, size = len(image), image.shape[1]
    present = (rng.uniform(0, 1, num) < WALL_SHARE)[:, None, None]
    depth, along = _wall_coordinates(rng, centre, size)
    middle, half_length = _columns(rng.uniform(-0.3, 0.3, num), rng.uniform(0.1, 0.4, num))
    rib_depth, thickness = _columns(rng.uniform(0.05, 0.09, num), rng.uniform(0.016, 0.028, num))
    beyond_end = np.maximum(np.abs(along - middle) - half_length, 0)
    rib = np.hypot(depth - rib_depth, beyond_end) - thickness
    image = blend(image, muscle, present * coverage(-depth, size))
    image = blend(image, BONE, present * coverage(rib, size))
    return blend(image, MARROW, present * coverage(rib + 0.5 * thickness, size))


def _wall_coordinates(
    rng: np.random.Generator, centre: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Depth below the surface of the lung, a wide circle, and position along the surface."""
    num = len(centre)
    angle, radius = rng.uniform(0, 2 * np.pi, num), rng.uniform(0.6, 1.5, num)
    gap = CLEAR_RADIUS + rng.uniform(0, 0.12, num)
    direction = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    along, across = _turned(centre + (gap - radius)[:, None] * direction, angle, size)
    (radius,) = _columns(radius)
    return np.hypot(along, across) - radius, across
