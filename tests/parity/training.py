"""Gradients and the first steps of training, beside the reference."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hpunet.objectives.geco import init_geco
from hpunet.objectives.loss import loss_of_pass
from tests.golden_reference import Golden
from tests.parity.comparison import (
    COURSE_TOLERANCE,
    GRADIENT_TOLERANCE,
    Comparison,
    compare,
)

SCALARS = {
    "loss_rec_loss_sum": "rec_loss_sum",
    "loss_rec_loss_mean": "rec_loss_mean",
    "loss_kl_sum": "kl_sum",
    "loss_lagmul": "lagrange_multiplier",
    "loss_total": "loss",
}
MULTIPLIER = "snt_lagrange_multiplier/lagrange_multiplier/w"


def training(golden: Golden) -> Iterator[Comparison]:
    """The gradients at the start, then the courses of gradient descent and of Adam."""
    gradient_at = loss_and_gradient(golden)
    for optimizer, prefix in (("gradient descent", "traj:"), ("Adam", "traj_adam:")):
        trained, gradients, course = train(golden, gradient_at, optimizer)
        if optimizer == "gradient descent":
            yield from gradient_comparisons(golden, gradients[0])
        yield from course_comparisons(golden, trained, course, prefix, optimizer)


def loss_and_gradient(golden: Golden) -> Callable[..., Any]:
    """A function of what is trained and of GECO's state, compiled once for both courses."""
    values, config = golden.values, golden.loss_config
    noise, gumbel = golden.per_scale("posterior_noise"), golden.gumbel()

    def loss(trained, state):
        params, variable = trained
        output = golden.model.network.forward(params, values["img"], values["seg"], noise)
        result = loss_of_pass(
            output, values["seg"], gumbel, params, variable, state, config, values["mask"]
        )
        return result.share, result

    return jax.jit(jax.grad(loss, has_aux=True))


def tensorflow_adam(step, rate, gradient, first, second):
    """An update of Adam with its moments, in TensorFlow's form."""
    # TensorFlow adds epsilon before the correction of the second moment, optax after it.
    b1, b2, epsilon = 0.9, 0.999, 1e-8
    first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, second, gradient)
    rate = rate * (1 - b2**step) ** 0.5 / (1 - b1**step)
    update = jax.tree.map(lambda m, v: -rate * m / (jnp.sqrt(v) + epsilon), first, second)
    return update, first, second


def train(golden: Golden, gradient_at: Callable[..., Any], optimizer: str):
    """What is trained after the reference's number of steps; gradients and losses of each."""
    variable, state = init_geco()
    trained = golden.params, variable
    first = second = jax.tree.map(jnp.zeros_like, trained)
    course, gradients = [], []
    for step in range(1, golden.meta["steps"] + 1):
        gradient, loss = gradient_at(trained, state)
        state = loss.state
        gradients.append(gradient)
        course.append(loss)
        if optimizer == "gradient descent":
            rate = golden.meta["sgd_learning_rate"]
            update = jax.tree.map(lambda g, rate=rate: -rate * g, gradient)
        else:
            rate = golden.meta["adam_learning_rate"]
            update, first, second = tensorflow_adam(step, rate, gradient, first, second)
        trained = jax.tree.map(jnp.add, trained, update)
    return trained, gradients, course


def gradient_comparisons(golden: Golden, gradient: Any) -> Iterator[Comparison]:
    """The gradient of every variable, or its norm where the reference's values hold no more."""
    params, multiplier = gradient
    variables = [(reference, params[module][name]) for module, name, reference in golden.names()]
    variables.append((f"{golden.meta['name']}/{MULTIPLIER}", multiplier))
    for reference, value in variables:
        name = f"grad:{reference}"
        if name not in golden.values:
            name, value = f"gradnorm:{reference}", jnp.linalg.norm(jnp.ravel(value))
        yield compare(golden, "gradients", name, value, GRADIENT_TOLERANCE)


def course_comparisons(
    golden: Golden, trained: Any, course: list[Any], prefix: str, part: str
) -> Iterator[Comparison]:
    """Every quantity of a course at every step, and the multiplier's variable at its end."""
    names = SCALARS | {f"loss_kl_{i}": f"kl_{i}" for i in range(golden.model.config.num_scales)}
    quantities = {
        reference: np.asarray([loss.scalars[name] for loss in course])
        for reference, name in names.items()
    }
    regularisation = np.asarray([loss.scalars["regularisation"] for loss in course])
    pixels = quantities["loss_rec_loss_sum"] / quantities["loss_rec_loss_mean"]
    average = np.asarray([loss.scalars["rec_loss_ema"] for loss in course])
    quantities |= {
        "loss_supervised": quantities["loss_total"] - regularisation,
        "loss_geco_loss": quantities["loss_total"] - regularisation,
        "loss_num_valid_pixels": pixels,
        "loss_ma_rec_loss_mean": average / pixels,
        "lagrange_variable_final": trained[1],
    }
    for name, value in quantities.items():
        yield compare(golden, part, prefix + name, value, COURSE_TOLERANCE)
