"""From an encoder's features to latents, coarse to fine, and on to features."""

from collections.abc import Sequence
from typing import NamedTuple

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.models import gaussian
from hpunet.models.blocks import Conv, Upper
from hpunet.models.gaussian import DiagonalGaussian
from hpunet.models.hierarchical.config import ModelConfig
from hpunet.models.hierarchical.encoder import build_level

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
    the residual blocks of that level follow. What the encoder's features contribute there does not
    depend on the latents, and is computed apart.

    Reference: Kohl et al. 2019, figure 2; `_HierarchicalCore` in the reference's model.
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        """Sets the network's shape."""
        super().__init__(name=name)
        self._config = config

    @hk.name_like("__call__")
    def of_upper(self, encoded: Sequence[Float[Array, "B _h _w _C"]]) -> list[Upper]:
        """Share of the encoder's features at the level above each scale, coarsest first.

        Args:
            encoded: The encoder's features of every level, level 0 first.
        """
        uppers = []
        for scale, latent_dim in enumerate(self._config.latent_dims):
            level = self._config.level_of_scale(scale) - 1
            lower_channels = latent_dim + self._config.channels_per_block[level + 1]
            uppers.append(build_level(self._config, level).of_upper(encoded[level], lower_channels))
        return uppers

    def __call__(
        self,
        coarsest: Float[Array, "B h w C"],
        uppers: Sequence[Upper],
        noise: PerScale,
        given: PerScale,
    ) -> DecoderOutput:
        """Draws the latents, or takes those that are given.

        Args:
            coarsest: The encoder's features of the coarsest level.
            uppers: What `of_upper` gave.
            noise: Standard normal noise for each scale, coarsest first; None takes the mean.
            given: The latent itself for each scale, or None where it is to be drawn.
        """
        distributions, latents = [], []
        features = coarsest
        for scale in range(self._config.num_scales):
            distribution = self._distribution(features, scale)
            latent = _choose_latent(distribution, noise[scale], given[scale])
            distributions.append(distribution)
            latents.append(latent)
            level = self._config.level_of_scale(scale) - 1
            lower = jnp.concatenate([latent.astype(features.dtype), features], axis=-1)
            features = build_level(self._config, level)(lower, uppers[scale])
        return DecoderOutput(distributions, latents, features)

    @hk.transparent
    def _distribution(self, features: Float[Array, "B h w C"], scale: int) -> DiagonalGaussian:
        channels = 2 * self._config.latent_dims[scale]
        return gaussian.from_parameters(Conv(channels, 1, f"latent_{scale}")(features))


def _choose_latent(
    distribution: DiagonalGaussian,
    noise: Float[Array, "B h w L"] | None,
    given: Float[Array, "B h w L"] | None,
) -> Float[Array, "B h w L"]:
    if given is not None:
        return given
    return distribution.loc if noise is None else gaussian.sample(distribution, noise)
