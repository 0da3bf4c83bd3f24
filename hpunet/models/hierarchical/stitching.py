"""From the prior's last features through the remaining levels to the logits."""

from collections.abc import Sequence

import haiku as hk
from jaxtyping import Array, Float

from hpunet.models.blocks import Conv, Upper
from hpunet.models.hierarchical.config import ModelConfig
from hpunet.models.hierarchical.encoder import build_level


class StitchingDecoder(hk.Module):
    """The part of the expanding path above the latents.

    Reference: Kohl et al. 2019, appendix A; `_StitchingDecoder` in the reference's model.
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        """Sets the network's shape."""
        super().__init__(name=name)
        self._config = config

    @hk.name_like("__call__")
    def of_upper(self, encoded: Sequence[Float[Array, "B _h _w _C"]]) -> list[Upper]:
        """Share of the encoder's features at each of the remaining levels, coarsest first.

        Args:
            encoded: The prior encoder's features of every level, level 0 first.
        """
        channels = self._config.channels_per_block
        return [
            build_level(self._config, level).of_upper(encoded[level], channels[level + 1])
            for level in self._levels
        ]

    def __call__(
        self, features: Float[Array, "B h w D"], uppers: Sequence[Upper]
    ) -> Float[Array, "B H W K"]:
        """Logits of every class.

        Args:
            features: The prior decoder's last features.
            uppers: What `of_upper` gave.
        """
        for level, upper in zip(self._levels, uppers, strict=True):
            features = build_level(self._config, level)(features, upper)
        return Conv(self._config.num_classes, 1, "logits")(features)

    @property
    def _levels(self) -> range:
        return range(self._config.num_levels - self._config.num_scales - 2, -1, -1)
