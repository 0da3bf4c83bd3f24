"""All random numbers of model and objective, drawn from one key per example."""

from collections.abc import Sequence

import jax
from jaxtyping import Array, Float, Key


def draw_latent_noise(
    keys: Key[Array, " B"], latent_shapes: Sequence[tuple[int, int, int]]
) -> list[Float[Array, "B _h _w _L"]]:
    """Draws standard normal noise for each scale; each example uses only its own key.

    Args:
        keys: One key per example.
        latent_shapes: Height, width and channels of the latent at each scale, coarsest first.
    """

    def draw(key: Key[Array, ""]) -> list[Array]:
        latent_keys = _split(key, len(latent_shapes))[:-1]
        pairs = zip(latent_keys, latent_shapes, strict=True)
        return [jax.random.normal(k, shape) for k, shape in pairs]

    return jax.vmap(draw)(keys)


def draw_gumbel_noise(
    keys: Key[Array, " B"], num_scales: int, size: tuple[int, int]
) -> Float[Array, "B H W"]:
    """Draws standard Gumbel noise per pixel, independent of `draw_latent_noise` with these keys.

    Args:
        keys: One key per example.
        num_scales: Number of scales whose noise is drawn from the same keys.
        size: Height and width in pixels.
    """

    def draw(key: Key[Array, ""]) -> Array:
        # The model has drawn from the same keys, but from other parts of their split.
        return jax.random.gumbel(_split(jax.random.clone(key), num_scales)[-1], size)

    return jax.vmap(draw)(keys)


def _split(key: Key[Array, ""], num_scales: int) -> Key[Array, " n"]:
    return jax.random.split(key, num_scales + 1)
