"""From an image to features at every level."""

import haiku as hk
from jaxtyping import Array, Float

from hpunet.models.blocks import Level, halve
from hpunet.models.hierarchical.config import ModelConfig


class Encoder(hk.Module):
    """The contracting path: residual blocks at each level, 2x2 mean pooling between levels."""

    def __init__(self, config: ModelConfig, name: str) -> None:
        """Sets the network's shape."""
        super().__init__(name=name)
        self._config = config

    def __call__(self, inputs: Float[Array, "B H W C"]) -> list[Float[Array, "B _h _w _D"]]:
        """Features of every level, level 0 (full resolution) first."""
        features = []
        for level in range(self._config.num_levels):
            inputs = build_level(self._config, level)(inputs if level == 0 else halve(inputs))
            features.append(inputs)
        return features


def build_level(config: ModelConfig, level: int) -> Level:
    """The residual blocks that a network of this shape has at a level."""
    return Level(
        config.channels_per_block[level],
        config.inner_channels[level],
        config.convs_per_block,
        config.blocks_per_level,
        name=f"level_{level}",
    )
