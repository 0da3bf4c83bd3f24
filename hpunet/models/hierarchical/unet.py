"""Prior, posterior and stitching decoder as one Hierarchical Probabilistic U-Net."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.models.blocks import Upper
from hpunet.models.gaussian import DiagonalGaussian
from hpunet.models.hierarchical.config import ModelConfig
from hpunet.models.hierarchical.decoder import HierarchicalDecoder, PerScale
from hpunet.models.hierarchical.encoder import Encoder
from hpunet.models.hierarchical.stitching import StitchingDecoder


class PosteriorPass(NamedTuple):
    """What training needs of one pass through the whole network.

    Attributes:
        logits: `[B, H, W, K]`, decoded from the posterior's latents.
        posterior: Distribution of the latent at each scale, coarsest first.
        prior: Likewise, conditioned on the posterior's latents of the coarser scales.
    """

    logits: Float[Array, "B H W K"]
    posterior: list[DiagonalGaussian]
    prior: list[DiagonalGaussian]


class Encoded(NamedTuple):
    """What decoding needs of an image: the share of its features that no latent changes.

    Attributes:
        coarsest: Features of the coarsest level.
        prior_decoder: Shares at the level above each scale, coarsest first.
        stitching_decoder: Shares at the remaining levels, coarsest first.
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
    """The Hierarchical Probabilistic U-Net: two cores with weights of their own, and a decoder.

    It is no Haiku module itself, so that its five parts stand at the top of the parameters' tree.

    Reference: Kohl et al. 2019, section 2; `HierarchicalProbUNet` in the reference's model.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Builds the parts; inside a Haiku transform."""
        self._none: list[None] = [None] * config.num_scales
        self._prior_encoder = Encoder(config, name="prior_encoder")
        self._prior_decoder = HierarchicalDecoder(config, name="prior_decoder")
        self._posterior_encoder = Encoder(config, name="posterior_encoder")
        self._posterior_decoder = HierarchicalDecoder(config, name="posterior_decoder")
        self._stitching_decoder = StitchingDecoder(config, name="stitching_decoder")

    def encode(self, image: Float[Array, "B H W C"]) -> Encoded:
        """All that sampling needs to know of an image."""
        features = self._prior_encoder(image)
        return Encoded(
            features[-1],
            self._prior_decoder.of_upper(features),
            self._stitching_decoder.of_upper(features),
        )

    def decode(self, encoded: Encoded, noise: PerScale, given: PerScale) -> Float[Array, "B H W K"]:
        """Logits of one sample, its latents drawn from the prior, at its mean, or given."""
        decoded = self._prior_decoder(encoded.coarsest, encoded.prior_decoder, noise, given)
        return self._stitching_decoder(decoded.features, encoded.stitching_decoder)

    def __call__(
        self,
        image: Float[Array, "B H W C"],
        segmentation: Float[Array, "B H W K"],
        noise: PerScale,
    ) -> PosteriorPass:
        """Draws latents from the posterior and decodes them.

        Args:
            image: The image.
            segmentation: One-hot segmentation of the image.
            noise: The posterior's standard normal noise at each scale; None takes the mean.
        """
        pair = self._posterior_encoder(jnp.concatenate([segmentation, image], axis=-1))
        uppers = self._posterior_decoder.of_upper(pair)
        posterior = self._posterior_decoder(pair[-1], uppers, noise, self._none)
        encoded = self.encode(image)
        prior = self._prior_decoder(
            encoded.coarsest, encoded.prior_decoder, self._none, posterior.latents
        )
        logits = self._stitching_decoder(prior.features, encoded.stitching_decoder)
        return PosteriorPass(logits, posterior.distributions, prior.distributions)
