"""The lesion of a synthetic image: a core, a halo around it and protrusions.

Lengths are fractions of the width of the image, so a smaller image shows the same scene with larger
pixels. Shapes are signed distances: negative inside, positive outside.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

NUM_WAVES = 3  # orders of the bumps of outlines: 2, 3 and 4 per turn
FIRST_SITE_ANGLE = 0.6  # radians; mean direction of the first protrusion
MIN_SITE_SPACING = 1.25  # radians; closer protrusions would merge


class Lesions(NamedTuple):
    """Shapes and densities of N lesions with P protrusions each.

    Attributes:
        centre: Position (y, x).
        core_radius: Mean radius of the core.
        core_wave: Relative bumps of its outline: cosine and sine coefficients of each order.
        halo_width: Mean distance between the outlines of core and halo.
        halo_wave: Relative bumps of this distance, as of `core_wave`.
        angle: Directions of the protrusions, radians.
        reach: Lengths of the protrusions beyond the halo.
        base_width: Half-widths of the protrusions at the core.
        tip_width: Half-widths of the protrusions at the tip.
        core_density: Grey value of the core, in [0, 1].
        halo_density: Grey value of the halo.
        protrusion_density: Grey value of the protrusions.
    """

    centre: Float[np.ndarray, "N 2"]
    core_radius: Float[np.ndarray, " N"]
    core_wave: Float[np.ndarray, "N 2 K"]
    halo_width: Float[np.ndarray, " N"]
    halo_wave: Float[np.ndarray, "N 2 K"]
    angle: Float[np.ndarray, "N P"]
    reach: Float[np.ndarray, "N P"]
    base_width: Float[np.ndarray, "N P"]
    tip_width: Float[np.ndarray, "N P"]
    core_density: Float[np.ndarray, " N"]
    halo_density: Float[np.ndarray, " N"]
    protrusion_density: Float[np.ndarray, " N"]


class LesionDistances(NamedTuple):
    """Signed distances to the outlines, in fractions of the width of the image."""

    core: Float[np.ndarray, "N H W"]
    halo: Float[np.ndarray, "N H W"]
    protrusions: Float[np.ndarray, "N P H W"]


def draw_lesions(rng: np.random.Generator, num: int, num_sites: int) -> Lesions:
    """Draws `num` lesions with `num_sites` protrusions each."""
    return Lesions(
        centre=rng.uniform(0.45, 0.55, (num, 2)),
        core_radius=rng.uniform(0.115, 0.145, num),
        core_wave=rng.uniform(-0.05, 0.05, (num, 2, NUM_WAVES)),
        halo_width=rng.uniform(0.05, 0.065, num),
        halo_wave=rng.uniform(-0.07, 0.07, (num, 2, NUM_WAVES)),
        angle=_draw_site_angles(rng, num, num_sites),
        reach=rng.uniform(0.1, 0.13, (num, num_sites)),
        base_width=rng.uniform(0.044, 0.056, (num, num_sites)),
        tip_width=rng.uniform(0.042, 0.054, (num, num_sites)),
        core_density=rng.uniform(0.62, 0.72, num),
        halo_density=rng.uniform(0.27, 0.33, num),
        protrusion_density=rng.uniform(0.46, 0.52, num),
    )


def _draw_site_angles(
    rng: np.random.Generator, num: int, num_sites: int
) -> Float[np.ndarray, "N P"]:
    """Evenly spaced directions with as much jitter as the spacing allows.

    Each protrusion stays in a sector of its own, so that a network can distinguish them.
    """
    spacing = 2 * np.pi / max(num_sites, 1)
    jitter = (spacing - MIN_SITE_SPACING) / 2
    directions = FIRST_SITE_ANGLE + spacing * np.arange(num_sites)
    return directions + rng.uniform(-jitter, jitter, (num, num_sites))


def lesion_distances(lesions: Lesions, size: int) -> LesionDistances:
    """Signed distances from the centre of each pixel to the outlines, `size` x `size` pixels."""
    axis = (np.arange(size) + 0.5) / size
    y, x = np.broadcast_arrays(
        axis[:, None] - lesions.centre[:, 0, None, None],
        axis[None, :] - lesions.centre[:, 1, None, None],
    )
    radius = np.hypot(y, x)
    direction = (x + 1j * y) / np.maximum(radius, 1e-6)
    core = _core_outline(lesions, direction)
    halo = core + _halo_width(lesions, direction)
    sites = [_protrusion(lesions, site, y, x) for site in range(lesions.angle.shape[1])]
    protrusions = np.stack(sites, axis=1) if sites else np.empty((len(y), 0, size, size))
    return LesionDistances(radius - core, radius - halo, protrusions)


def _core_outline(lesions: Lesions, direction: np.ndarray) -> np.ndarray:
    """Radius of the core in `direction` `[N, ...]`, complex numbers of modulus 1."""
    return _per_lesion(lesions.core_radius, direction) * (1 + _wave(lesions.core_wave, direction))


def _halo_width(lesions: Lesions, direction: np.ndarray) -> np.ndarray:
    return _per_lesion(lesions.halo_width, direction) * (1 + _wave(lesions.halo_wave, direction))


def _per_lesion(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Appends axes to `values` `[N]` until they have as many as `like` `[N, ...]`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _wave(coefficients: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Sum over the orders k = 2, 3, ... of a_k cos(k angle) + b_k sin(k angle)."""
    total, power = np.zeros(direction.shape), direction
    for index in range(NUM_WAVES):
        power = power * direction
        conjugate = coefficients[:, 0, index] - 1j * coefficients[:, 1, index]
        total += (_per_lesion(conjugate, direction) * power).real
    return total


