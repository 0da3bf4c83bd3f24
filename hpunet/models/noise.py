"""All randomness of network and objective, drawn in one place."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
from jaxtyping import Array, Float, Key


class Noise(NamedTuple):
    """The noise of a batch.

    Attributes:
        latents: Standard normal noise `[B, h, w, L]` at each scale, coarsest first.
        gumbel: Standard Gumbel noise of every pixel, or None where no pixels are drawn.
    """

    latents: list[Float[Array, "B h w L"]]
    gumbel: Float[Array, "B H W"] | None


def draw_noise(
    keys: Key[Array, " B"],
    latent_shapes: Sequence[tuple[int, int, int]],
    gumbel_shape: tuple[int, int] | None = None,
) -> Noise:
    """Noise of each example from its own key alone.

    Args:
        keys: One key an example.
        latent_shapes: Height, width and channels of the latent at each scale.
        gumbel_shape: Height and width in pixels, or None for no Gumbel noise.
    """

    def draw(key: Key[Array, ""]) -> Noise:
        *latent_keys, gumbel_key = jax.random.split(key, len(latent_shapes) + 1)
        pairs = zip(latent_keys, latent_shapes, strict=True)
        latents = [jax.random.normal(k, shape) for k, shape in pairs]
        gumbel = None if gumbel_shape is None else jax.random.gumbel(gumbel_key, gumbel_shape)
        return Noise(latents, gumbel)

    return jax.vmap(draw)(keys)
