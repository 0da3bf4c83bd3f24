"""The model as a handful of pure functions."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from hpunet.models import check
from hpunet.models.base import ModelConfig
from hpunet.models.initialization import Parameter, Params, draw_parameters

Latents = list[Float[Array, "S B _h _w _L"] | None]


def samples_at_once() -> int:
    """Samples that are decoded side by side; more follow each other, so that memory stays bounded.

    A CPU takes fewer: what it works on then stays in its caches.
    """
    return 4 if jax.default_backend() == "cpu" else 16


class Model:
    """A model as pure functions of parameters, key and arrays.

    Call every function with NumPy or JAX arrays, inside or outside of `jax.jit`. Images are float
    `[B, H, W, C]`, height and width multiples of `config.size_multiple`.

    Attributes:
        config: The model's settings, such as a `HierarchicalConfig`.
        network: The same model without checks, for training.
    """

    def __init__(
        self, config: ModelConfig, precision: str = "float32", convolution: str = "fast"
    ) -> None:
        """Builds the network; no array is made.

        Args:
            config: The model's settings.
            precision: What features and convolutions are computed in, `float32` or `bfloat16`;
                weights and results are float32 in both.
            convolution: `fast`, in the form that is fastest on the platform, or `portable`, as
                plain operations for export.

        Raises:
            ValueError: If `config` is not the configuration of a model, or `precision` or
                `convolution` is none of the allowed values.
        """
        check.model_config(config)
        self.config = config
        self.network = config.build_network(precision, convolution=convolution)
        self._sample = jax.jit(self._sample_unchecked, static_argnames="num_samples")
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

    def image_channels(self, params: Params) -> int:
        """Number of channels of the images that weights are for.

        Raises:
            ValueError: If `params` are not weights of this model.
        """
        return check.image_channels(params, self.config)

    def list_parameters(self, image_channels: int) -> list[Parameter]:
        """Module, name, shape and initialiser of every weight, in the order of the reference.

        Args:
            image_channels: Channels of the images that the network is for.
        """
        return list(self.network.list_parameters(image_channels))

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
        check.channels(image, params, self.config)
        check.count("num_samples", num_samples)
        check.temperature(temperature)
        given = check.latents(latents, num_samples, image.shape, self.config)
        means = check.mean_scales(mean, given, self.config)
        drawn = self._draws(means, given)
        # Where nothing is drawn any key serves: its noise is multiplied by nothing but 0.
        keys = check.image_keys(key if drawn else jax.random.key(0), image.shape[0])
        return self._sample(
            params,
            keys,
            image,
            given,
            jnp.float32(temperature),
            jnp.asarray(means, bool),
            num_samples=num_samples,
        )

    def _draws(self, means: Sequence[bool], given: Sequence[Array | None]) -> bool:
        # A model without latents may still draw, such as dropout masks.
        drawn = [not m and z is None for m, z in zip(means, given, strict=True)]
        return any(drawn) or not drawn

    def _sample_unchecked(
        self,
        params: Params,
        keys: Key[Array, " B"],
        image: Float[Array, "B H W C"],
        given: Latents,
        temperature: Float[Array, ""],
        mean: Bool[Array, " scales"],
        num_samples: int,
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
        keys: Key[Array, " B"],
        encoded: Any,
        number: Int[Array, ""] | int,
        mean: Sequence[bool] | Bool[Array, " scales"],
        temperature: Float[Array, ""] | float = 1.0,
        latents: Sequence[Array | None] | None = None,
    ) -> Float[Array, "B H W K"]:
        """One sample of images that `network.encode` has encoded; without checks.

        For programs that encode once and decode when they have room; up to rounding, it gives what
        `sample` gives.

        Args:
            params: The network's weights.
            keys: One key an image.
            encoded: What `network.encode` gave.
            number: Which sample; it is folded into the keys.
            mean: For each scale, coarsest first, whether the prior's mean is taken.
            temperature: Factor on the prior's standard deviations.
            latents: For each scale the latent `[B, h, w, L]` to be used, or None.

        Returns:
            Logits of every class.
        """
        sample_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)
        draws = self.network.draw_noise(sample_keys, self.network.image_size(encoded), number)
        scales = self.config.num_scales
        latent_noise = [
            jnp.where(mean[scale], 0.0, temperature * n) for scale, n in enumerate(draws[:scales])
        ]
        noise = [*latent_noise, *draws[scales:]]
        if latents is None:
            latents = [None] * self.config.num_scales
        return self.network.decode(params, encoded, noise, latents)

    def reconstruct(
        self,
        params: Params,
        key: Key[Array, "..."] | None,
        image: ArrayLike,
        segmentation: ArrayLike,
        *,
        mean: bool | np.bool_ = False,
    ) -> Float[Array, "B H W K"]:
        """Rebuilds a segmentation from the posterior's latents, if the model has a posterior.

        Args:
            params: The network's weights.
            key: One key, one key an image, or None where `mean` is True.
            image: `[B, H, W, C]`.
            segmentation: One-hot `[B, H, W, K]`.
            mean: Takes the posterior's means instead of a draw.

        Returns:
            Logits of every class.

        Raises:
            ValueError: If the model has no posterior, a shape does not fit, a key is missing or
                `mean` is no bool.
        """
        if not self.config.can_reconstruct:
            raise ValueError(
                f"a {self.config.title} has no posterior and cannot reconstruct: allowed is sample"
            )
        image = check.image(image, self.config)
        check.channels(image, params, self.config)
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
        if keys is None:
            shapes = self.config.latent_shapes(*image.shape[1:3])
            noise = [jnp.zeros((image.shape[0], *shape)) for shape in shapes]
        else:
            noise = self.network.draw_noise(keys, image.shape[1:3], 0)
        return self.network.forward(params, image, segmentation, noise).logits


def build_model(
    config: ModelConfig, precision: str = "float32", convolution: str = "fast"
) -> Model:
    """The model of these settings as pure functions; see `Model`."""
    return Model(config, precision, convolution)
