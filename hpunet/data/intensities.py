"""The map from stored values of images to the network's intensities."""

from typing import Any, NamedTuple

import numpy as np


class Intensities(NamedTuple):
    """A linear map of values for all images, with one entry per channel or one for all.

    Attributes:
        low: The values that become 0.
        high: The values that become 1.
        clip: Whether what lies beyond becomes 0 or 1.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    clip: bool

    def apply(self, image: Any) -> Any:
        """Maps values, to the same bits in NumPy and in JAX, compiled or not.

        Args:
            image: float32 `[..., C]` of NumPy or JAX.
        """
        shape = (1,) * (image.ndim - 1) + (-1,)
        low, high = (np.asarray(x, np.float32).reshape(shape) for x in (self.low, self.high))
        # XLA turns a division by a constant into this product; NumPy would divide.
        scaled = (image - low) * (np.float32(1) / (high - low))
        return scaled.clip(0, 1) if self.clip else scaled

    @property
    def text(self) -> str:
        """Describes the map in words."""
        if self.clip:
            pairs = zip(self.low, self.high, strict=True)
            return ", ".join(f"{low:g} to {high:g}" for low, high in pairs)
        pairs = zip(self.low, self.high, strict=True)
        return ", ".join(f"mean {low:g} and deviation {high - low:g}" for low, high in pairs)

    @staticmethod
    def from_json(value: Any) -> "Intensities":
        """Reads the value that JSON makes of an instance.

        Raises:
            ValueError: If it is something else.
        """
        try:
            low, high, clip = value
            return Intensities(tuple(map(float, low)), tuple(map(float, high)), bool(clip))
        except TypeError as error:
            raise ValueError(str(error)) from None


# For 8-bit files, whose values are within the range anyway.
BYTES = Intensities((0.0,), (255.0,), clip=False)