def _protrusion(lesions: Lesions, site: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Signed distance to a rounded cone from inside the core to beyond the halo."""
    angle = lesions.angle[:, site, None]
    core = _core_outline(lesions, np.exp(1j * angle))
    halo_width = _halo_width(lesions, np.exp(1j * angle))
    tip_width = lesions.tip_width[:, site, None]
    start = 0.7 * core
    end = core + halo_width + lesions.reach[:, site, None] - tip_width
    start, end, angle, tip_width, base_width = (
        value[:, :, None]
        for value in (start, end, angle, tip_width, lesions.base_width[:, site, None])
    )
    along = y * np.sin(angle) + x * np.cos(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    share = np.clip((along - start) / (end - start), 0, 1)
    half_width = base_width + share * (tip_width - base_width)
    return np.hypot(along - start - share * (end - start), across) - half_width


def lesion_parts(distances: LesionDistances) -> UInt8[np.ndarray, "N H W"]:
    """Parts of the lesion that contain the centre of each pixel, as bits.

    Bit 0 is the core, bit 1 the core or halo, and bit 2 + k the protrusion k.
    """
    inside = np.concatenate(
        [distances.core[:, None], distances.halo[:, None], distances.protrusions], axis=1
    )
    weights = 1 << np.arange(inside.shape[1])
    return np.einsum("npij,p->nij", inside < 0, weights).astype(np.uint8)


def mode_masks(parts: UInt8[np.ndarray, "*N H W"], num_sites: int) -> Bool[np.ndarray, "*N M H W"]:
    """Masks of all M modes, in the order of `mode_choices`.

    Args:
        parts: Parts as from `lesion_parts`.
        num_sites: Number of protrusions.
    """
    masks = []
    for drawn, halo, *sites in mode_choices(num_sites):
        bits = (2 if halo else 1) + sum(4 << site for site, chosen in enumerate(sites) if chosen)
        masks.append((parts & (bits if drawn else 0)) != 0)
    return np.stack(masks, axis=-3)


def mode_choices(num_sites: int) -> Bool[np.ndarray, "M C"]:
    """Choices of each distinct annotation, in the order of all arrays of modes.

    Args:
        num_sites: Number of protrusions P.

    Returns:
        One row for each of the M = 1 + 2 * 2^P modes, with the columns drawn, halo and protrusions
        1 to P. The first row is "not drawn"; the halo varies slowest, the first protrusion fastest.
    """
    rows = [(False,) * (2 + num_sites)]
    for halo in (False, True):
        for sites in itertools.product((False, True), repeat=num_sites):
            rows.append((True, halo, *sites[::-1]))
    return np.array(rows)
