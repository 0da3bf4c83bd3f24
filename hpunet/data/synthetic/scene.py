"""Synthetic CT-like images: a lung with one lesion near the centre."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.data.synthetic.lesion import (
    LesionDistances,
    Lesions,
    draw_lesions,
    lesion_distances,
    lesion_parts,
)
from hpunet.data.synthetic.lung import blend, coverage, render_lungs
from hpunet.data.synthetic.noise import grain, texture


class Scenes(NamedTuple):
    """N images and where the parts of their lesions lie.

    Attributes:
        images: Grey values.
        parts: The parts of the lesion at each pixel, as from `lesion_parts`.
    """

    images: UInt8[np.ndarray, "N H W"]
    parts: UInt8[np.ndarray, "N H W"]


def draw_scenes(rng: np.random.Generator, num: int, size: int, num_sites: int) -> Scenes:
    """Draws `num` images of `size` x `size` pixels, each with `num_sites` protrusions.

    Core, halo and every protrusion are visible in every image: what an annotator will draw is not
    in it. The same generator gives the same scenes at every size, up to texture and noise.
    """
    shape_rng, noise_rng = rng.spawn(2)
    lesions = draw_lesions(shape_rng, num, num_sites)
    distances = lesion_distances(lesions, size)
    tissue = texture(noise_rng, num, size)
    images = render_lungs(shape_rng, lesions.centre, tissue)
    images = _add_lesions(images, lesions, distances, tissue)
    dose = shape_rng.uniform(0.008, 0.018, num)[:, None, None]
    images = np.clip(images + dose * grain(noise_rng, num, size), 0, 1)
    return Scenes(np.rint(255 * images).astype(np.uint8), lesion_parts(distances))


def _add_lesions(
    images: Float[np.ndarray, "N H W"],
    lesions: Lesions,
    distances: LesionDistances,
    tissue: Float[np.ndarray, "N H W"],
) -> Float[np.ndarray, "N H W"]:
    size = images.shape[-1]
    halo = lesions.halo_density[:, None, None] + 0.015 * tissue
    protrusion = lesions.protrusion_density[:, None, None] + 0.01 * tissue
    core = lesions.core_density[:, None, None] + 0.01 * tissue
    nearest_protrusion = distances.protrusions.min(axis=1, initial=np.inf)
    images = blend(images, halo, coverage(distances.halo, size))
    images = blend(images, protrusion, coverage(nearest_protrusion, size))
    return blend(images, core, coverage(distances.core, size))
