"""The range of the prior, and images that lie far outside it."""

import jax.numpy as jnp
import numpy as np
import pytest

from hpunet.inference.prior_range import PriorRange, build_prior_extent, measure_prior
from hpunet.models.model import build_model
from tests import tiny, toy_model
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation")

MODEL = build_model(tiny.CONFIG)
# The widths are 4, 0, 3 and 0; the last and the second count as 0.1.
RANGE = PriorRange(((-1.0, 3.0), (0.0, 0.0)), ((-2.0, 1.0), (-3.0, -3.0)), 1000)
INSIDE = np.array([[[-1, 3], [-2, 1]], [[0, 0], [-3, -3]]], float)


@pytest.fixture(scope="module")
def params():
    return tiny_network.parameters()


def images(seed, count=3, factor=1.0):
    return factor * np.random.default_rng(seed).random((count, 8, 8, 1), np.float32)


def extents(params, batch):
    measure = build_prior_extent(MODEL)
    return np.asarray(measure(params, MODEL.network.encode(params, jnp.asarray(batch))))


def test_extent_is_of_the_prior_given_the_means_of_coarser_latents(params):
    batch = images(0)
    extent = extents(params, batch)
    segmentation = np.zeros((3, 8, 8, 2), np.float32)
    prior = MODEL.network.prior(params, MODEL.network.encode(params, jnp.asarray(batch)))
    assert extent.shape == (3, 2, 2, 2)
    # The coarsest prior depends on the image alone, so that of training is the same.
    noise = [jnp.zeros((3, *shape)) for shape in tiny.CONFIG.latent_shapes(8, 8)]
    forward = MODEL.network.forward(params, *map(jnp.asarray, (batch, segmentation)), noise)
    np.testing.assert_allclose(prior[0].loc, forward.prior[0].loc, rtol=1e-5)
    for scale in (0, 1):
        loc, log_scale = np.asarray(prior[scale].loc), np.log(np.asarray(prior[scale].scale))
        for kind, values in enumerate((loc, log_scale)):
            expected = np.stack([values.min(axis=(1, 2, 3)), values.max(axis=(1, 2, 3))], axis=1)
            np.testing.assert_allclose(extent[:, scale, kind], expected, rtol=1e-5, atol=1e-6)


def test_range_covers_all_batches_and_no_image_lies_outside_its_own(params):
    batches = [images(0), images(1)]
    measured, left_out = measure_prior(MODEL, params, batches, 6)
    assert left_out == []
    assert measured.num_images == 6
    every = np.concatenate([extents(params, batch) for batch in batches])
    np.testing.assert_allclose(
        measured.location, np.stack([every[:, :, 0, 0].min(0), every[:, :, 0, 1].max(0)], 1)
    )
    np.testing.assert_allclose(
        measured.log_scale, np.stack([every[:, :, 1, 0].min(0), every[:, :, 1, 1].max(0)], 1)
    )
    assert all(measured.far_outside(extent) is None for extent in every)


def test_images_without_a_finite_prior_do_not_count(params):
    batch = images(0)
    broken = batch.copy()
    broken[1] = np.nan
    expected, _ = measure_prior(MODEL, params, [batch[[0, 2]]], 2)
    measured, left_out = measure_prior(MODEL, params, [broken], 3)
    assert left_out == [1]
    np.testing.assert_allclose(measured.location, expected.location, rtol=1e-6)
    assert measure_prior(MODEL, params, [broken[1:2]], 1) == (None, [0])


@pytest.mark.parametrize("others", [2, 5])
def test_images_apart_from_most_others_do_not_count(params, others):
    batch = images(0, count=others + 1)
    expected, _ = measure_prior(MODEL, params, [batch[1:]], others)
    batch[0, 3, 3] = 1e20
    measured, left_out = measure_prior(MODEL, params, [batch], others + 1)
    assert left_out == [0]
    assert measured.num_images == others
    np.testing.assert_allclose(measured.location, expected.location, rtol=1e-6)
    (unlike,) = extents(params, batch[:1])
    assert "location" in measured.far_outside(unlike)


def test_images_that_only_fill_the_last_batch_do_not_count(params):
    batch = images(0, count=4)
    measured, _ = measure_prior(MODEL, params, [batch[:2], batch[2:]], 3)
    expected, _ = measure_prior(MODEL, params, [batch[:3]], 3)
    assert measured.num_images == 3
    np.testing.assert_allclose(measured.log_scale, expected.log_scale, rtol=1e-6)


def test_image_unlike_all_others_lies_far_outside(params):
    measured, _ = measure_prior(MODEL, params, [images(0)], 3)
    (unlike,) = extents(params, images(2, count=1, factor=1e4))
    assert "on the validation images" in measured.far_outside(unlike)


def test_model_without_a_learned_prior_has_no_range():
    network = toy_model.build_network(toy_model.ToyConfig(), "float32", False, "fast")
    assert network.prior is None


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ((0, 0, 1), 10.9, None),
        ((0, 0, 1), 11.1, "location is 11.1 at scale 0, on the validation images -1 to 3"),
        ((0, 1, 0), -7.9, None),
        ((0, 1, 0), -8.5, "log scale is -8.5 at scale 0, on the validation images -2 to 1"),
        ((1, 1, 1), -2.81, None),
        ((1, 1, 1), -2.79, "log scale is -2.79 at scale 1, on the validation images -3 to -3"),
        ((1, 0, 0), np.nan, "location is nan at scale 1"),
        ((1, 0, 1), np.inf, "location is inf at scale 1"),
    ],
)
def test_value_is_far_outside_by_more_than_twice_the_width_of_the_range(place, value, expected):
    extent = INSIDE.copy()
    extent[place] = value
    found = RANGE.far_outside(extent)
    assert found is None if expected is None else expected in found


@pytest.mark.parametrize(
    ("num_images", "widths"), [(1, np.inf), (2, 42), (3, 12), (11, 2.4), (201, 2.001)]
)
def test_the_range_of_few_images_allows_for_more(num_images, widths):
    measured = RANGE._replace(num_images=num_images)
    assert measured.most_widths == pytest.approx(widths)
    extent = INSIDE.copy()
    extent[0, 0, 1] = 3 + 4 * min(widths, 1e6) * 0.99
    assert measured.far_outside(extent) is None
    if np.isfinite(widths):
        extent[0, 0, 1] = 3 + 4 * widths * 1.01
        assert "location" in measured.far_outside(extent)


def test_farthest_value_is_named():
    extent = INSIDE.copy()
    extent[0, 0, 1], extent[1, 1, 1] = 30, 9
    assert "log scale is 9 at scale 1" in RANGE.far_outside(extent)


def test_header_keeps_the_range():
    assert PriorRange.from_header(RANGE.to_header()) == RANGE
    assert PriorRange.from_header(None) is None
