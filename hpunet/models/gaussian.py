"""Gaussians with diagonal covariance, one per pixel of a latent's grid."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Bounds of the logarithm of a standard deviation. Trained networks stay far inside them on images
# like those that they learned from; the golden networks stay within [-2.6, 1.4].
LOWEST_LOG_SCALE, HIGHEST_LOG_SCALE = -10.0, 10.0


class DiagonalGaussian(NamedTuple):
    """Independent normal distributions, one per element.

    Attributes:
        loc: Means.
        scale: Standard deviations, positive, of the same shape.
    """

    loc: Float[Array, "*shape"]
    scale: Float[Array, "*shape"]


def from_parameters(parameters: Float[Array, "B H W C"]) -> DiagonalGaussian:
    """Splits channels into means and logarithms of standard deviations.

    The first half of the channels are the means. The standard deviation is `exp` of the second
    half, clipped to [-10, 10]. The reference does not clip, so its deviations may become infinite
    on images unlike the training images. Both are float32 in every precision of the network,
    because draws and KL need it.
    """
    loc, log_scale = jnp.split(parameters.astype(jnp.float32), 2, axis=-1)
    return DiagonalGaussian(loc, jnp.exp(clip_log_scale(log_scale)))


def clip_log_scale(log_scale: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Clips the logarithm of a standard deviation to [-10, 10]; its gradient is that of no clip.

    A gradient of 0 outside the bounds would keep a value there once it has left them. NaN stays
    NaN.
    """
    value = jax.lax.stop_gradient(log_scale)
    # Exactly 0, so values within the bounds keep their bits; infinity minus itself would be NaN.
    zero = jnp.where(jnp.isinf(value), 0.0, log_scale - value)
    return jnp.clip(value, LOWEST_LOG_SCALE, HIGHEST_LOG_SCALE) + zero


def sample(gaussian: DiagonalGaussian, noise: Float[Array, "B H W L"]) -> Float[Array, "B H W L"]:
    """Transforms standard normal noise into a draw: `loc + scale * noise`."""
    return gaussian.loc + gaussian.scale * noise


def kl_divergence(q: DiagonalGaussian, p: DiagonalGaussian) -> Float[Array, "B H W"]:
    """Computes KL(q || p) of every pixel, in nats, summed over the latent channels.

    Args:
        q: Posterior at one scale, loc and scale `[B, H, W, L]`.
        p: Prior at the same scale.

    Raises:
        ValueError: If the shapes of the two differ.

    Reference: Kohl et al. 2019, section 2; `kl` in the reference's model.
    """
    if q.loc.shape != p.loc.shape:
        raise ValueError(f"posterior {q.loc.shape} and prior {p.loc.shape} differ in shape")
    log_ratio = jnp.log(p.scale) - jnp.log(q.scale)
    squared_distance = jnp.square((q.loc - p.loc) / p.scale)
    per_channel = log_ratio + 0.5 * (jnp.square(q.scale / p.scale) + squared_distance - 1.0)
    return per_channel.sum(axis=-1)
