"""Made-up samples with their maps, as a network would draw them."""

import numpy as np

from hpunet.imaging.maps import Maps


def maps_of(samples: np.ndarray, num_classes: int) -> Maps:
    """Samples `[S, N, H, W]` and the maps over them, straight from their definitions."""
    shares = np.stack([(samples == label).mean(axis=0) for label in range(num_classes)])
    nats = -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0).sum(axis=0)
    mean = shares[1:]
    return Maps(
        samples,
        mean.astype(np.float32),
        np.sqrt(mean * (1 - mean)).astype(np.float32),
        nats.astype(np.float32),
        num_classes,
    )


def draw_maps(
    num_classes: int = 2, num_samples: int = 3, num_slices: int = 1, size: tuple[int, int] = (7, 9)
) -> Maps:
    """Random labels: every pixel, slice and sample differs from its neighbours somewhere."""
    shape = (num_samples, num_slices, *size)
    samples = np.random.default_rng(0).integers(0, num_classes, shape, dtype=np.uint8)
    return maps_of(samples, num_classes)
