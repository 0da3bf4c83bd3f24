"""GECO: minimises the KL under a constraint on the reconstruction."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from hpunet.config.training import GecoConfig
from hpunet.objectives.terms import Collectives, Evaluation, Objective, Terms, scalars_of


class GecoState(NamedTuple):
    """The state of GECO between steps.

    Attributes:
        rec_loss_ema: Exponential moving average of `rec_loss_sum`, in nats per image.
        started: False before the first batch, whose loss initialises the average.
    """

    rec_loss_ema: Float[Array, ""]
    started: Bool[Array, ""]


def build_geco(config: GecoConfig) -> Objective:
    """Builds the objective `multiplier * (rec_loss_ema - kappa * num_pixels) + kl_sum`.

    The objective is minimised over the weights and maximised over the multiplier.

    Reference: Rezende and Viola 2018, algorithm 1; `geco_loss` in the reference's loss.
    """

    def evaluate(
        terms: Terms, variable: Float[Array, ""], state: GecoState, collectives: Collectives
    ) -> Evaluation:
        whole = collectives.sum(lax.stop_gradient(terms))
        state = update_average(state, whole.rec_loss, config.decay)
        constraint = state.rec_loss_ema - config.kappa * whole.num_pixels
        multiplier = multiplier_of(_reversed(variable, config.rate))
        # The value is this device's share of the constraint, the gradient that of the newest loss.
        part = _with_gradient_of(constraint / collectives.num_devices, terms.rec_loss)
        share = multiplier * part + sum(terms.kl)
        loss = multiplier * constraint + sum(whole.kl)
        scalars = {
            "loss": loss,
            **scalars_of(whole),
            "rec_loss_ema": state.rec_loss_ema,
            "lagrange_multiplier": multiplier,
        }
        return Evaluation(share, state, lax.stop_gradient(scalars))

    return Objective(init=init_geco, evaluate=evaluate)


def init_geco() -> tuple[Float[Array, ""], GecoState]:
    """Returns the initial variable, for which the multiplier is 1, and an empty average."""
    variable = jnp.float32(math.log(math.e - 1))
    return variable, GecoState(jnp.float32(0.0), jnp.zeros((), bool))


def update_average(state: GecoState, rec_loss: Float[Array, ""], decay: float) -> GecoState:
    """Updates the moving average with the newest loss; the first loss initialises it."""
    moved = decay * state.rec_loss_ema + (1 - decay) * rec_loss
    return GecoState(jnp.where(state.started, moved, rec_loss), jnp.ones((), bool))


def multiplier_of(variable: Float[Array, ""]) -> Float[Array, ""]:
    """Computes the Lagrange multiplier `softplus(variable)**2`, which is positive."""
    return jnp.square(jax.nn.softplus(variable))


def _reversed(variable: Float[Array, ""], rate: float) -> Float[Array, ""]:
    constant = lax.stop_gradient(variable)
    return constant - rate * (variable - constant)


def _with_gradient_of(value: Float[Array, ""], source: Float[Array, ""]) -> Float[Array, ""]:
    return lax.stop_gradient(value) + (source - lax.stop_gradient(source))
