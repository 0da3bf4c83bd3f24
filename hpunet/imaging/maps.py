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
        mean: Share of the samples that give each foreground class, in [0, 1]; what their standard
            deviation is follows from it, see `std_of`.
        entropy: Of the shares of all classes, in nats, in [0, ln K].
        num_classes: K, background included.
    """

    samples: UInt8[np.ndarray, "S N H W"]
    mean: Float[np.ndarray, "K-1 N H W"]
    entropy: Float[np.ndarray, "N H W"]
    num_classes: int


class NamedMap(NamedTuple):
    """One map as it goes to a file.

    Attributes:
        name: Of the file, without suffix: `mean`, or `mean_class_1` where there are several
            foreground classes.
        kind: `mean`, `std` or `entropy`.
        source: What the map is made of: itself, or of `std` the mean.
        most: The greatest value that the map can have; the smallest is 0.
    """

    name: str
    kind: str
    source: Float[np.ndarray, "N H W"]
    most: float

    @property
    def values(self) -> Float[np.ndarray, "N H W"]:
        """The map, float32; a standard deviation is made whenever it is asked for."""
        return std_of(self.source) if self.kind == "std" else self.source

    def of_slice(self, index: int) -> Float[np.ndarray, "H W"]:
        """One slice of the map, without the others being made."""
        return self._replace(source=self.source[index]).values


def std_of(mean: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Standard deviation over samples that are 0 or 1, sqrt(p (1 - p)), in [0, 0.5].

    Args:
        mean: p, the share of the samples that are 1, in [0, 1].

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
        "entropy": (tuple(size), np.float32),
    }
    for name, (shape, dtype) in expected.items():
        values = getattr(maps, name)
        if values.shape != shape or values.dtype != dtype:
            raise ValueError(
                f"{name}: shape {values.shape} of {values.dtype}, expected is {shape} of "
                f"{np.dtype(dtype)}"
            )
