import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpunet.models.gaussian import clip_log_scale, from_parameters, kl_divergence, sample

NUM_DRAWS = 400_000
# Four standard errors of the Monte Carlo estimate below.
MONTE_CARLO_TOLERANCE = 0.02


def gaussian(loc, log_scale):
    return from_parameters(jnp.float32([*loc, *log_scale]).reshape(1, 1, 1, -1))


def test_first_half_of_the_channels_are_means_and_the_second_log_deviations():
    distribution = gaussian([1.0, 2.0], [0.0, np.log(3.0)])
    np.testing.assert_allclose(np.ravel(distribution.loc), [1, 2])
    np.testing.assert_allclose(np.ravel(distribution.scale), [1, 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("log_scale", "expected"),
    [(9.5, 9.5), (-9.5, -9.5), (11.0, 10.0), (1e19, 10.0), (np.inf, 10.0), (-40.0, -10.0)],
)
def test_log_deviations_are_clipped(log_scale, expected):
    distribution = gaussian([0.0], [log_scale])
    np.testing.assert_allclose(np.ravel(np.log(distribution.scale)), [expected], rtol=1e-6)


def test_log_deviations_within_the_bounds_keep_their_bits():
    values = jnp.float32(np.random.default_rng(0).uniform(-10, 10, 1000))
    np.testing.assert_array_equal(clip_log_scale(values), values)


def test_nan_stays_nan_so_that_it_is_noticed():
    assert np.isnan(np.ravel(gaussian([0.0], [np.nan]).scale)).all()


def test_clipping_leaves_the_gradient_unchanged():
    values = jnp.float32([-50.0, -10.0, 0.3, 10.0, 1e10])
    gradient = jax.grad(lambda x: (clip_log_scale(x) * jnp.arange(1.0, 6.0)).sum())(values)
    np.testing.assert_array_equal(gradient, np.arange(1.0, 6.0))


def test_sample_moves_and_stretches_the_noise():
    noise = jnp.float32([[[[2.0, -1.0]]]])
    drawn = sample(gaussian([1.0, 2.0], [0.0, np.log(3.0)]), noise)
    np.testing.assert_allclose(np.ravel(drawn), [3, -1], rtol=1e-6)


def test_kl_is_the_mean_log_ratio_of_the_densities():
    q, p = gaussian([0.3, -0.2], [-0.5, 0.1]), gaussian([0.1, 0.4], [0.2, -0.1])
    draws = np.asarray(q.loc) + np.asarray(q.scale) * np.random.default_rng(0).standard_normal(
        (NUM_DRAWS, 1, 1, 2)
    )

    def log_density(g):
        return (-0.5 * ((draws - g.loc) / g.scale) ** 2 - np.log(g.scale)).sum(axis=-1)

    estimate = (log_density(q) - log_density(p)).mean()
    assert abs(float(kl_divergence(q, p)[0, 0, 0]) - estimate) < MONTE_CARLO_TOLERANCE


numbers = st.lists(st.floats(-3, 3), min_size=2, max_size=2)


@settings(max_examples=30, deadline=None)
@given(numbers, numbers, numbers, numbers)
def test_kl_is_never_negative_and_nil_between_equals(loc, log_scale, other_loc, other_log_scale):
    q, p = gaussian(loc, log_scale), gaussian(other_loc, other_log_scale)
    # Rounding, relative to terms of up to exp(12).
    assert float(kl_divergence(q, p)[0, 0, 0]) > -1e-4
    assert abs(float(kl_divergence(q, q)[0, 0, 0])) < 1e-6


def test_distributions_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        kl_divergence(gaussian([0.0], [0.0]), gaussian([0.0, 0.0], [0.0, 0.0]))
