"""Samples of a large image in overlapping windows, which share noise by position."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from hpunet.models.model import Model


class Windows(NamedTuple):
    """Windows of one size that cover an image; neighbours overlap by at least half.

    Attributes:
        image_size: Height and width of the image in pixels.
        size: Height and width of a window.
        starts: Row and column of each window's first pixel.
    """

    image_size: tuple[int, int]
    size: tuple[int, int]
    starts: tuple[tuple[int, int], ...]


def is_larger(image_size: Sequence[int], crop: Sequence[int]) -> bool:
    """Returns whether an image is higher or wider than a crop."""
    return any(length > side for length, side in zip(image_size, crop, strict=True))


def place_windows(image_size: tuple[int, int], crop: tuple[int, int]) -> Windows:
    """Places windows of the crop's size, or of the image's where that is smaller.

    Args:
        image_size: Height and width of the image in pixels, multiples of the network's.
        crop: Height and width of the crop.
    """
    size = (min(crop[0], image_size[0]), min(crop[1], image_size[1]))
    rows, columns = (_starts(n, side) for n, side in zip(image_size, size, strict=True))
    return Windows(image_size, size, tuple((r, c) for r in rows for c in columns))


def _starts(length: int, side: int) -> list[int]:
    count = 1 + math.ceil((length - side) / (side / 2))
    return [round(place) for place in np.linspace(0, length - side, count)]


def encode_windows(
    model: Model, params: PyTree, image: Float[Array, "B H W C"], windows: Windows
) -> Any:
    """Encodes every window; arrays of the result have a first axis of windows."""
    height, width = windows.size
    parts = [image[:, r : r + height, c : c + width] for r, c in windows.starts]
    return jax.lax.map(lambda part: model.network.encode(params, part), jnp.stack(parts))


def decode_windows(
    model: Model,
    params: PyTree,
    keys: Key[Array, " B"],
    encoded: Any,
    number: Int[Array, ""] | int,
    mean: Any,
    temperature: Float[Array, ""] | float,
    windows: Windows,
) -> Float[Array, "B H W K"]:
    """Decodes one sample of all windows and blends their logits.

    The noise is drawn once for the whole image and cut for each window, so that windows agree on
    what they both see. The weight of a window's logits falls linearly from its centre to its edge.

    Args:
        model: The model.
        params: Its weights.
        keys: One key per image.
        encoded: Result of `encode_windows`.
        number: Number of the sample, from 0.
        mean: For each scale, coarsest first, whether to use the prior's mean.
        temperature: Factor on the prior's standard deviations.
        windows: The windows.

    Returns:
        Logits of the whole image, float32.
    """
    scales = model.config.num_scales
    noise = model.noise_of_sample(keys, windows.image_size, number, mean, temperature)
    latents = [cut_noise(whole, windows) for whole in noise[:scales]]
    given = [None] * scales
    weight = jnp.asarray(_weight(windows.size))[None, ..., None]
    height, width = windows.image_size

    def add(total: Array, window: Any) -> tuple[Array, None]:
        encoded_part, latent_part, (row, column) = window
        part = model.network.decode(params, encoded_part, [*latent_part, *noise[scales:]], given)
        zero = jnp.zeros_like(row)
        start = (zero, row, column, zero)
        before = jax.lax.dynamic_slice(total, start, part.shape)
        added = before + part * weight
        return jax.lax.dynamic_update_slice(total, added, start), None

    empty = jnp.zeros((len(keys), height, width, model.config.num_classes))
    starts = tuple(jnp.asarray(np.array(windows.starts).T))
    total, _ = jax.lax.scan(add, empty, (encoded, latents, starts))
    return total / jnp.asarray(_total_weight(windows))[None, ..., None]


def cut_noise(
    noise: Float[Array, "B h w L"], windows: Windows
) -> Float[Array, "windows B _h _w L"]:
    """Cuts the noise of each window from that of the whole image.

    A window that starts within a cell of the latent's grid has the weighted mean of two cells,
    scaled to the variance of one.

    Args:
        noise: Standard normal noise of one scale for the whole image.
        windows: The windows.
    """
    factor = (windows.image_size[0] // noise.shape[1], windows.image_size[1] // noise.shape[2])
    cells = [side // f for side, f in zip(windows.size, factor, strict=True)]
    parts = []
    for start in windows.starts:
        part = noise
        for axis in (0, 1):
            part = _cut(part, start[axis], factor[axis], cells[axis], axis + 1)
        parts.append(part)
    return jnp.stack(parts)


def _cut(noise: Array, start: int, factor: int, count: int, axis: int) -> Array:
    first, share = divmod(start, factor)
    below = jax.lax.slice_in_dim(noise, first, first + count, axis=axis)
    if not share:
        return below
    above = jax.lax.slice_in_dim(noise, first + 1, first + 1 + count, axis=axis)
    part = share / factor
    return ((1 - part) * below + part * above) / math.hypot(1 - part, part)


def _weight(size: Sequence[int]) -> Float[np.ndarray, "h w"]:
    rows, columns = (np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) for n in size)
    return np.outer(rows, columns).astype(np.float32)


def _total_weight(windows: Windows) -> Float[np.ndarray, "H W"]:
    total, weight = np.zeros(windows.image_size, np.float32), _weight(windows.size)
    for row, column in windows.starts:
        total[row : row + windows.size[0], column : column + windows.size[1]] += weight
    return total
