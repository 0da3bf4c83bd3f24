"""The samples of a volume and the maps computed from them, with the names of their files."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

# The least number of digits of a number in a file name.
DIGITS = 3


class Maps(NamedTuple):
    """The samples of a volume of N slices, at the size of the source, and maps over them.

    Attributes:
        samples: Class labels; may be a `np.memmap`.
        mean: Share of the samples with each foreground class, in [0, 1]. `std_of` computes the
            standard deviation from it.
        entropy: Entropy of the shares of all classes, in nats, in [0, ln K].
        num_classes: K, including the background.
    """

    samples: UInt8[np.ndarray, "S N H W"]
    mean: Float[np.ndarray, "K-1 N H W"]
    entropy: Float[np.ndarray, "N H W"]
    num_classes: int


class NamedMap(NamedTuple):
    """A map for a file.

    Attributes:
        name: Name of the file, without suffix: `mean`, or `mean_class_1` if there are several
            foreground classes.
        kind: `mean`, `std` or `entropy`.
        source: The values of the map; for `std`, those of the mean.
        most: The largest possible value; the least is 0.
    """

    name: str
    kind: str
    source: Float[np.ndarray, "N H W"]
    most: float

    @property
    def values(self) -> Float[np.ndarray, "N H W"]:
        """The map, float32; a standard deviation is computed at each access."""
        return std_of(self.source) if self.kind == "std" else self.source

    def of_slice(self, index: int) -> Float[np.ndarray, "H W"]:
        """One slice of the map; the others are not computed."""
        return self._replace(source=self.source[index]).values


def std_of(mean: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Standard deviation over samples that are 0 or 1, sqrt(p (1 - p)), in [0, 0.5].

    Args:
        mean: Share p of the samples that are 1, in [0, 1].

    Returns:
        An array of the same shape and type.
    """
    variance = mean * (1 - mean)
    return np.sqrt(variance, out=variance)


def named_maps(maps: Maps) -> list[NamedMap]:
    """Mean and standard deviation of every foreground class, and the entropy."""
    found = []
    for kind, most in (("mean", 1.0), ("std", 0.5)):
        for label, of_class in enumerate(maps.mean, start=1):
            name = kind if maps.num_classes == 2 else f"{kind}_class_{label}"
            found.append(NamedMap(name, kind, of_class, most))
    return [*found, NamedMap("entropy", "entropy", maps.entropy, float(np.log(maps.num_classes)))]


def sample_names(maps: Maps) -> list[str]:
    """`sample_001`, `sample_002` and so on."""
    num_samples = len(maps.samples)
    digits = max(DIGITS, len(str(num_samples)))
    return [f"sample_{number:0{digits}d}" for number in range(1, num_samples + 1)]


def slice_names(numbers: tuple[int, ...]) -> list[str]:
    """`slice_012` and so on, by the numbers of the slices in their volume."""
    digits = max(DIGITS, len(str(max(numbers))))
    return [f"slice_{number:0{digits}d}" for number in numbers]


def check_maps(maps: Maps, num_slices: int) -> None:
    """Checks shapes and types of the arrays against each other and the number of slices.

    Raises:
        ValueError: If one differs from the description of `Maps`.
    """
    num_samples, *size = np.shape(maps.samples)
    foreground = maps.num_classes - 1
    expected = {
        "samples": ((num_samples, num_slices, *size[1:]), np.uint8),
        "mean": ((foreground, *size), np.float32),
        "entropy": (tuple(size), np.float32),
    }
    for name, (shape, dtype) in expected.items():
        values = getattr(maps, name)
        if values.shape != shape or values.dtype != dtype:
            raise ValueError(
                f"{name}: shape {values.shape} of {values.dtype}, expected is {shape} of "
                f"{np.dtype(dtype)}"
            )
