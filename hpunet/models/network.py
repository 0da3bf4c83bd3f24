"""A model as pure functions of its parameters, whichever model it is."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.models.gaussian import DiagonalGaussian
from hpunet.models.initialization import Parameter

Tree = TypeVar("Tree")


class ForwardPass(NamedTuple):
    """What training needs of one pass through a whole network.

    Attributes:
        logits: `[B, H, W, K]`, of a model with latents decoded from the posterior's.
        kl: KL of each scale, coarsest first, `[B]`, in nats, summed over the scale's latents; empty
            without latents.
        posterior: Distribution of the latent at each scale, coarsest first; empty without latents.
        prior: Likewise, conditioned on the posterior's latents of the coarser scales.
    """

    logits: Float[Array, "B H W K"]
    kl: list[Float[Array, " B"]]
    posterior: list[DiagonalGaussian]
    prior: list[DiagonalGaussian]


class Network(NamedTuple):
    """A model as functions of its parameters, without checks.

    Noise is drawn by `draw_noise` alone; the other functions are deterministic. It is a list of
    arrays: one a scale, float32, with zeros where a mean is wanted, so that one compiled program
    serves every choice of means and temperature; then what else a model draws, such as dropout
    masks.

    Attributes:
        list_parameters: `image_channels -> list[Parameter]`, in the order of the reference.
        draw_noise: `(keys, image_size, number) -> noise`, from one key an example; `number` is that
            of the sample, for models whose samples differ by it.
        forward: `(params, image, segmentation, noise) -> ForwardPass`.
        encode: `(params, image) -> encoded`, what decoding needs of an image.
        decode: `(params, encoded, noise, given) -> logits` of one sample; `given` holds for each
            scale the latent itself `[B, h, w, L]`, or None where it is drawn.
        image_size: `encoded -> (height, width)` of the image in pixels.
    """

    list_parameters: Callable[[int], list[Parameter]]
    draw_noise: Callable[..., list[Array]]
    forward: Callable[..., ForwardPass]
    encode: Callable[..., Any]
    decode: Callable[..., Float[Array, "B H W K"]]
    image_size: Callable[[Any], tuple[int, int]]


def cast(tree: Tree, precision: str) -> Tree:
    """A tree of arrays in a number format; what has it already stays as it is.

    Args:
        tree: Floating-point arrays.
        precision: One of `PRECISIONS`.
    """
    return jax.tree.map(lambda x: jnp.asarray(x, precision), tree)
