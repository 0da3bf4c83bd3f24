"""All that training carries from step to step, and one step of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, PyTree

from hpunet.objectives.terms import Collectives, Scalars
from hpunet.training.task import Task


class TrainState(NamedTuple):
    """All that training carries.

    Attributes:
        step: Steps done.
        params: The weights.
        variables: What the objective learns along with them, such as GECO's multiplier.
        objective: What the objective carries, such as GECO's average.
        optimizer: The optimiser's state, for the tree (params, variables).
        key: Randomness of a step is this key, folded with the step and an example's index.
    """

    step: Int[Array, ""]
    params: PyTree
    variables: PyTree
    objective: PyTree
    optimizer: PyTree
    key: Key[Array, ""]


def keys_of(seed: int) -> tuple[Key[Array, ""], Key[Array, ""], Key[Array, ""]]:
    """The keys of a run: of first weights, of the steps, and of the samples that are scored."""
    init_key, step_key, score_key = jax.random.split(jax.random.key(seed), 3)
    return init_key, step_key, score_key


def init_state(
    task: Task,
    optimizer: optax.GradientTransformation,
    seed: int,
    params: PyTree | None = None,
) -> TrainState:
    """The state before the first step.

    Args:
        task: What is trained.
        optimizer: Its updates.
        seed: Of the weights and of every step's randomness.
        params: Weights to start from instead of fresh ones.
    """
    init_key, key, _ = keys_of(seed)
    variables, objective = task.init_objective()
    params = task.init(init_key) if params is None else params
    optimizer_state = optimizer.init((params, variables))
    return TrainState(jnp.zeros((), jnp.int32), params, variables, objective, optimizer_state, key)


def build_step(
    task: Task, optimizer: optax.GradientTransformation, collectives: Collectives
) -> Callable[[TrainState, Any], tuple[TrainState, Scalars]]:
    """A step of training as a pure function `(state, batch) -> (state, scalars)`.

    Args:
        task: What is trained.
        optimizer: Turns gradients of (params, variables) into updates.
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
