"""Gaussians with diagonal covariance, one per pixel of a latent's grid."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


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
    half, without clamping, as in the reference. Both are float32 in every precision of the network,
    because draws and KL need it.
    """
    loc, log_scale = jnp.split(parameters.astype(jnp.float32), 2, axis=-1)
    return DiagonalGaussian(loc, jnp.exp(log_scale))


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
