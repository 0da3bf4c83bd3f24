import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hpunet.config.training import ElboConfig, GecoConfig
from hpunet.objectives.elbo import build_elbo
from hpunet.objectives.geco import GecoState, build_geco, init_geco, multiplier_of
from hpunet.objectives.terms import SINGLE_DEVICE, Terms

CONFIG = GecoConfig(kappa=0.1, decay=0.9, rate=0.05)
GECO = build_geco(CONFIG)
TOLERANCE = 1e-6


def terms(rec_loss, kl=(2.0, 3.0), num_pixels=20.0):
    return Terms(jnp.float32(rec_loss), jnp.float32(num_pixels), [jnp.float32(k) for k in kl])


def evaluate(rec_loss, variable=None, state=None, **settings):
    first_variable, first_state = init_geco()
    variable = first_variable if variable is None else jnp.float32(variable)
    state = first_state if state is None else state
    return GECO.evaluate(terms(rec_loss, **settings), variable, state, SINGLE_DEVICE)


def close(value, expected):
    np.testing.assert_allclose(value, expected, rtol=TOLERANCE)


def test_average_starts_at_the_first_loss_and_then_decays():
    state, expected = init_geco()[1], None
    for rec_loss in (8.0, 4.0, 6.0):
        state = evaluate(rec_loss, state=state).state
        expected = rec_loss if expected is None else 0.9 * expected + 0.1 * rec_loss
        close(state.rec_loss_ema, expected)


def test_average_may_start_at_zero_without_starting_again():
    state = evaluate(0.0).state
    close(evaluate(5.0, state=state).state.rec_loss_ema, 0.5)


def test_multiplier_starts_at_one_and_is_the_square_of_a_softplus():
    close(multiplier_of(init_geco()[0]), 1.0)
    close(multiplier_of(jnp.float32(2.0)), math.log(1 + math.exp(2.0)) ** 2)
    assert float(multiplier_of(jnp.float32(-20.0))) > 0


def test_objective_is_the_constraint_times_the_multiplier_and_the_kl():
    state = GecoState(jnp.float32(10.0), jnp.ones((), bool))
    result = evaluate(8.0, variable=0.5, state=state)
    constraint = 0.9 * 10 + 0.1 * 8 - 0.1 * 20
    expected = float(multiplier_of(jnp.float32(0.5))) * constraint + 5.0
    close(result.share, expected)
    close(result.scalars["loss"], expected)


def test_gradient_of_the_newest_loss_passes_the_average_at_full_size():
    state = GecoState(jnp.float32(10.0), jnp.ones((), bool))
    gradient = jax.grad(lambda r: evaluate(r, variable=0.5, state=state).share)(8.0)
    close(gradient, multiplier_of(jnp.float32(0.5)))


def test_gradient_of_the_kl_is_one():
    gradient = jax.grad(lambda kl: evaluate(8.0, kl=(kl, 1.0)).share)(2.0)
    close(gradient, 1.0)


def test_multipliers_gradient_is_reversed_and_scaled():
    state = GecoState(jnp.float32(10.0), jnp.ones((), bool))
    gradient = jax.grad(lambda v: evaluate(8.0, variable=v, state=state).share)(0.5)
    constraint = 0.9 * 10 + 0.1 * 8 - 0.1 * 20
    plain = constraint * jax.grad(multiplier_of)(jnp.float32(0.5))
    close(gradient, -0.05 * plain)


def test_multiplier_rises_while_the_reconstruction_misses_its_target_and_falls_after():
    def descent(rec_loss):
        gradient = jax.grad(lambda v: evaluate(rec_loss, variable=v).share)(0.5)
        return -float(gradient)

    assert descent(100.0) > 0
    assert descent(0.1) < 0


@pytest.mark.parametrize("kwargs", [{"kappa": 0.0}, {"decay": 1.0}, {"decay": -0.1}, {"rate": 0.0}])
def test_settings_of_geco_out_of_range_are_refused(kwargs):
    (name,) = kwargs
    with pytest.raises(ValueError, match=rf"^{name}="):
        GecoConfig(**kwargs)


def test_elbo_is_the_reconstruction_and_the_weighted_kl():
    elbo = build_elbo(ElboConfig(0.5))
    result = elbo.evaluate(terms(8.0), (), (), SINGLE_DEVICE)
    close(result.share, 8 + 0.5 * 5)
    close(result.scalars["loss"], 8 + 0.5 * 5)
    close(result.scalars["rec_loss_mean"], 8 / 20)
    assert elbo.init() == ((), ())


def test_negative_weight_of_the_kl_is_refused():
    with pytest.raises(ValueError, match=r"^beta=-1"):
        ElboConfig(-1.0)
