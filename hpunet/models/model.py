"""The model as a handful of pure functions."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from hpunet.models import check
from hpunet.models.hierarchical.config import ModelConfig
from hpunet.models.hierarchical.network import build_network
from hpunet.models.hierarchical.reference_order import in_reference_order
from hpunet.models.hierarchical.unet import Encoded, HierarchicalUNet, PosteriorPass
from hpunet.models.initialization import Parameter, Params, draw_parameters, list_parameters
from hpunet.models.noise import draw_noise

Latents = list[Float[Array, "S B _h _w _L"] | None]


def samples_at_once() -> int:
    """Samples that are decoded side by side; more follow each other, so that memory stays bounded.

    A CPU takes fewer: what it works on then stays in its caches.
    """
    return 4 if jax.default_backend() == "cpu" else 16


class Model:
    """A Hierarchical Probabilistic U-Net as pure functions of parameters, key and arrays.

    Every function may be called with NumPy or JAX arrays, inside or outside of `jax.jit`. Images
    are float `[B, H, W, C]`, height and width multiples of `2**(levels - 1)`.

    Attributes:
        config: The network's shape.
        network: The same network without checks, for training.
    """

    def __init__(self, config: ModelConfig, precision: str = "float32") -> None:
        """Builds the network; no array is made.

        Args:
            config: The network's shape.
            precision: What features and convolutions are computed in, `float32` or `bfloat16`;
                weights and results are float32 in both.

        Raises:
            ValueError: If `config` is no `ModelConfig`, or the precision is another.
        """
        check.network(config)
        self.config = config
        self.network = build_network(config, precision)
        self._sample = jax.jit(self._sample_unchecked, static_argnames=("num_samples", "mean"))
        self._reconstruct = jax.jit(self._reconstruct_unchecked)

    def init(self, key: Key[Array, ""], image: ArrayLike, segmentation: ArrayLike) -> Params:
        """First weights: orthogonal kernels, biases truncated normal with deviation 0.001.

        Args:
            key: Decides every weight.
            image: An image `[B, H, W, C]`; only its shape matters.
            segmentation: One-hot `[B, H, W, K]`; only its shape matters.

        Returns:
            Haiku's tree `{module: {"w": ..., "b": ...}}`, float32.

        Raises:
            ValueError: If the shapes do not fit the network.
        """
        image = check.image(image, self.config)
        segmentation = check.segmentation(segmentation, image, self.config)
        return draw_parameters(check.single_key(key), self.list_parameters(image.shape[-1]))

    def list_parameters(self, image_channels: int) -> list[Parameter]:
        """Module, name, shape and initialiser of every weight, in the order of the reference.

        Args:
            image_channels: Channels of the images that the network is for.
        """
        return list(_list_parameters(self.config, image_channels))

    def sample(
        self,
        params: Params,
        key: Key[Array, "..."] | None,
        image: ArrayLike,
        *,
        num_samples: int = 1,
        mean: bool | np.bool_ | Sequence[bool | np.bool_] | np.ndarray = False,
        latents: Sequence[ArrayLike | None] | None = None,
        temperature: float | int | np.number = 1.0,
    ) -> Float[Array, "S B H W K"]:
        """Draws segmentations of an image from the prior.

        The image is encoded once. Sample s of image b depends on that image's key folded with s
        alone, so 8 samples are the first 8 of 16.

        Args:
            params: The network's weights.
            key: One key (folded with each image's position in the batch), one key an image, or
                None where no scale is drawn.
            image: `[B, H, W, C]`.
            num_samples: Samples an image.
            mean: Takes the prior's mean instead of a draw, at all scales or, coarsest first, at
                the scales marked True.
            latents: For each scale, coarsest first, the latent `[B, h, w, L]` or `[S, B, h, w, L]`
                to be used, or None.
            temperature: Factor on the prior's standard deviations wherever a latent is drawn; 1 is
                the distribution that was learned, 0 its mean.

        Returns:
            Logits of every class.

        Raises:
            ValueError: If a shape does not fit, a key is missing, a scale is named by both `mean`
                and `latents`, or the temperature is negative or not finite.
        """
        image = check.image(image, self.config)
        check.channels(image, params)
        check.count("num_samples", num_samples)
        check.temperature(temperature)
        given = check.latents(latents, num_samples, image.shape, self.config)
        means = check.mean_scales(mean, given, self.config)
        drawn = [not m and z is None for m, z in zip(means, given, strict=True)]
        keys = check.image_keys(key, image.shape[0]) if any(drawn) else None
        return self._sample(
            params,
            keys,
            image,
            given,
            jnp.float32(temperature),
            num_samples=num_samples,
            mean=means,
        )

    def _sample_unchecked(
        self,
        params: Params,
        keys: Key[Array, " B"] | None,
        image: Float[Array, "B H W C"],
        given: Latents,
        temperature: Float[Array, ""],
        num_samples: int,
        mean: tuple[bool, ...],
    ) -> Float[Array, "S B H W K"]:
        encoded = self.network.encode(params, image)

        def decode(number: Array, latents: list[Array | None]) -> Float[Array, "B H W K"]:
            return self.decode_sample(params, keys, encoded, number, mean, temperature, latents)

        samples = (jnp.arange(num_samples), given)
        at_once = samples_at_once()
        if num_samples <= at_once:
            return jax.vmap(decode)(*samples)
        return jax.lax.map(lambda pair: decode(*pair), samples, batch_size=at_once)

    def decode_sample(
        self,
        params: Params,
        keys: Key[Array, " B"] | None,
        encoded: Encoded,
        number: Int[Array, ""] | int,
        mean: Sequence[bool],
        temperature: Float[Array, ""] | float = 1.0,
        latents: Sequence[Array | None] | None = None,
    ) -> Float[Array, "B H W K"]:
        """One sample of images that `network.encode` has encoded; without checks.

        For programs that encode once and decode when they have room; up to rounding, it gives what
        `sample` gives.

        Args:
            params: The network's weights.
            keys: One key an image, or None where no scale is drawn.
            encoded: What `network.encode` gave.
            number: Which sample; it is folded into the keys.
            mean: For each scale, coarsest first, whether the prior's mean is taken.
            temperature: Factor on the prior's standard deviations.
            latents: For each scale the latent `[B, h, w, L]` to be used, or None.

        Returns:
            Logits of every class.
        """
        shapes = self.config.latent_shapes(*encoded.image_size)
        none: list[Array | None] = [None] * len(shapes)
        noise = none
        if keys is not None:
            sample_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)
            draws = draw_noise(sample_keys, shapes).latents
            noise = [None if m else temperature * n for m, n in zip(mean, draws, strict=True)]
        return self.network.decode(params, encoded, noise, none if latents is None else latents)

    def reconstruct(
        self,
        params: Params,
        key: Key[Array, "..."] | None,
        image: ArrayLike,
        segmentation: ArrayLike,
        *,
        mean: bool | np.bool_ = False,
    ) -> Float[Array, "B H W K"]:
        """Rebuilds a segmentation from the posterior's latents.

        Args:
            params: The network's weights.
            key: One key, one key an image, or None where `mean` is True.
            image: `[B, H, W, C]`.
            segmentation: One-hot `[B, H, W, K]`.
            mean: Takes the posterior's means instead of a draw.

        Returns:
            Logits of every class.

        Raises:
            ValueError: If a shape does not fit, a key is missing or `mean` is no bool.
        """
        image = check.image(image, self.config)
        check.channels(image, params)
        segmentation = check.segmentation(segmentation, image, self.config)
        keys = None if check.boolean("mean", mean) else check.image_keys(key, image.shape[0])
        return self._reconstruct(params, keys, image, segmentation)

    def _reconstruct_unchecked(
        self,
        params: Params,
        keys: Key[Array, " B"] | None,
        image: Float[Array, "B H W C"],
        segmentation: Float[Array, "B H W K"],
    ) -> Float[Array, "B H W K"]:
        shapes = self.config.latent_shapes(*image.shape[1:3])
        noise: list[Array | None] = [None] * len(shapes)
        if keys is not None:
            noise = list(draw_noise(keys, shapes).latents)
        return self.network.forward(params, image, segmentation, noise).logits


# Tracing the LIDC network takes half a second, and a command asks several times.
@functools.cache
def _list_parameters(config: ModelConfig, image_channels: int) -> tuple[Parameter, ...]:
    side = 2 ** (config.num_levels - 1)
    image = jax.ShapeDtypeStruct((1, side, side, image_channels), jnp.float32)
    segmentation = jax.ShapeDtypeStruct((1, side, side, config.num_classes), jnp.float32)
    mean = [None] * config.num_scales

    def forward(image: Array, segmentation: Array) -> PosteriorPass:
        return HierarchicalUNet(config)(image, segmentation, mean)

    return tuple(in_reference_order(list_parameters(forward, image, segmentation), config))


def build_model(config: ModelConfig, precision: str = "float32") -> Model:
    """The network of this shape as pure functions; see `Model`."""
    return Model(config, precision)
