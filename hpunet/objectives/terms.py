"""What an objective weighs against each other, and what every objective provides."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalars = dict[str, Float[Array, ""]]


class Collectives(NamedTuple):
    """What an objective needs from the devices that share its batch.

    However many arrays the tree holds, a call is one operation between the devices. No gradient may
    pass through it: its argument carries none.

    Attributes:
        gather: Maps each `[b, ...]` of a tree, of 32 bits a number, to `[B, ...]` of all devices,
            in their order.
        sum: Adds a tree of floating-point arrays over the devices.
        num_devices: How many there are.
    """

    gather: Callable[[Any], Any]
    sum: Callable[[Any], Any]
    num_devices: int


SINGLE_DEVICE = Collectives(gather=lambda tree: tree, sum=lambda tree: tree, num_devices=1)


class Terms(NamedTuple):
    """One device's share of a batch's terms: summed over the devices, they are the batch's.

    Attributes:
        rec_loss: Cross-entropy summed over an image's kept pixels, averaged over the batch, nats.
        num_pixels: Kept pixels of an image, averaged over the batch.
        kl: KL of each scale, coarsest first, summed over an image's latents, averaged over the
            batch, in nats.
    """

    rec_loss: Float[Array, ""]
    num_pixels: Float[Array, ""]
    kl: list[Float[Array, ""]]


class Evaluation(NamedTuple):
    """An objective at one batch.

    Attributes:
        share: This device's share of the objective, in nats; its gradients, summed over the
            devices, are the objective's.
        state: The objective's averages after this batch.
        scalars: What to log, the same on every device.
    """

    share: Float[Array, ""]
    state: Any
    scalars: Scalars


class Objective(NamedTuple):
    """What training minimises, as pure functions.

    Attributes:
        init: `() -> (variables, state)`: what is learned along with the weights, and what is
            carried from step to step.
        evaluate: `(terms, variables, state, collectives) -> Evaluation`.
    """

    init: Callable[[], tuple[Any, Any]]
    evaluate: Callable[[Terms, Any, Any, Collectives], Evaluation]


def l2_regularisation(params: Any, factor: float) -> Float[Array, ""]:
    """`factor` times the sum of the squares of all kernels and biases.

    Reference: the L2 regularisers of the reference's network; twice this is a weight decay.
    """
    return factor * _sum_of_squares(jax.tree.leaves(params))


@jax.custom_jvp
def _sum_of_squares(arrays: list[Array]) -> Float[Array, ""]:
    # Of one vector: a sum a weight makes a step of training slower to compile and to load.
    return jnp.sum(jnp.square(jnp.concatenate([array.reshape(-1) for array in arrays])))


@_sum_of_squares.defjvp
def _sum_of_squares_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (arrays,), (changes,) = primals, tangents
    products = [jnp.vdot(w, change) for w, change in zip(arrays, changes, strict=True)]
    return _sum_of_squares(arrays), 2 * sum(products, start=jnp.zeros(()))


def scalars_of(terms: Terms) -> Scalars:
    """The terms of the whole batch under the names of the log."""
    scalars = {
        "rec_loss_sum": terms.rec_loss,
        "rec_loss_mean": terms.rec_loss / jnp.maximum(terms.num_pixels, 1e-30),
    }
    if terms.kl:
        scalars["kl_sum"] = sum(terms.kl, start=jnp.zeros(()))
    return scalars | {f"kl_{scale}": kl for scale, kl in enumerate(terms.kl)}
