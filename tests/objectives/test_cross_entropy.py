import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hpunet.config.training import TopK
from hpunet.objectives.cross_entropy import cross_entropy, reconstruction
from hpunet.objectives.terms import l2_regularisation

TOLERANCE = 1e-5
SHAPE = (2, 6, 5)


@pytest.fixture
def pixelwise():
    return jnp.asarray(np.random.default_rng(0).gamma(1.0, size=SHAPE), jnp.float32)


@pytest.fixture
def gumbel():
    return jnp.asarray(np.random.default_rng(1).gumbel(size=SHAPE), jnp.float32)


def test_cross_entropy_is_minus_the_log_of_the_true_classs_probability():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 5))
    labels = rng.integers(0, 5, (2, 3, 4))
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log(np.take_along_axis(probability, labels[..., None], -1)[..., 0])
    one_hot = jax.nn.one_hot(labels, 5)
    value = cross_entropy(jnp.asarray(logits, jnp.float32), one_hot)
    np.testing.assert_allclose(value, expected, rtol=TOLERANCE)


def test_cross_entropy_of_a_hopeless_pixel_is_finite():
    value = cross_entropy(jnp.float32([[[[500.0, -500.0]]]]), jnp.float32([[[[0.0, 1.0]]]]))
    assert float(value[0, 0, 0]) == 1000


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.33, 1.0])
@pytest.mark.parametrize("deterministic", [True, False])
def test_exactly_the_floor_of_the_fraction_is_kept(pixelwise, gumbel, fraction, deterministic):
    result = reconstruction(pixelwise, None, TopK(fraction, deterministic), gumbel)
    kept = np.asarray(result.kept)
    assert set(np.unique(kept)) <= {0, 1}
    assert kept.sum() == float(result.num_pixels) == int(fraction * 60)
    np.testing.assert_allclose(result.sum, (np.asarray(pixelwise) * kept).sum(), rtol=TOLERANCE)


def test_worst_pixels_of_the_whole_batch_are_kept_without_noise(pixelwise, gumbel):
    result = reconstruction(pixelwise, None, TopK(0.2, deterministic=True), gumbel)
    threshold = np.sort(np.ravel(pixelwise))[-12]
    np.testing.assert_array_equal(result.kept, pixelwise >= threshold)


def test_pixels_are_drawn_in_proportion_to_their_cross_entropy():
    pixelwise = jnp.float32([[[1.0, 2.0, 5.0]]])

    def kept(key):
        gumbel = jax.random.gumbel(key, (1, 1, 3))
        return reconstruction(pixelwise, None, TopK(0.34), gumbel).kept

    draws = jax.vmap(kept)(jax.random.split(jax.random.key(0), 4000))
    # Four standard errors.
    np.testing.assert_allclose(draws.mean((0, 1, 2)), [1 / 8, 2 / 8, 5 / 8], atol=0.032)


def test_mask_is_as_good_as_deleting_the_pixels(pixelwise, gumbel):
    mask = np.ones(SHAPE, np.float32)
    mask[:, :, 3:] = 0
    # As many pixels are kept in both: 9 of 60, and 9 of the 36 that are left.
    masked = reconstruction(pixelwise, jnp.asarray(mask), TopK(9 / 60), gumbel)
    deleted = reconstruction(pixelwise[:, :, :3], None, TopK(9 / 36), gumbel[:, :, :3])
    np.testing.assert_array_equal(masked.kept[:, :, :3], deleted.kept)
    np.testing.assert_array_equal(masked.kept[:, :, 3:], 0)
    np.testing.assert_allclose(masked.sum, deleted.sum, rtol=TOLERANCE)
    assert float(masked.num_pixels) == float(deleted.num_pixels) == 9


def test_mask_without_top_k_leaves_the_other_pixels(pixelwise):
    mask = jnp.zeros(SHAPE).at[0].set(1.0)
    result = reconstruction(pixelwise, mask)
    np.testing.assert_allclose(result.sum, pixelwise[0].sum(), rtol=TOLERANCE)
    assert float(result.num_pixels) == 30


def test_gradient_reaches_kept_pixels_alone(pixelwise, gumbel):
    top_k = TopK(0.1)
    gradient = jax.grad(lambda p: reconstruction(p, None, top_k, gumbel).sum)(pixelwise)
    np.testing.assert_array_equal(gradient, reconstruction(pixelwise, None, top_k, gumbel).kept)


@pytest.mark.parametrize("fraction", [0.0, 1.1, -0.5])
def test_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(
        ValueError, match=f"^fraction={fraction}: allowed values are numbers above 0 and"
    ):
        TopK(fraction)


def test_regularisation_is_the_sum_of_squares_and_not_half_of_it():
    params = {"a": {"w": jnp.float32([1.0, 2.0]), "b": jnp.float32([3.0])}}
    assert float(l2_regularisation(params, 0.5)) == 7.0
