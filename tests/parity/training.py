"""Gradients and the first steps of training, beside the reference."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
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
        trained, gradient, course = train(golden, gradient_at, optimizer)
        if gradient is not None:
            yield from gradient_comparisons(golden, gradient)
        multiplier = trained[1]
        del trained, gradient
        yield from course_comparisons(golden, multiplier, course, prefix, optimizer)


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
    """An update of a variable by Adam with its moments, in TensorFlow's form."""
    # TensorFlow adds epsilon before the correction of the second moment, optax after it.
    b1, b2, epsilon = 0.9, 0.999, 1e-8
    first = b1 * first + (1 - b1) * gradient
    second = b2 * second + (1 - b2) * gradient * gradient
    rate = rate * (1 - b2**step) ** 0.5 / (1 - b1**step)
    return -rate * first / (np.sqrt(second) + epsilon), first, second


def train(golden: Golden, gradient_at: Callable[..., Any], optimizer: str):
    """What is trained after the reference's number of steps, the first gradient, and all scalars.

    Updates one variable after the other, because trees of gradients, moments and updates would
    take most of the memory, and in NumPy, because JAX would compile every operation for every
    shape.
    """
    variable, state = init_geco()
    leaves, structure = jax.tree.flatten((golden.params, variable))
    trained = [np.asarray(leaf) for leaf in leaves]
    # Zeros of one number take no memory and become arrays at the first step.
    moments = [(np.float32(0), np.float32(0))] * len(trained)
    course, first_gradient = [], None
    for step in range(1, golden.meta["steps"] + 1):
        tree, loss = jax.block_until_ready(
            gradient_at(jax.tree.unflatten(structure, trained), state)
        )
        state = loss.state
        course.append(loss.scalars)
        if optimizer == "gradient descent" and step == 1:
            first_gradient = tree
        gradients = jax.tree.leaves(tree)
        del tree, loss
        for i in range(len(trained)):
            gradient, gradients[i] = np.asarray(gradients[i]), None
            if optimizer == "gradient descent":
                update = -golden.meta["sgd_learning_rate"] * gradient
            else:
                rate = golden.meta["adam_learning_rate"]
                update, *moments[i] = tensorflow_adam(step, rate, gradient, *moments[i])
            trained[i] = trained[i] + update
    return jax.tree.unflatten(structure, trained), first_gradient, course


def gradient_comparisons(golden: Golden, gradient: Any) -> Iterator[Comparison]:
    """The gradient of every variable, or its norm where the reference's values hold no more."""
    params, multiplier = gradient
    variables = [(reference, params[module][name]) for module, name, reference in golden.names()]
    variables.append((f"{golden.meta['name']}/{MULTIPLIER}", multiplier))
    for reference, value in variables:
        name = f"grad:{reference}"
        if name not in golden.values:
            name, value = f"gradnorm:{reference}", np.linalg.norm(np.ravel(value))
        yield compare(golden, "gradients", name, value, GRADIENT_TOLERANCE)


def course_comparisons(
    golden: Golden, multiplier: Any, course: list[Any], prefix: str, part: str
) -> Iterator[Comparison]:
    """Every quantity of a course at every step, and the multiplier's variable at its end."""
    names = SCALARS | {f"loss_kl_{i}": f"kl_{i}" for i in range(golden.model.config.num_scales)}
    quantities = {
        reference: np.asarray([scalars[name] for scalars in course])
        for reference, name in names.items()
    }
    regularisation = np.asarray([scalars["regularisation"] for scalars in course])
    pixels = quantities["loss_rec_loss_sum"] / quantities["loss_rec_loss_mean"]
    average = np.asarray([scalars["rec_loss_ema"] for scalars in course])
    quantities |= {
        "loss_supervised": quantities["loss_total"] - regularisation,
        "loss_geco_loss": quantities["loss_total"] - regularisation,
        "loss_num_valid_pixels": pixels,
        "loss_ma_rec_loss_mean": average / pixels,
        "lagrange_variable_final": multiplier,
    }
    for name, value in quantities.items():
        yield compare(golden, part, prefix + name, value, COURSE_TOLERANCE)
