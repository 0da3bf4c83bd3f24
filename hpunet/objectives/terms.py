"""The terms of an objective, and the interface of every objective."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalars = dict[str, Float[Array, ""]]


class Collectives(NamedTuple):
    """Collective operations over the devices that share a batch.

    A call is one operation between the devices, for any number of arrays in the tree. The argument
    must not carry a gradient.

    Attributes:
        gather: Concatenates each array `[b, ...]` of a tree over the devices, in their order, to
            `[B, ...]`. The dtypes have 32 bits.
        sum: Sums a tree of floating-point arrays over the devices.
        num_devices: Number of devices.
    """

    gather: Callable[[Any], Any]
    sum: Callable[[Any], Any]
    num_devices: int


SINGLE_DEVICE = Collectives(gather=lambda tree: tree, sum=lambda tree: tree, num_devices=1)


class Terms(NamedTuple):
    """One device's share of the terms of a batch; the sum over the devices is the whole.

    Attributes:
        rec_loss: Cross-entropy in nats, summed over the kept pixels of an image and averaged over
            the batch.
        num_pixels: Number of kept pixels of an image, averaged over the batch.
        kl: KL of each scale in nats, coarsest first, summed over the latents of an image and
            averaged over the batch.
    """

    rec_loss: Float[Array, ""]
    num_pixels: Float[Array, ""]
    kl: list[Float[Array, ""]]


class Evaluation(NamedTuple):
    """The value of an objective for one batch.

    Attributes:
        share: This device's share of the objective, in nats. The gradient of the objective is the
            sum of the gradients of the shares over the devices.
        state: The objective's state after this batch.
        scalars: Values for the log, equal on all devices.
    """

    share: Float[Array, ""]
    state: Any
    scalars: Scalars


class Objective(NamedTuple):
    """An objective as pure functions.

    Attributes:
        init: `() -> (variables, state)`. The variables are learned together with the weights; the
            state is carried from step to step.
        evaluate: `(terms, variables, state, collectives) -> Evaluation`.
    """

    init: Callable[[], tuple[Any, Any]]
    evaluate: Callable[[Terms, Any, Any, Collectives], Evaluation]


def l2_regularisation(params: Any, factor: float) -> Float[Array, ""]:
    """Computes `factor` times the sum of the squares of all kernels and biases.

    It corresponds to a weight decay of twice the factor.

    Reference: the L2 regularisers of the reference's network.
    """
    return factor * _sum_of_squares(jax.tree.leaves(params))


@jax.custom_jvp
def _sum_of_squares(arrays: list[Array]) -> Float[Array, ""]:
    # A single vector: one sum per weight makes a training step slower to compile and to load.
    return jnp.sum(jnp.square(jnp.concatenate([array.reshape(-1) for array in arrays])))


@_sum_of_squares.defjvp
def _sum_of_squares_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (arrays,), (changes,) = primals, tangents
    products = [jnp.vdot(w, change) for w, change in zip(arrays, changes, strict=True)]
    return _sum_of_squares(arrays), 2 * sum(products, start=jnp.zeros(()))


def scalars_of(terms: Terms) -> Scalars:
    """Names the terms of the whole batch as in the log."""
    scalars = {
        "rec_loss_sum": terms.rec_loss,
        "rec_loss_mean": terms.rec_loss / jnp.maximum(terms.num_pixels, 1e-30),
    }
    if terms.kl:
        scalars["kl_sum"] = sum(terms.kl, start=jnp.zeros(()))
    return scalars | {f"kl_{scale}": kl for scale, kl in enumerate(terms.kl)}
