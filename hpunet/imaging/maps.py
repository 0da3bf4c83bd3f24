"""What was drawn of one scan: samples and maps over them, and what their files are called."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

# Numbers in names of files have at least so many digits.
DIGITS = 3


class Maps(NamedTuple):
    """The samples of one scan of N slices, at the source's size, and what they say together.

    Attributes:
        samples: Class labels; may lie in a file (`np.memmap`).
        mean: Share of the samples that give each foreground class, in [0, 1].
        std: Standard deviation over the samples, sqrt(p (1 - p)) of that share, in [0, 0.5].
        entropy: Of the shares of all classes, in nats, in [0, ln K].
        num_classes: K, background included.
    """

    samples: UInt8[np.ndarray, "S N H W"]
    mean: Float[np.ndarray, "K-1 N H W"]
    std: Float[np.ndarray, "K-1 N H W"]
    entropy: Float[np.ndarray, "N H W"]
    num_classes: int


class NamedMap(NamedTuple):
    """One map as it goes to a file.

    Attributes:
        name: Of the file, without suffix: `mean`, or `mean_class_1` where there are several
            foreground classes.
        kind: `mean`, `std` or `entropy`.
        values: The map, float32.
        most: The greatest value that the map can have; the smallest is 0.
    """

    name: str
    kind: str
    values: Float[np.ndarray, "N H W"]
    most: float


def named_maps(maps: Maps) -> list[NamedMap]:
    """Mean and standard deviation of every foreground class, and the entropy."""
    found = []
    for kind, values, most in (("mean", maps.mean, 1.0), ("std", maps.std, 0.5)):
        for label, of_class in enumerate(values, start=1):
            name = kind if maps.num_classes == 2 else f"{kind}_class_{label}"
            found.append(NamedMap(name, kind, of_class, most))
    return [*found, NamedMap("entropy", "entropy", maps.entropy, float(np.log(maps.num_classes)))]


def sample_names(maps: Maps) -> list[str]:
    """`sample_001`, `sample_002` and so on."""
    num_samples = len(maps.samples)
    digits = max(DIGITS, len(str(num_samples)))
    return [f"sample_{number:0{digits}d}" for number in range(1, num_samples + 1)]


def slice_names(numbers: tuple[int, ...]) -> list[str]:
    """`slice_012` and so on, after the slices' numbers in their volume."""
    digits = max(DIGITS, len(str(max(numbers))))
    return [f"slice_{number:0{digits}d}" for number in numbers]


def check_maps(maps: Maps, num_slices: int) -> None:
    """Checks that the arrays belong together and to a scan.

    Raises:
        ValueError: If a shape or a dtype differs from what `Maps` says.
    """
    num_samples, *size = np.shape(maps.samples)
    foreground = maps.num_classes - 1
    expected = {
        "samples": ((num_samples, num_slices, *size[1:]), np.uint8),
        "mean": ((foreground, *size), np.float32),
        "std": ((foreground, *size), np.float32),
        "entropy": (tuple(size), np.float32),
    }
    for name, (shape, dtype) in expected.items():
        values = getattr(maps, name)
        if values.shape != shape or values.dtype != dtype:
            raise ValueError(
                f"{name}: shape {values.shape} of {values.dtype}, expected is {shape} of "
                f"{np.dtype(dtype)}"
            )
