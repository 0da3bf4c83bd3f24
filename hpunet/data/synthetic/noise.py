"""Correlated noise: the texture of tissue and the grain of a CT image."""

import numpy as np
from jaxtyping import Float


def texture(rng: np.random.Generator, num: int, size: int) -> Float[np.ndarray, "N H W"]:
    """Texture of tissue: smooth patches of about a tenth of the image, standard deviation 1."""
    frequency = _frequencies(size) * size
    spectrum = np.where(frequency > 0, 1 / (1 + (frequency / 10) ** 2), 0)
    return _filtered_noise(rng, num, spectrum)


def grain(rng: np.random.Generator, num: int, size: int) -> Float[np.ndarray, "N H W"]:
    """Noise as reconstruction from projections leaves it, standard deviation 1.

    Neighbouring pixels are correlated, and there are no slow waves: the ramp filter takes them.
    """
    frequency = _frequencies(size)
    return _filtered_noise(rng, num, frequency * np.exp(-((frequency / 0.3) ** 2)))


def _frequencies(size: int) -> np.ndarray:
    """Cycles a pixel of every coefficient of the real Fourier transform."""
    return np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])


def _filtered_noise(rng: np.random.Generator, num: int, spectrum: np.ndarray) -> np.ndarray:
    size = len(spectrum)
    white = rng.standard_normal((num, size, size), np.float32)
    noise = np.fft.irfft2(np.fft.rfft2(white) * spectrum, s=(size, size))
    return (noise / noise.std(axis=(1, 2), keepdims=True)).astype(np.float32)
