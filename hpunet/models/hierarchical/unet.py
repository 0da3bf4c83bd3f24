"""The Hierarchical Probabilistic U-Net: prior, posterior and stitching decoder.

Reference: Kohl et al. 2019, section 2 and appendix A; `HierarchicalProbUNet` in the reference's
model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.models import gaussian
from hpunet.models.blocks import Conv, Level, Upper, halve
from hpunet.models.gaussian import DiagonalGaussian
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.network import ForwardPass

PerScale = Sequence[Float[Array, "B _h _w _L"] | None]


class Encoder(hk.Module):
    """The contracting path: residual blocks at each level, with 2x2 mean pooling in between."""

    def __init__(self, config: HierarchicalConfig, form: str, name: str) -> None:
        """Sets the settings of the network and the form of its convolutions."""
        super().__init__(name=name)
        self._config = config
        self._form = form

    def __call__(self, inputs: Float[Array, "B H W C"]) -> list[Float[Array, "B _h _w _D"]]:
        """Computes the features of every level, level 0 (full resolution) first."""
        features = []
        for level in range(self._config.num_levels):
            inputs = build_level(self._config, level, self._form)(
                inputs if level == 0 else halve(inputs)
            )
            features.append(inputs)
        return features


def build_level(config: HierarchicalConfig, level: int, form: str) -> Level:
    """Builds the residual blocks of a level."""
    return Level(
        config.channels_per_block[level],
        config.inner_channels[level],
        config.convs_per_block,
        config.blocks_per_level,
        form,
        name=f"level_{level}",
    )


class DecoderOutput(NamedTuple):
    """The result of a hierarchical decoder.

    Attributes:
        distributions: Distribution of the latent at each scale, coarsest first, each `[B, h, w, L]`
            and conditioned on the latents of the coarser scales.
        latents: The latents that were drawn or given, in the same order and shape.
        features: Features `[B, h, w, C]` one level above the finest latent.
    """

    distributions: list[DiagonalGaussian]
    latents: list[Float[Array, "B h w L"]]
    features: Float[Array, "B h w C"]


class HierarchicalDecoder(hk.Module):
    """The part of the expanding path that draws latents.

    At each scale, a 1x1 convolution computes the distribution of the latent. The latent and the
    features are concatenated in this order, upsampled, and concatenated with the encoder's features
    of the next level. The residual blocks of that level follow. The contribution of the encoder's
    features does not depend on the latents, so `of_upper` computes it separately.

    Reference: Kohl et al. 2019, figure 2; `_HierarchicalCore` in the reference's model.
    """

    def __init__(self, config: HierarchicalConfig, form: str, name: str) -> None:
        """Sets the settings of the network and the form of its convolutions."""
        super().__init__(name=name)
        self._config = config
        self._form = form

    @hk.name_like("__call__")
    def of_upper(self, encoded: Sequence[Float[Array, "B _h _w _C"]]) -> list[Upper]:
        """Computes the contribution of the encoder to the level above each scale, coarsest first.

        Args:
            encoded: The encoder's features of every level, level 0 first.
        """
        uppers = []
        for scale, latent_dim in enumerate(self._config.latent_dims):
            level = self._config.level_of_scale(scale) - 1
            lower_channels = latent_dim + self._config.channels_per_block[level + 1]
            uppers.append(
                build_level(self._config, level, self._form).of_upper(
                    encoded[level], lower_channels
                )
            )
        return uppers

    def __call__(
        self,
        coarsest: Float[Array, "B h w C"],
        uppers: Sequence[Upper],
        noise: PerScale,
        given: PerScale,
    ) -> DecoderOutput:
        """Computes distributions, latents and features of all scales.

        Args:
            coarsest: The encoder's features of the coarsest level.
            uppers: Result of `of_upper`.
            noise: Standard normal noise for each scale, coarsest first; None selects the mean.
            given: The latent of each scale, or None to draw it.
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
            features = build_level(self._config, level, self._form)(lower, uppers[scale])
        return DecoderOutput(distributions, latents, features)

    @hk.transparent
    def _distribution(self, features: Float[Array, "B h w C"], scale: int) -> DiagonalGaussian:
        channels = 2 * self._config.latent_dims[scale]
        return gaussian.from_parameters(Conv(channels, 1, self._form, f"latent_{scale}")(features))


def _choose_latent(
    distribution: DiagonalGaussian,
    noise: Float[Array, "B h w L"] | None,
    given: Float[Array, "B h w L"] | None,
) -> Float[Array, "B h w L"]:
    if given is not None:
        return given
    return distribution.loc if noise is None else gaussian.sample(distribution, noise)


