"""Statistics of the values of images, and the intensities that follow from them."""

import numpy as np
from jaxtyping import Float

from hpunet.config.data import FolderConfig
from hpunet.data.intensities import Intensities
from hpunet.io.errors import UserError

# Values of an image and channel for percentiles, evenly spaced; all if it has fewer.
KEPT_VALUES = 4096
# Of all images. Beyond, every second value is dropped, also of later images.
MOST_KEPT = 2**22


class ChannelStatistics:
    """Statistics of one channel of many images.

    Attributes:
        pixels: Number of values.
        low: The least value.
        high: The largest value.
    """

    def __init__(self) -> None:
        """Starts without images."""
        self.pixels = 0
        self.low, self.high = np.inf, -np.inf
        self._total = self._squares = 0.0
        self._kept: list[Float[np.ndarray, " n"]] = []
        self._num_kept, self._stride = 0, 1

    def add(self, values: Float[np.ndarray, " P"]) -> None:
        """Adds the values of an image."""
        exact = values.astype(np.float64)
        self.pixels += len(values)
        self.low, self.high = min(self.low, float(exact.min())), max(self.high, float(exact.max()))
        self._total += float(exact.sum())
        self._squares += float((exact**2).sum())
        places = np.linspace(0, len(values) - 1, min(KEPT_VALUES, len(values))).round().astype(int)
        self._kept.append(values[places[:: self._stride]])
        self._num_kept += len(self._kept[-1])
        if self._num_kept > MOST_KEPT:
            self._kept = [np.concatenate(self._kept)[::2]]
            self._num_kept, self._stride = len(self._kept[0]), 2 * self._stride

    def with_values_of(self, other: "ChannelStatistics") -> "ChannelStatistics":
        """Statistics of the values of both."""
        both = ChannelStatistics()
        both.pixels = self.pixels + other.pixels
        both.low, both.high = min(self.low, other.low), max(self.high, other.high)
        both._total, both._squares = self._total + other._total, self._squares + other._squares
        both._kept = self._kept + other._kept
        return both

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return self._total / self.pixels

    @property
    def deviation(self) -> float:
        """Standard deviation of the values."""
        return max(0.0, self._squares / self.pixels - self.mean**2) ** 0.5

    def percentiles(self, percentages: tuple[float | int, ...]) -> tuple[float, ...]:
        """Percentiles of the values that are kept."""
        return tuple(float(x) for x in np.percentile(np.concatenate(self._kept), percentages))


class ValueStatistics:
    """Statistics of images by channel; a gray image counts in every channel of coloured ones."""

    def __init__(self) -> None:
        """Starts without images."""
        self._by_channels: dict[int, list[ChannelStatistics]] = {}

    def add(self, image: Float[np.ndarray, "H W C"]) -> None:
        """Adds an image."""
        number = image.shape[-1]
        known = self._by_channels.setdefault(number, [ChannelStatistics() for _ in range(number)])
        for channel, values in zip(known, np.moveaxis(image, -1, 0), strict=True):
            channel.add(values.ravel())

    @property
    def channels(self) -> list[ChannelStatistics]:
        """The statistics of each channel; empty before the first image."""
        if not self._by_channels:
            return []
        found = self._by_channels[max(self._by_channels)]
        gray = self._by_channels.get(1)
        if gray is None or found is gray:
            return found
        return [channel.with_values_of(gray[0]) for channel in found]

    def intensities(self, config: FolderConfig) -> Intensities:
        """The values that become 0 and 1, by the configuration.

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
