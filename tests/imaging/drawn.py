"""Made-up samples with their maps, as a network would draw them."""

import numpy as np

from hpunet.imaging.maps import Maps

# float32 of the formula beside float64 of the definition.
STD_ROUNDING = 1e-6


def maps_of(samples: np.ndarray, num_classes: int) -> Maps:
    """Samples `[S, N, H, W]` and the maps over them, straight from their definitions."""
    shares = np.stack([(samples == label).mean(axis=0) for label in range(num_classes)])
    nats = -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0).sum(axis=0)
    mean = shares[1:]
    return Maps(
        samples,
        mean.astype(np.float32),
        nats.astype(np.float32),
        num_classes,
    )


def std_over(maps: Maps) -> np.ndarray:
    """Standard deviation over the samples `[K-1, N, H, W]`, straight from its definition."""
    labels = range(1, maps.num_classes)
    return np.stack([(maps.samples == label).std(axis=0) for label in labels])


def draw_maps(
    num_classes: int = 2, num_samples: int = 3, num_slices: int = 1, size: tuple[int, int] = (7, 9)
) -> Maps:
    """Random labels: every pixel, slice and sample differs from its neighbours somewhere."""
    shape = (num_samples, num_slices, *size)
    samples = np.random.default_rng(0).integers(0, num_classes, shape, dtype=np.uint8)
    return maps_of(samples, num_classes)
