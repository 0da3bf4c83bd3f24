"""From an encoder's features to latents, coarse to fine, and on to features."""

from collections.abc import Sequence
from typing import NamedTuple

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.model import gaussian
from hpunet.model.blocks import conv, double
from hpunet.model.encoder import build_level
from hpunet.model.gaussian import DiagonalGaussian
from hpunet.model.model_config import ModelConfig

PerScale = Sequence[Float[Array, "B _h _w _L"] | None]


class DecoderOutput(NamedTuple):
    """What a hierarchical decoder computes.

    Attributes:
        distributions: Distribution of the latent at each scale, coarsest first, each `[B, h, w, L]`
            and conditioned on the latents of the coarser scales.
        latents: The latents that were used, likewise.
        features: Features `[B, h, w, C]` one level above the finest latent.
    """

    distributions: list[DiagonalGaussian]
    latents: list[Float[Array, "B h w L"]]
    features: Float[Array, "B h w C"]


class HierarchicalDecoder(hk.Module):
    """The part of the expanding path that draws latents.

    At each scale a 1x1 convolution gives the latent's distribution; the latent is put in front of
    the features, both are upsampled, the encoder's features of the next level go behind them, and
    the residual blocks of that level follow.

    Reference: Kohl et al. 2019, figure 2; `_HierarchicalCore` in the reference's model.
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        """Sets the network's shape."""
        super().__init__(name=name)
        self._config = config

    def __call__(
        self, encoded: Sequence[Float[Array, "B _h _w _C"]], noise: PerScale, given: PerScale
    ) -> DecoderOutput:
        """Draws the latents, or takes those that are given.

        Args:
            encoded: The encoder's features of every level, level 0 first.
            noise: Standard normal noise for each scale, coarsest first; None takes the mean.
            given: The latent itself for each scale, or None where it is to be drawn.
        """
        distributions, latents = [], []
        features = encoded[-1]
        for scale in range(self._config.num_scales):
            distribution = self._distribution(features, scale)
            latent = _choose_latent(distribution, noise[scale], given[scale])
            distributions.append(distribution)
            latents.append(latent)
            level = self._config.level_of_scale(scale) - 1
            features = double(jnp.concatenate([latent, features], axis=-1))
            features = jnp.concatenate([features, encoded[level]], axis=-1)
            features = build_level(self._config, level)(features)
        return DecoderOutput(distributions, latents, features)

    @hk.transparent
    def _distribution(self, features: Float[Array, "B h w C"], scale: int) -> DiagonalGaussian:
        channels = 2 * self._config.latent_dims[scale]
        return gaussian.from_parameters(conv(channels, 1, f"latent_{scale}")(features))


def _choose_latent(
    distribution: DiagonalGaussian,
    noise: Float[Array, "B h w L"] | None,
    given: Float[Array, "B h w L"] | None,
) -> Float[Array, "B h w L"]:
    if given is not None:
        return given
    return distribution.loc if noise is None else gaussian.sample(distribution, noise)
