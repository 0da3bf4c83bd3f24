"""All randomness of model and objective, drawn in one place from one key an example."""

from collections.abc import Sequence

import jax
from jaxtyping import Array, Float, Key


def draw_latent_noise(
    keys: Key[Array, " B"], latent_shapes: Sequence[tuple[int, int, int]]
) -> list[Float[Array, "B _h _w _L"]]:
    """Standard normal noise at each scale, of each example from its own key alone.

    Args:
        keys: One key an example.
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
    """Standard Gumbel noise of every pixel, independent of `draw_latent_noise` of the same keys.

    Args:
        keys: One key an example.
        num_scales: Scales whose noise is drawn from the same keys.
        size: Height and width in pixels.
    """
    return jax.vmap(lambda key: jax.random.gumbel(_split(key, num_scales)[-1], size))(keys)


def _split(key: Key[Array, ""], num_scales: int) -> Key[Array, " n"]:
    return jax.random.split(key, num_scales + 1)
