"""The pure functions that make up a model."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.models.gaussian import DiagonalGaussian
from hpunet.models.initialization import Parameter, Params

Tree = TypeVar("Tree")


class ForwardPass(NamedTuple):
    """The result of one pass through the whole network in training.

    The lists have one entry per scale, coarsest first. They are empty for a model without latents.

    Attributes:
        logits: `[B, H, W, K]`; a model with latents decodes draws from the posterior.
        kl: KL of each scale, `[B]`, in nats, summed over the latents of the scale.
        posterior: Posterior of the latent at each scale.
        prior: Prior of the latent at each scale, conditioned on the posterior's coarser latents.
    """

    logits: Float[Array, "B H W K"]
    kl: list[Float[Array, " B"]]
    posterior: list[DiagonalGaussian]
    prior: list[DiagonalGaussian]


class Network(NamedTuple):
    """A model as functions of its parameters, without checks.

    Only `draw_noise` draws random numbers; the other functions are deterministic. The noise is a
    list of arrays. It starts with one float32 array per scale. Zeros select the mean of a
    distribution, so one compiled program serves every choice of means and temperature. Other random
    arrays of the model, such as dropout masks, follow.

    Attributes:
        list_parameters: `image_channels -> list[Parameter]`, in the order of the reference.
        draw_noise: `(keys, image_size, number) -> noise`, with one key per example and the number
            of the sample, which some models use.
        forward: `(params, image, segmentation, noise) -> ForwardPass`.
        encode: `(params, image) -> encoded`, the input of `decode`.
        decode: `(params, encoded, noise, given) -> logits` of one sample. For each scale, `given`
            holds the latent `[B, h, w, L]`, or None to draw it.
        image_size: `encoded -> (height, width)` of the image in pixels.
        prior: `(params, encoded) -> list[DiagonalGaussian]`: the prior of the latent at each scale,
            coarsest first, conditioned on the means of the coarser latents. None for a model
            without a learned prior.
    """

    list_parameters: Callable[[int], list[Parameter]]
    draw_noise: Callable[..., list[Array]]
    forward: Callable[..., ForwardPass]
    encode: Callable[..., Any]
    decode: Callable[..., Float[Array, "B H W K"]]
    image_size: Callable[[Any], tuple[int, int]]
    prior: Callable[[Params, Any], list[DiagonalGaussian]] | None = None


def cast(tree: Tree, precision: str) -> Tree:
    """Converts the arrays of a tree to a number format; no-op for arrays that already have it.

    Args:
        tree: Floating-point arrays.
        precision: One of `PRECISIONS`.
    """
    return jax.tree.map(lambda x: jnp.asarray(x, precision), tree)
