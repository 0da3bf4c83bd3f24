"""The train state, and a training step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, PyTree

from hpunet.objectives.terms import Collectives, Scalars
from hpunet.training.task import Task


class TrainState(NamedTuple):
    """Everything that training carries from step to step.

    Attributes:
        step: Number of completed steps.
        params: The weights.
        variables: Variables that the objective learns with the weights, such as GECO's multiplier.
        objective: State of the objective, such as GECO's moving average.
        optimizer: State of the optimizer for the tree `(params, variables)`.
        key: Key of all steps. An example's key is this key folded with the step, then with the
            position of the example in the batch.
    """

    step: Int[Array, ""]
    params: PyTree
    variables: PyTree
    objective: PyTree
    optimizer: PyTree
    key: Key[Array, ""]


def keys_of(seed: int) -> tuple[Key[Array, ""], Key[Array, ""], Key[Array, ""]]:
    """Returns the keys of a run: of initial weights, of the steps, and of validation samples."""
    init_key, step_key, score_key = jax.random.split(jax.random.key(seed), 3)
    return init_key, step_key, score_key


def init_state(
    task: Task,
    optimizer: optax.GradientTransformation,
    seed: int,
    params: PyTree | None = None,
) -> TrainState:
    """Creates the state before the first step.

    Args:
        task: The model and its loss.
        optimizer: Computes updates of weights and objective variables.
        seed: Seed of the initial weights and of all steps.
        params: Weights to start from; None draws them.
    """
    init_key, key, _ = keys_of(seed)
    variables, objective = task.init_objective()
    params = task.init(init_key) if params is None else params
    optimizer_state = optimizer.init((params, variables))
    return TrainState(jnp.zeros((), jnp.int32), params, variables, objective, optimizer_state, key)


def build_step(
    task: Task, optimizer: optax.GradientTransformation, collectives: Collectives
) -> Callable[[TrainState, Any], tuple[TrainState, Scalars]]:
    """Builds a training step, a pure function `(state, batch) -> (state, scalars)`.

    Args:
        task: The model and its loss.
        optimizer: Computes updates from the gradients of `(params, variables)`.
        collectives: The devices that share the batch.
    """

    def step(state: TrainState, batch: Any) -> tuple[TrainState, Scalars]:
        key = jax.random.fold_in(state.key, state.step)
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, batch.position)

        def loss(trained: PyTree) -> tuple[Array, Any]:
            params, variables = trained
            result = task.loss(params, variables, state.objective, batch, keys, collectives)
            return result.share, result

        trained = (state.params, state.variables)
        gradient, result = jax.grad(loss, has_aux=True)(trained)
        updates, optimizer_state = optimizer.update(
            collectives.sum(gradient), state.optimizer, trained
        )
        params, variables = optax.apply_updates(trained, updates)
        state = TrainState(
            state.step + 1, params, variables, result.state, optimizer_state, state.key
        )
        return state, result.scalars

    return step
