"""Samples of one picture at a time: encoded once, decoded in portions."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, UInt8

from hpunet.imaging.fit import Blend, Fit, blends, to_grid
from hpunet.inference.sampler import NOT_FINITE
from hpunet.io.errors import UserError
from hpunet.models.hierarchical.unet import Encoded
from hpunet.models.initialization import Params
from hpunet.models.model import Model, samples_at_once

# Pixels of a grid on which as many samples as the model does are decoded side by side.
PIXELS = 256 * 256


class Wish(NamedTuple):
    """Which samples are drawn.

    Attributes:
        num_samples: How many.
        seed: Decides all of them.
        mean: For each scale, coarsest first, whether the prior's mean is taken.
        temperature: Factor on the prior's standard deviations.
    """

    num_samples: int
    seed: int
    mean: tuple[bool, ...]
    temperature: float = 1.0


class Drawer:
    """Draws class labels of pictures; what is drawn of one depends on no other.

    Attributes:
        wish: Which samples.
        num_classes: Background included.
    """

    def __init__(self, model: Model, params: Params, wish: Wish) -> None:
        """Compiles nothing yet.

        Args:
            model: The network.
            params: Its weights.
            wish: Which samples.
        """
        self._params = params
        self.wish = wish
        self.num_classes = model.config.num_classes
        self._encode = jax.jit(model.network.encode)
        self._decode = jax.jit(functools.partial(_decode, model, wish.mean))

    def __call__(
        self, image: Float[np.ndarray, "H W C"], fit: Fit, salt: int, name: str
    ) -> Iterator[UInt8[np.ndarray, "S H W"]]:
        """Draws samples of a picture, portion by portion.

        Args:
            image: Intensities 0 to 1.
            fit: Where the network's grid lies on it.
            salt: Folded into the seed's key: pictures with equal ones have the same noise.
            name: Of the picture, for messages.

        Yields:
            Labels at the picture's size, background beyond the region; samples in order.

        Raises:
            UserError: If the network gives logits that are not finite.
        """
        keys = jax.random.fold_in(jax.random.key(self.wish.seed), salt)[None]
        encoded = self._encode(self._params, jnp.asarray(to_grid(image, fit)[None]))
        rows, columns = blends(fit)
        top, left, bottom, right = fit.region
        for numbers, wanted in _portions(self.wish.num_samples, portion_size(fit)):
            logits = self._decode(self._params, keys, encoded, numbers, self.wish.temperature)
            found = np.asarray(_label(logits, rows, columns, resampled=fit.resampled))[:wanted]
            if (found == NOT_FINITE).any():
                hot = self.wish.temperature
                why = f" at --temperature={hot:g}" if hot > 1 else ""
                raise UserError(
                    f"{name}: the network gives NaN or infinity{why}; allowed is what gives finite "
                    "numbers"
                )
            labels = np.zeros((wanted, *fit.size), np.uint8)
            labels[:, top:bottom, left:right] = found
            yield labels


def portion_size(fit: Fit) -> int:
    """Samples of a picture that are decoded side by side; a matter of its size alone."""
    most = samples_at_once()
    return max(1, min(most, most * PIXELS // (fit.grid[0] * fit.grid[1])))


def _portions(num_samples: int, at_once: int) -> Iterator[tuple[np.ndarray, int]]:
    """Numbers of the samples of each portion, and how many of them are wanted.

    All portions are of one size, so that one program serves them.
    """
    size = min(num_samples, at_once)
    for start in range(0, num_samples, size):
        yield np.arange(start, start + size), min(size, num_samples - start)


def _decode(
    model: Model,
    mean: tuple[bool, ...],
    params: Params,
    keys: Key[Array, " 1"],
    encoded: Encoded,
    numbers: Int[Array, " S"],
    temperature: Float[Array, ""],
) -> Float[Array, "S h w K"]:
    drawn = None if all(mean) else keys

    def decode(number: Int[Array, ""]) -> Float[Array, "h w K"]:
        return model.decode_sample(params, drawn, encoded, number, mean, temperature)[0]

    return jax.vmap(decode)(numbers)


@functools.partial(jax.jit, static_argnames="resampled")
def _label(
    logits: Float[Array, "S h w K"], rows: Blend, columns: Blend, *, resampled: bool
) -> UInt8[Array, "S R Q"]:
    """The most likely class at the region's pixels; `NOT_FINITE` without one."""
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
    finite = jnp.isfinite(at_pixels).all(axis=-1)
    return jnp.where(finite, jnp.argmax(at_pixels, axis=-1), NOT_FINITE).astype(jnp.uint8)


def _between(below: Array, above: Array, share: ArrayLike) -> Array:
    return below + share * (above - below)
