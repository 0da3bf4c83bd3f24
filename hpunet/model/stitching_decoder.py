"""From the prior's last features through the remaining levels to the logits."""

from collections.abc import Sequence

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.model.blocks import conv, double
from hpunet.model.encoder import build_level
from hpunet.model.model_config import ModelConfig


class StitchingDecoder(hk.Module):
    """The part of the expanding path above the latents.

    Reference: Kohl et al. 2019, appendix A; `_StitchingDecoder` in the reference's model.
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        """Sets the network's shape."""
        super().__init__(name=name)
        self._config = config

    def __call__(
        self, encoded: Sequence[Float[Array, "B _h _w _C"]], features: Float[Array, "B h w D"]
    ) -> Float[Array, "B H W K"]:
        """Logits of every class.

        Args:
            encoded: The prior encoder's features of every level, level 0 first.
            features: The prior decoder's last features.
        """
        first_level = self._config.num_levels - self._config.num_scales - 2
        for level in range(first_level, -1, -1):
            features = jnp.concatenate([double(features), encoded[level]], axis=-1)
            features = build_level(self._config, level)(features)
        return conv(self._config.num_classes, 1, "logits")(features)
