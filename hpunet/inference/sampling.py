"""Samples as class labels, of batches or of one image at a time in portions."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, PyTree, UInt8

from hpunet.imaging.fit import Blend, Fit, blends
from hpunet.inference.network_input import NetworkInput
from hpunet.inference.prior_range import REMEDIES, UNLIKE, PriorRange, build_prior_extent
from hpunet.inference.windows import (
    Windows,
    decode_windows,
    encode_windows,
    is_larger,
    place_windows,
)
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


def build_sampler(model: Model, window: tuple[int, int] | None = None) -> Sampler:
    """Builds functions that return the most likely class of each pixel.

    Args:
        model: The model.
        window: Height and width of the windows in which larger images are drawn; None draws every
            image as a whole. Images are always reconstructed as a whole.
    """

    def sample(
        params: PyTree,
        keys: Key[Array, " B"],
        image: Float[Array, "B H W C"],
        num_samples: int,
        mean: Any = False,
    ) -> Array:
        if window is not None and is_larger(image.shape[1:3], window):
            return _labels(_sample_windows(model, params, keys, image, num_samples, mean, window))
        return _labels(model.sample(params, keys, image, num_samples=num_samples, mean=mean))

    def reconstruct(params: PyTree, image: ArrayLike, labels: ArrayLike) -> Array:
        segmentation = jax.nn.one_hot(labels, model.config.num_classes)
        return _labels(model.reconstruct(params, None, image, segmentation, mean=True))

    return Sampler(sample, reconstruct if model.config.can_reconstruct else None)


def _sample_windows(
    model: Model,
    params: PyTree,
    keys: Key[Array, " B"],
    image: Float[Array, "B H W C"],
    num_samples: int,
    mean: bool | Sequence[bool],
    window: tuple[int, int],
) -> Float[Array, "S B H W K"]:
    windows = place_windows((image.shape[1], image.shape[2]), window)
    encoded = encode_windows(model, params, image, windows)
    means = (mean,) * model.config.num_scales if isinstance(mean, bool) else mean

    def decode(number: Int[Array, ""]) -> Float[Array, "B H W K"]:
        return decode_windows(model, params, keys, encoded, number, means, 1.0, windows)

    return jax.lax.map(decode, jnp.arange(num_samples), batch_size=samples_at_once())


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
        window: Height and width of the windows in which a larger image is drawn; None draws every
            image as a whole.
    """

    num_samples: int
    seed: int
    mean: tuple[bool, ...]
    temperature: float = 1.0
    window: tuple[int, int] | None = None


class ImageSampler:
    """Draws class labels of one image at a time, independently of other images.

    Attributes:
        options: Options for sampling.
        num_classes: Classes, background included.
    """

    def __init__(
        self,
        model: Model,
        params: Params,
        options: SamplingOptions,
        prior_range: PriorRange | None = None,
    ) -> None:
        """Compiles nothing yet.

        Args:
            model: The network.
            params: Its weights.
            options: Options for sampling.
            prior_range: Range of the prior on the validation split; None if it is not known.
        """
        self._params = params
        self._prior_range = prior_range
        self._prior_extent = build_prior_extent(model)
        self.options = options
        self.num_classes = model.config.num_classes
        self._encode = jax.jit(functools.partial(_encode, model), static_argnames="windows")
        self._decode = jax.jit(
            functools.partial(_decode, model, options.mean), static_argnames="windows"
        )

    def __call__(self, given: NetworkInput) -> Iterator[UInt8[np.ndarray, "S H W"]]:
        """Encodes an image and draws its samples in portions; see `draw`."""
        yield from self.draw(given, self.encode(given))

    def encode(self, given: NetworkInput) -> Any:
        """Encodes an image for `draw` and `warnings`."""
        image = jnp.asarray(given.image[None])
        return self._encode(self._params, image, self._windows(given.fit))

    def _windows(self, fit: Fit) -> Windows | None:
        window = self.options.window
        if window is None or not is_larger(fit.grid, window):
            return None
        return place_windows(fit.grid, window)

    def warnings(self, given: NetworkInput, encoded: Any) -> tuple[str, ...]:
        """Describes an image whose prior lies far outside that of the validation split.

        Args:
            given: The image.
            encoded: Result of `encode`.

        Returns:
            No warning if the range of the prior is not known.
        """
        if self._prior_range is None or self._prior_extent is None:
            return ()
        parts = [encoded] if self._windows(given.fit) is None else _unstacked(encoded)
        extents = [np.asarray(self._prior_extent(self._params, part))[0] for part in parts]
        low, high = np.min(extents, axis=0)[..., 0], np.max(extents, axis=0)[..., 1]
        extent = np.stack([low, high], axis=-1)
        found = self._prior_range.far_outside(extent)
        return () if found is None else (f"{UNLIKE}: {found}; {REMEDIES}",)

    def draw(self, given: NetworkInput, encoded: Any) -> Iterator[UInt8[np.ndarray, "S H W"]]:
        """Draws the samples of an encoded image in portions.

        Args:
            given: The image; inputs with equal salt have the same noise.
            encoded: Result of `encode`.

        Yields:
            Labels at the image's size, background outside the region; samples in order.

        Raises:
            UserError: If the network gives logits that are not finite.
        """
        fit, temperature = given.fit, self.options.temperature
        keys = jax.random.fold_in(jax.random.key(self.options.seed), given.salt)[None]
        rows, columns = blends(fit)
        top, left, bottom, right = fit.region
        windows = self._windows(fit)
        size = portion_size(fit.grid if windows is None else windows.size)
        for numbers, wanted in _portions(self.options.num_samples, size):
            logits = self._decode(self._params, keys, encoded, numbers, temperature, windows)
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


def _unstacked(tree: PyTree) -> list[PyTree]:
    leaves, structure = jax.tree.flatten(tree)
    return [jax.tree.unflatten(structure, part) for part in zip(*leaves, strict=True)]


def portion_size(grid: tuple[int, int]) -> int:
    """Number of samples that are decoded in parallel, by the size of the network's input."""
    most = samples_at_once()
    return max(1, min(most, most * PIXELS // (grid[0] * grid[1])))


def _portions(num_samples: int, at_once: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yields the numbers of the samples of each portion, and how many of them are used.

    All portions have one size, so that one program serves them.
    """
    size = min(num_samples, at_once)
    for start in range(0, num_samples, size):
        yield np.arange(start, start + size), min(size, num_samples - start)


def _encode(
    model: Model, params: Params, image: Float[Array, "1 h w C"], windows: Windows | None
) -> Any:
    if windows is None:
        return model.network.encode(params, image)
    return encode_windows(model, params, image, windows)


def _decode(
    model: Model,
    mean: tuple[bool, ...],
    params: Params,
    keys: Key[Array, " 1"],
    encoded: Any,
    numbers: Int[Array, " S"],
    temperature: Float[Array, ""],
    windows: Windows | None,
) -> Float[Array, "S h w K"]:
    def decode(number: Int[Array, ""]) -> Float[Array, "h w K"]:
        sample = (params, keys, encoded, number, mean, temperature)
        if windows is None:
            return model.decode_sample(*sample)[0]
        return decode_windows(model, *sample, windows)[0]

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
