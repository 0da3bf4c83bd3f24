"""Samples as class labels, of batches or of one image at a time in portions."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, PyTree, UInt8

from hpunet.imaging.fit import Blend, Fit, blends
from hpunet.inference.network_input import NetworkInput
from hpunet.io.errors import UserError
from hpunet.models.initialization import Params
from hpunet.models.model import Model, samples_at_once

# Label of pixels whose logits are not finite.
NOT_FINITE = 255
# Largest grid, in pixels, for which as many samples are decoded in parallel as in `Model.sample`.
PIXELS = 256 * 256


class Sampler(NamedTuple):
    """Functions of a model that return class labels, `NOT_FINITE` for logits that are not finite.

    Attributes:
        sample: `(params, keys, image, num_samples, mean) -> labels [S, B, H, W]`, for
            preprocessed intensities; `mean` as in `Model.sample`.
        reconstruct: `(params, image, labels) -> labels [B, H, W]`, from the posterior's means; None
            for a model without a posterior.
    """

    sample: Callable[..., Int[Array, "S B H W"]]
    reconstruct: Callable[..., Int[Array, "B H W"]] | None


def build_sampler(model: Model) -> Sampler:
    """Builds functions that return the most likely class of each pixel."""

    def sample(
        params: PyTree,
        keys: Key[Array, " B"],
        image: ArrayLike,
        num_samples: int,
        mean: Any = False,
    ) -> Array:
        return _labels(model.sample(params, keys, image, num_samples=num_samples, mean=mean))

    def reconstruct(params: PyTree, image: ArrayLike, labels: ArrayLike) -> Array:
        segmentation = jax.nn.one_hot(labels, model.config.num_classes)
        return _labels(model.reconstruct(params, None, image, segmentation, mean=True))

    return Sampler(sample, reconstruct if model.config.can_reconstruct else None)


def _labels(logits: Float[Array, "*B K"]) -> Int[Array, "*B"]:
    finite = jnp.isfinite(logits).all(axis=-1)
    return jnp.where(finite, jnp.argmax(logits, axis=-1), NOT_FINITE)


class SamplingOptions(NamedTuple):
    """A user's options for sampling.

    Attributes:
        num_samples: Samples per image.
        seed: Seed of the samples.
        mean: For each scale, coarsest first, whether to use the prior's mean.
        temperature: Factor on the prior's standard deviations.
    """

    num_samples: int
    seed: int
    mean: tuple[bool, ...]
    temperature: float = 1.0


class ImageSampler:
    """Draws class labels of one image at a time, independently of other images.

    Attributes:
        options: Options for sampling.
        num_classes: Classes, background included.
    """

    def __init__(self, model: Model, params: Params, options: SamplingOptions) -> None:
        """Compiles nothing yet.

        Args:
            model: The network.
            params: Its weights.
            options: Options for sampling.
        """
        self._params = params
        self.options = options
        self.num_classes = model.config.num_classes
        self._encode = jax.jit(model.network.encode)
        self._decode = jax.jit(functools.partial(_decode, model, options.mean))

    def __call__(self, given: NetworkInput) -> Iterator[UInt8[np.ndarray, "S H W"]]:
        """Draws the samples of an image in portions; the image is encoded once.

        Args:
            given: The image; inputs with equal salt have the same noise.

        Yields:
            Labels at the image's size, background outside the region; samples in order.

        Raises:
            UserError: If the network gives logits that are not finite.
        """
        fit, temperature = given.fit, self.options.temperature
        keys = jax.random.fold_in(jax.random.key(self.options.seed), given.salt)[None]
        encoded = self._encode(self._params, jnp.asarray(given.image[None]))
        rows, columns = blends(fit)
        top, left, bottom, right = fit.region
        for numbers, wanted in _portions(self.options.num_samples, portion_size(fit)):
            logits = self._decode(self._params, keys, encoded, numbers, temperature)
            drawn = _labels_of_region(logits, rows, columns, resampled=fit.resampled)
            inside = np.asarray(drawn)[:wanted]
            if (inside == NOT_FINITE).any():
                raise UserError(f"{given.name}: {_not_finite(self.options)}")
            labels = np.zeros((wanted, *fit.size), np.uint8)
            labels[:, top:bottom, left:right] = inside
            yield labels


def _not_finite(options: SamplingOptions) -> str:
    """What is said of an image whose logits are not finite, with what the user can change."""
    text = "the network gives NaN or infinity: the image is unlike its training data"
    if not options.temperature or all(options.mean):
        # Nothing is drawn from the prior: noise is not the cause.
        return f"{text}; --center takes a part of it"
    lower = f"a --temperature below {min(options.temperature, 1):g}"
    return f"{text}; {lower}, or --mean_scales=all or some scales, usually gives finite values"


def portion_size(fit: Fit) -> int:
    """Number of samples of an image that are decoded in parallel, by the size of its grid."""
    most = samples_at_once()
    return max(1, min(most, most * PIXELS // (fit.grid[0] * fit.grid[1])))


def _portions(num_samples: int, at_once: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yields the numbers of the samples of each portion, and how many of them are used.

    All portions have one size, so that one program serves them.
    """
    size = min(num_samples, at_once)
    for start in range(0, num_samples, size):
        yield np.arange(start, start + size), min(size, num_samples - start)


def _decode(
    model: Model,
    mean: tuple[bool, ...],
    params: Params,
    keys: Key[Array, " 1"],
    encoded: Any,
    numbers: Int[Array, " S"],
    temperature: Float[Array, ""],
) -> Float[Array, "S h w K"]:
    def decode(number: Int[Array, ""]) -> Float[Array, "h w K"]:
        return model.decode_sample(params, keys, encoded, number, mean, temperature)[0]

    return jax.vmap(decode)(numbers)


@functools.partial(jax.jit, static_argnames="resampled")
def _labels_of_region(
    logits: Float[Array, "S h w K"], rows: Blend, columns: Blend, *, resampled: bool
) -> UInt8[Array, "S R Q"]:
    """The most likely class of the region's pixels, `NOT_FINITE` for logits that are not finite."""
    at_pixels = logits[:, rows.below][:, :, columns.below]
    if resampled:
        at_rows = _between(
            logits[:, rows.below], logits[:, rows.above], rows.share[None, :, None, None]
        )
        at_pixels = _between(
            at_rows[:, :, columns.below],
            at_rows[:, :, columns.above],
            columns.share[None, None, :, None],
        )
    return _labels(at_pixels).astype(jnp.uint8)


def _between(below: Array, above: Array, share: ArrayLike) -> Array:
    return below + share * (above - below)