class StitchingDecoder(hk.Module):
    """The part of the expanding path above the latents.

    Reference: Kohl et al. 2019, appendix A; `_StitchingDecoder` in the reference's model.
    """

    def __init__(self, config: HierarchicalConfig, form: str, name: str) -> None:
        """Sets the settings of the network and the form of its convolutions."""
        super().__init__(name=name)
        self._config = config
        self._form = form

    @hk.name_like("__call__")
    def of_upper(self, encoded: Sequence[Float[Array, "B _h _w _C"]]) -> list[Upper]:
        """Computes the contribution of the encoder to each remaining level, coarsest first.

        Args:
            encoded: The prior encoder's features of every level, level 0 first.
        """
        channels = self._config.channels_per_block
        return [
            build_level(self._config, level, self._form).of_upper(
                encoded[level], channels[level + 1]
            )
            for level in self._levels
        ]

    def __call__(
        self, features: Float[Array, "B h w D"], uppers: Sequence[Upper]
    ) -> Float[Array, "B H W K"]:
        """Computes the logits of every class.

        Args:
            features: The prior decoder's last features.
            uppers: Result of `of_upper`.
        """
        for level, upper in zip(self._levels, uppers, strict=True):
            features = build_level(self._config, level, self._form)(features, upper)
        return Conv(self._config.num_classes, 1, self._form, "logits")(features)

    @property
    def _levels(self) -> range:
        return range(self._config.num_levels - self._config.num_scales - 2, -1, -1)


class Encoded(NamedTuple):
    """An encoded image: the encoder's contributions, which no latent changes.

    Attributes:
        coarsest: Features of the coarsest level.
        prior_decoder: Contributions to the level above each scale, coarsest first.
        stitching_decoder: Contributions to the remaining levels, coarsest first.
    """

    coarsest: Float[Array, "B h w C"]
    prior_decoder: list[Upper]
    stitching_decoder: list[Upper]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        finest = (self.prior_decoder + self.stitching_decoder)[-1]
        height, width = finest.skip.shape[1:3]
        return height, width


class HierarchicalUNet:
    """The Hierarchical Probabilistic U-Net: prior and posterior cores, and a stitching decoder.

    The class is not a Haiku module, so its five parts are at the top of the parameter tree.

    Reference: Kohl et al. 2019, section 2; `HierarchicalProbUNet` in the reference's model.
    """

    def __init__(self, config: HierarchicalConfig, form: str) -> None:
        """Builds the parts; call it inside a Haiku transform."""
        self._none: list[None] = [None] * config.num_scales
        self._prior_encoder = Encoder(config, form, name="prior_encoder")
        self._prior_decoder = HierarchicalDecoder(config, form, name="prior_decoder")
        self._posterior_encoder = Encoder(config, form, name="posterior_encoder")
        self._posterior_decoder = HierarchicalDecoder(config, form, name="posterior_decoder")
        self._stitching_decoder = StitchingDecoder(config, form, name="stitching_decoder")

    def encode(self, image: Float[Array, "B H W C"]) -> Encoded:
        """Encodes an image for `decode`."""
        features = self._prior_encoder(image)
        return Encoded(
            features[-1],
            self._prior_decoder.of_upper(features),
            self._stitching_decoder.of_upper(features),
        )

    def decode(self, encoded: Encoded, noise: PerScale, given: PerScale) -> Float[Array, "B H W K"]:
        """Computes the logits of one sample, with latents from the prior or given."""
        decoded = self._prior_decoder(encoded.coarsest, encoded.prior_decoder, noise, given)
        return self._stitching_decoder(decoded.features, encoded.stitching_decoder)

    def prior(self, encoded: Encoded) -> list[DiagonalGaussian]:
        """Computes the prior at each scale, conditioned on the means of the coarser latents."""
        means = self._none
        decoded = self._prior_decoder(encoded.coarsest, encoded.prior_decoder, means, means)
        return decoded.distributions

    def __call__(
        self,
        image: Float[Array, "B H W C"],
        segmentation: Float[Array, "B H W K"],
        noise: PerScale,
    ) -> ForwardPass:
        """Draws latents from the posterior and decodes them.

        Args:
            image: The image.
            segmentation: One-hot segmentation of the image.
            noise: Standard normal noise of the posterior at each scale; zeros select the mean.
        """
        pair = self._posterior_encoder(jnp.concatenate([segmentation, image], axis=-1))
        uppers = self._posterior_decoder.of_upper(pair)
        posterior = self._posterior_decoder(pair[-1], uppers, noise, self._none)
        encoded = self.encode(image)
        prior = self._prior_decoder(
            encoded.coarsest, encoded.prior_decoder, self._none, posterior.latents
        )
        logits = self._stitching_decoder(prior.features, encoded.stitching_decoder)
        pairs = zip(posterior.distributions, prior.distributions, strict=True)
        kl = [jnp.sum(gaussian.kl_divergence(q, p), axis=(1, 2)) for q, p in pairs]
        return ForwardPass(logits, kl, posterior.distributions, prior.distributions)
