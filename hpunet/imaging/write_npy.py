"""Samples and maps as NumPy arrays, with exact values."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hpunet.imaging.maps import Maps, std_of
from hpunet.imaging.scan import Scan


def write_npy(folder: Path, scan: Scan, maps: Maps) -> list[Path]:
    """Writes `samples.npy`, `mean.npy`, `std.npy` and `entropy.npy`.

    Samples are uint8 labels `[S, H, W]`; mean, standard deviation and entropy (nats) are float32
    `[H, W]`. With several foreground classes mean and standard deviation are `[K-1, H, W]`. Slices
    of a volume have an axis of their own before the rows: `[S, N, H, W]`, `[N, H, W]` and
    `[K-1, N, H, W]`, also where N is 1.

    Args:
        folder: Exists.
        scan: What the maps are of.
        maps: Samples in a file are copied piece by piece.

    Returns:
        The files.

    Raises:
        OSError: If a file cannot be written as a whole.
    """
    written = []
    for name, values in _arrays(maps):
        written.append(folder / f"{name}.npy")
        np.save(written[-1], values if scan.numbers is not None else values.squeeze(axis=-3))
    return written


def _arrays(maps: Maps) -> Iterator[tuple[str, np.ndarray]]:
    mean = maps.mean if maps.num_classes > 2 else maps.mean[0]
    yield "samples", maps.samples
    yield "mean", mean
    yield "std", std_of(mean)
    yield "entropy", maps.entropy
