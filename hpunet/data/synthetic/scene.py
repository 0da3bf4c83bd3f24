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


class Scenes(NamedTuple):
    """N images and the parts of their lesions.

    Attributes:
        images: Grey values.
        parts: Parts of the lesion at each pixel, as from `lesion_parts`.
    """

    images: UInt8[np.ndarray, "N H W"]
    parts: UInt8[np.ndarray, "N H W"]


def draw_scenes(rng: np.random.Generator, num: int, size: int, num_sites: int) -> Scenes:
    """Draws `num` images of `size` x `size` pixels, each with `num_sites` protrusions.

    Core, halo and every protrusion are visible in every image; the choices of annotators do not
    affect it. The same generator gives the same scenes at every size, up to texture and noise.
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


def texture(rng: np.random.Generator, num: int, size: int) -> Float[np.ndarray, "N H W"]:
    """Texture of tissue: smooth patches of about a tenth of the image, standard deviation 1."""
    frequency = _frequencies(size) * size
    spectrum = np.where(frequency > 0, 1 / (1 + (frequency / 10) ** 2), 0)
    return _filtered_noise(rng, num, spectrum)


def grain(rng: np.random.Generator, num: int, size: int) -> Float[np.ndarray, "N H W"]:
    """Noise of a reconstruction from projections, standard deviation 1.

    Neighbouring pixels are correlated; the ramp filter removes low frequencies.
    """
    frequency = _frequencies(size)
    return _filtered_noise(rng, num, frequency * np.exp(-((frequency / 0.3) ** 2)))


def _frequencies(size: int) -> np.ndarray:
    """Frequency of each coefficient of the real Fourier transform, in cycles per pixel."""
    return np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])


def _filtered_noise(rng: np.random.Generator, num: int, spectrum: np.ndarray) -> np.ndarray:
    size = len(spectrum)
    white = rng.standard_normal((num, size, size), np.float32)
    noise = np.fft.irfft2(np.fft.rfft2(white) * spectrum, s=(size, size))
    return (noise / noise.std(axis=(1, 2), keepdims=True)).astype(np.float32)
