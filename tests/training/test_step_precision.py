"""A step of training in bfloat16, or with levels computed twice, beside the plain one."""

import functools
import re

import jax
import numpy as np
import optax
import pytest

from hpunet.config.keys import keys_of
from hpunet.config.training import GecoConfig, LossConfig
from hpunet.inference.preprocessing import preprocess
from hpunet.models.fields import PRECISIONS
from hpunet.models.hierarchical.network import build_network
from hpunet.models.model import build_model
from hpunet.objectives.terms import SINGLE_DEVICE
from hpunet.training.state import build_step, init_state
from hpunet.training.task import build_task
from tests import tiny

pytestmark = pytest.mark.usefixtures("quick_compilation")

# A result in bfloat16 has 8 bits, so that one rounding errs by 2**-9 at most. A gradient has passed
# some forty of them, of either sign; the largest weights' errors weigh most.
GRADIENT_TOLERANCE = 10 * 2**-8
# The losses are sums over pixels, whose roundings cancel.
LOSS_TOLERANCE = 4 * 2**-8
REMAT_TOLERANCE = 1e-5
# XLA may leave out a rounding to bfloat16 within what it fuses, and it fuses otherwise what is
# computed twice.
ROUNDED = {"xla_allow_excess_precision": False}
OPTIMIZER = optax.adam(1e-3)


def task(precision="float32", remat=False):
    # All pixels count: which of them are drawn may hang on a rounding.
    loss = LossConfig(GecoConfig(), None, l2=1e-4)
    size = (tiny.SIZE, tiny.SIZE)
    network = build_network(tiny.CONFIG, precision, remat)
    return build_task(build_model(tiny.CONFIG), loss, size, 1, None, network)


@functools.cache
def gradient(precision="float32", remat=False):
    made = task(precision, remat)
    state = init_state(made, OPTIMIZER, 0)
    batch, keys = tiny.batch(), jax.random.split(jax.random.key(0), 4)

    @functools.partial(jax.jit, compiler_options=ROUNDED)
    @functools.partial(jax.grad, has_aux=True)
    def of_loss(params):
        loss = made.loss(params, state.variables, state.objective, batch, keys, SINGLE_DEVICE)
        return loss.share, loss.scalars

    return of_loss(state.params)


@functools.cache
def after_a_step(precision):
    made = task(precision)
    step = jax.jit(build_step(made, OPTIMIZER, SINGLE_DEVICE))
    return step(init_state(made, OPTIMIZER, 0), tiny.batch())


def flat(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


def relative_error(vector, expected):
    return np.linalg.norm(vector - expected) / np.linalg.norm(expected)


def test_gradient_in_bfloat16_is_that_in_float32_up_to_its_rounding():
    error = relative_error(flat(gradient("bfloat16")[0]), flat(gradient()[0]))
    assert 0 < error < GRADIENT_TOLERANCE


def test_losses_in_bfloat16_are_those_in_float32_up_to_its_rounding():
    scalars, expected = gradient("bfloat16")[1], gradient()[1]
    for name in ("loss", "rec_loss_sum", "rec_loss_mean", "kl_sum"):
        assert abs(scalars[name] / expected[name] - 1) < LOSS_TOLERANCE, name


def test_regularisation_is_of_the_weights_before_they_are_rounded():
    assert gradient("bfloat16")[1]["regularisation"] == gradient()[1]["regularisation"]


def test_all_that_training_carries_and_logs_stays_float32():
    state, scalars = after_a_step("bfloat16")
    carried = jax.tree.leaves((state._replace(key=0), scalars))
    assert {str(np.asarray(x).dtype) for x in carried} == {"float32", "int32", "int64", "bool"}


def test_weights_keep_steps_that_are_finer_than_bfloat16():
    weights = flat(after_a_step("bfloat16")[0].params)
    rounded = weights.astype(jax.numpy.bfloat16).astype(np.float32)
    assert np.mean(weights != rounded) > 0.9


def test_scored_samples_are_drawn_in_float32():
    made = task("bfloat16")
    params = made.init(jax.random.key(0))
    batch = tiny.batch()
    image = jax.numpy.asarray(preprocess(batch.image))
    keys = jax.random.split(jax.random.key(0), 4)
    drawn = jax.make_jaxpr(lambda p: made.sampler.sample(p, keys, image, 2))(params)
    labels = jax.numpy.asarray(batch.labels)
    rebuilt = jax.make_jaxpr(lambda p: made.sampler.reconstruct(p, image, labels))(params)
    assert not re.search(r"\bbf16\b", f"{drawn} {rebuilt}")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_levels_computed_twice_give_the_same_gradient(precision):
    twice, once = (flat(gradient(precision, remat)[0]) for remat in (True, False))
    assert relative_error(twice, once) < REMAT_TOLERANCE


def test_key_of_the_configuration_allows_the_networks_precisions():
    assert keys_of()["precision"].allowed.text == " or ".join(repr(p) for p in PRECISIONS)
