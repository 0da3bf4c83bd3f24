"""The public interface of a model: checked, pure functions."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from hpunet.models import check
from hpunet.models.base import ModelConfig, build_network
from hpunet.models.initialization import Parameter, Params, draw_parameters

Latents = list[Float[Array, "S B _h _w _L"] | None]


def samples_at_once() -> int:
    """Returns the number of samples that are decoded in parallel.

    Larger numbers of samples are decoded in several portions, which bounds memory. The number is
    smaller on a CPU, so that the working set fits into its caches.
    """
    return 4 if jax.default_backend() == "cpu" else 16


class Model:
    """A model as pure functions of parameters, key and arrays.

    Every function accepts NumPy or JAX arrays, inside and outside of `jax.jit`. Images are
    floating-point `[B, H, W, C]`, with height and width multiples of `config.size_multiple`.

    Attributes:
        config: The settings of the model, such as a `HierarchicalConfig`.
        network: The functions without checks, for training.
    """

    def __init__(
        self, config: ModelConfig, precision: str = "float32", convolution: str = "fast"
    ) -> None:
        """Builds the functions, without creating arrays.

        Args:
            config: The settings of the model.
            precision: Number format of features and convolutions, `float32` or `bfloat16`;
                weights and results are float32 in both.
            convolution: `fast` for the fastest form on the platform, or `portable` for plain
                operations that can be exported.

        Raises:
            ValueError: If `config` is not the configuration of a model, or `precision` or
                `convolution` is not an allowed value.
        """
        check.model_config(config)
        self.config = config
        self.network = build_network(config, precision, convolution=convolution)
        self._sample = jax.jit(self._sample_unchecked, static_argnames="num_samples")
        self._reconstruct = jax.jit(self._reconstruct_unchecked)

    def init(self, key: Key[Array, ""], image: ArrayLike, segmentation: ArrayLike) -> Params:
        """Draws initial weights.

        Kernels are orthogonal. Biases are truncated normal with standard deviation 0.001.

        Args:
            key: A single key; determines every weight.
            image: `[B, H, W, C]`; only the shape is used.
            segmentation: One-hot `[B, H, W, K]`; only the shape is used.

        Returns:
            Haiku's tree `{module: {"w": ..., "b": ...}}`, float32.

        Raises:
            ValueError: If a shape does not fit the network, or `key` is not a single key.

        Example:
            >>> import jax, numpy as np
            >>> import hpunet
            >>> config = hpunet.HierarchicalConfig((1,), (4, 4), convs_per_block=1)
            >>> model = hpunet.build_model(config)
            >>> image, segmentation = np.zeros((1, 8, 8, 1), "f"), np.zeros((1, 8, 8, 2), "f")
            >>> params = model.init(jax.random.key(0), image, segmentation)
            >>> params["prior_encoder/level_0/block_0/conv_0"]["w"].shape
            (3, 3, 1, 2)
        """
        image = check.image(image, self.config)
        segmentation = check.segmentation(segmentation, image, self.config)
        return draw_parameters(check.single_key(key), self.list_parameters(image.shape[-1]))

    def image_channels(self, params: Params) -> int:
        """Returns the number of image channels that the weights expect.

        Raises:
            ValueError: If `params` are not weights of this model.

        Example:
            >>> import jax, numpy as np
            >>> import hpunet
            >>> config = hpunet.HierarchicalConfig((1,), (4, 4), convs_per_block=1)
            >>> model = hpunet.build_model(config)
            >>> image, segmentation = np.zeros((1, 8, 8, 3), "f"), np.zeros((1, 8, 8, 2), "f")
            >>> model.image_channels(model.init(jax.random.key(0), image, segmentation))
            3
        """
        return check.image_channels(params, self.config)

    def list_parameters(self, image_channels: int) -> list[Parameter]:
        """Lists module, name, shape and initialiser of every weight, in the reference's order.

        Args:
            image_channels: Number of channels of the images.

        Example:
            >>> import hpunet
            >>> model = hpunet.build_model(hpunet.HierarchicalConfig((1,), (4, 4)))
            >>> first, *_, last = model.list_parameters(image_channels=1)
            >>> last.module, last.name, last.shape
            ('stitching_decoder/logits', 'b', (2,))
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

        The image is encoded once. Sample s of image b depends only on the key of that image folded
        with s, so 8 samples are the first 8 of 16.

        Args:
            params: Weights of the model.
            key: One key, which is folded with each image's position in the batch; one key per
                image; or None if no scale is drawn.
            image: `[B, H, W, C]`.
            num_samples: Samples per image, S.
            mean: Uses the prior's mean instead of a draw. One bool for all scales, or one per
                scale, coarsest first.
            latents: For each scale, coarsest first, None or the latent to use, `[B, h, w, L]` or
                `[S, B, h, w, L]`.
            temperature: Factor on the prior's standard deviations of the latents that are drawn, at
                least 0. With 1, samples follow the learned distribution; with 0, they use its mean.

        Returns:
            Logits `[S, B, H, W, K]`, float32.

        Raises:
            ValueError: If a shape does not fit, a key is missing, a scale is set by both `mean`
                and `latents`, or the temperature is negative or not finite.

        Example:
            >>> import jax, numpy as np
            >>> import hpunet
            >>> config = hpunet.HierarchicalConfig((1,), (4, 4), convs_per_block=1)
            >>> model = hpunet.build_model(config)
            >>> image, segmentation = np.zeros((1, 8, 8, 1), "f"), np.zeros((1, 8, 8, 2), "f")
            >>> params = model.init(jax.random.key(0), image, segmentation)
            >>> model.sample(params, jax.random.key(1), image, num_samples=3).shape
            (3, 1, 8, 8, 2)
            >>> model.sample(params, None, image, mean=True).shape
            (1, 1, 8, 8, 2)
        """
        image = check.image(image, self.config)
        check.channels(image, params, self.config)
        check.count("num_samples", num_samples)
        check.temperature(temperature)
        given = check.latents(latents, num_samples, image.shape, self.config)
        means = check.mean_scales(mean, given, self.config)
        drawn = self._draws(means, given)
        # If nothing is drawn, any key will do: its noise is multiplied by 0.
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
        # A model without latents may still draw random numbers, such as dropout masks.
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
        """Decodes one sample of encoded images, without checks.

        Use it to encode images once and to decode samples in portions. Up to rounding, the result
        equals that of `sample`.

        Args:
            params: Weights of the model.
            keys: One key per image.
            encoded: Result of `network.encode`.
            number: Number of the sample, from 0; it is folded into the keys.
            mean: For each scale, coarsest first, whether to use the prior's mean.
            temperature: Factor on the prior's standard deviations.
            latents: For each scale, coarsest first, the latent `[B, h, w, L]` to use, or None.

        Returns:
            Logits `[B, H, W, K]`, float32.

        Example:
            >>> import jax, numpy as np
            >>> import hpunet
            >>> config = hpunet.HierarchicalConfig((1,), (4, 4), convs_per_block=1)
            >>> model = hpunet.build_model(config)
            >>> image, segmentation = np.zeros((1, 8, 8, 1), "f"), np.zeros((1, 8, 8, 2), "f")
            >>> params = model.init(jax.random.key(0), image, segmentation)
            >>> encoded = model.network.encode(params, jax.numpy.asarray(image))
            >>> keys = jax.random.split(jax.random.key(1), 1)
            >>> model.decode_sample(params, keys, encoded, 0, mean=[False]).shape
            (1, 8, 8, 2)
        """
        size = self.network.image_size(encoded)
        noise = self.noise_of_sample(keys, size, number, mean, temperature)
        if latents is None:
            latents = [None] * self.config.num_scales
        return self.network.decode(params, encoded, noise, latents)

    def noise_of_sample(
        self,
        keys: Key[Array, " B"],
        image_size: tuple[int, int],
        number: Int[Array, ""] | int,
        mean: Sequence[bool] | Bool[Array, " scales"],
        temperature: Float[Array, ""] | float = 1.0,
    ) -> list[Array]:
        """Draws the noise of one sample, an argument of `network.decode`.

        Args:
            keys: One key per image.
            image_size: Height and width in pixels.
            number: Number of the sample, from 0; it is folded into the keys.
            mean: For each scale, coarsest first, whether to use the prior's mean.
            temperature: Factor on the prior's standard deviations.

        Returns:
            The noise of each scale, `[B, h, w, L]`, then other random arrays of the model.

        Example:
            >>> import jax
            >>> import hpunet
            >>> model = hpunet.build_model(hpunet.HierarchicalConfig((1,), (4, 4)))
            >>> keys = jax.random.split(jax.random.key(1), 1)
            >>> [noise.shape for noise in model.noise_of_sample(keys, (8, 8), 0, mean=[False])]
            [(1, 4, 4, 1)]
        """
        sample_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)
        draws = self.network.draw_noise(sample_keys, image_size, number)
        scales = self.config.num_scales
        latent_noise = [
            jnp.where(mean[scale], 0.0, temperature * n) for scale, n in enumerate(draws[:scales])
        ]
        return [*latent_noise, *draws[scales:]]

    def reconstruct(
        self,
        params: Params,
        key: Key[Array, "..."] | None,
        image: ArrayLike,
        segmentation: ArrayLike,
        *,
        mean: bool | np.bool_ = False,
    ) -> Float[Array, "B H W K"]:
        """Reconstructs a segmentation from latents of the posterior.

        Args:
            params: Weights of the model.
            key: One key, one key per image, or None if `mean` is True.
            image: `[B, H, W, C]`.
            segmentation: One-hot `[B, H, W, K]`.
            mean: Uses the posterior's means instead of a draw.

        Returns:
            Logits `[B, H, W, K]`, float32.

        Raises:
            ValueError: If the model has no posterior, a shape does not fit, a key is missing, or
                `mean` is not a bool.

        Example:
            >>> import jax, numpy as np
            >>> import hpunet
            >>> config = hpunet.HierarchicalConfig((1,), (4, 4), convs_per_block=1)
            >>> model = hpunet.build_model(config)
            >>> image, segmentation = np.zeros((1, 8, 8, 1), "f"), np.zeros((1, 8, 8, 2), "f")
            >>> params = model.init(jax.random.key(0), image, segmentation)
            >>> model.reconstruct(params, None, image, segmentation, mean=True).shape
            (1, 8, 8, 2)
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
    """Builds a model from its settings.

    Args:
        config: The settings of the model, such as a `HierarchicalConfig`.
        precision: Number format of features and convolutions, `float32` or `bfloat16`.
        convolution: `fast` for the fastest form on the platform, or `portable` for plain
            operations that can be exported.

    Raises:
        ValueError: If `config` is not the configuration of a model, or `precision` or
            `convolution` is not an allowed value.

    Example:
        >>> import hpunet
        >>> model = hpunet.build_model(hpunet.HierarchicalConfig(num_classes=3))
        >>> model.config.num_classes, model.config.size_multiple
        (3, 128)
    """
    return Model(config, precision, convolution)
