"""Which values the images of a split have, and which of them become 0 and 1."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from hpunet.data.folder.config import FolderConfig
from hpunet.errors import UserError
from hpunet.intensities import Intensities

# Values of an image and channel that percentiles are taken of, evenly spaced; all if it has fewer.
KEPT_VALUES = 4096


class ChannelStatistics(NamedTuple):
    """Values of one channel of many images.

    Attributes:
        pixels: How many.
        total: Sum of the values.
        squares: Sum of their squares.
        low: The least.
        high: The largest.
        kept: Some of each image's, evenly spaced.
    """

    pixels: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    kept: tuple[Float[np.ndarray, " n"], ...] = ()

    def __add__(self, other: "ChannelStatistics") -> "ChannelStatistics":  # type: ignore[override]
        """The values of both."""
        return ChannelStatistics(
            self.pixels + other.pixels,
            self.total + other.total,
            self.squares + other.squares,
            min(self.low, other.low),
            max(self.high, other.high),
            self.kept + other.kept,
        )

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return self.total / self.pixels

    @property
    def deviation(self) -> float:
        """Standard deviation of the values."""
        return max(0.0, self.squares / self.pixels - self.mean**2) ** 0.5

    def percentiles(self, wanted: tuple[float | int, ...]) -> tuple[float, ...]:
        """Percentiles of the values that were kept."""
        return tuple(float(x) for x in np.percentile(np.concatenate(self.kept), wanted))


class ValueStatistics:
    """Values of images, channel by channel; a gray image counts in every channel of others."""

    def __init__(self) -> None:
        """Has seen no image yet."""
        self._by_channels: dict[int, list[ChannelStatistics]] = {}

    def add(self, image: Float[np.ndarray, "H W C"]) -> None:
        """Counts an image in."""
        known = self._by_channels.setdefault(
            image.shape[-1], [ChannelStatistics()] * image.shape[-1]
        )
        for channel, values in enumerate(np.moveaxis(image, -1, 0)):
            known[channel] = known[channel] + _of(values.ravel())

    @property
    def channels(self) -> list[ChannelStatistics]:
        """What is known of each channel; empty before the first image."""
        most = max(self._by_channels, default=0)
        gray = self._by_channels.get(1, [ChannelStatistics()])[0]
        if most <= 1:
            return [gray][:most]
        return [channel + gray for channel in self._by_channels[most]]

    def intensities(self, config: FolderConfig) -> Intensities:
        """Which values become 0 and 1, as the configuration asks for.

        Raises:
            UserError: If all values are the same.
        """
        if config.intensities == "range" and config.range is not None:
            pairs = [config.range] * len(self.channels)
        elif config.intensities == "range":
            pairs = [(channel.low, channel.high) for channel in self.channels]
        elif config.intensities == "percentiles":
            found = [channel.percentiles(config.percentiles) for channel in self.channels]
            pairs = [(low, high) for low, high in found]
        else:
            pairs = [(channel.mean, channel.mean + channel.deviation) for channel in self.channels]
        for number, (low, high) in enumerate(pairs):
            if not low < high:
                raise UserError(
                    f"data.folder.intensities={config.intensities}: channel {number} of the "
                    f"training split is {low:g} almost everywhere; allowed are other percentiles, "
                    "or data.folder.intensities=range"
                )
        lows, highs = zip(*pairs, strict=True)
        return Intensities(lows, highs, clip=config.intensities != "zscore")


def _of(values: Float[np.ndarray, " P"]) -> ChannelStatistics:
    exact = values.astype(np.float64)
    places = np.linspace(0, len(values) - 1, min(KEPT_VALUES, len(values))).round().astype(int)
    return ChannelStatistics(
        len(values),
        float(exact.sum()),
        float((exact**2).sum()),
        float(values.min()),
        float(values.max()),
        (values[places],),
    )
