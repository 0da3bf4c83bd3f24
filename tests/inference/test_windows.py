"""Large images in overlapping windows that share noise by position."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hpunet.imaging.fit import fit_whole
from hpunet.inference.sampling import ImageSampler, SamplingOptions, build_sampler
from hpunet.inference.windows import (
    Windows,
    cut_noise,
    decode_windows,
    encode_windows,
    place_windows,
)
from hpunet.io.errors import UserError
from hpunet.models.model import build_model
from tests import tiny
from tests.evaluation import tiny_network
from tests.inference.test_sampling import DRAWN, ONE, given

pytestmark = pytest.mark.usefixtures("quick_compilation")
MODEL = build_model(tiny.CONFIG)
IMAGE = np.random.default_rng(1).random((1, 16, 20, 1), np.float32)
KEYS = jax.random.key(3)[None]


@pytest.fixture(scope="module")
def params():
    return tiny_network.parameters()


@pytest.mark.parametrize(
    ("image", "crop"),
    [((16, 20), (8, 8)), ((8, 64), (8, 8)), ((128, 384), (128, 128)), ((4, 8), (8, 8))],
)
def test_windows_cover_the_image_and_overlap_by_half(image, crop):
    windows = place_windows(image, crop)
    covered = np.zeros(image, int)
    for row, column in windows.starts:
        assert row + windows.size[0] <= image[0]
        assert column + windows.size[1] <= image[1]
        covered[row : row + windows.size[0], column : column + windows.size[1]] += 1
    assert covered.min() >= 1
    for axis in (0, 1):
        places = sorted({start[axis] for start in windows.starts})
        assert all(b - a <= windows.size[axis] / 2 for a, b in itertools.pairwise(places))


def test_image_of_the_crops_size_has_one_window_with_the_logits_of_the_whole(params):
    image = IMAGE[:, :8, :8]
    windows = place_windows((8, 8), (8, 8))
    encoded = encode_windows(MODEL, params, jnp.asarray(image), windows)
    found = decode_windows(MODEL, params, KEYS, encoded, 0, DRAWN, 1.0, windows)
    expected = MODEL.sample(params, KEYS, image)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_blended_logits_are_the_weighted_mean_of_the_windows(params):
    windows = place_windows((16, 20), (8, 8))
    encoded = encode_windows(MODEL, params, jnp.asarray(IMAGE), windows)
    found = decode_windows(MODEL, params, KEYS, encoded, 2, DRAWN, 1.0, windows)
    noise = MODEL.noise_of_sample(KEYS, (16, 20), 2, DRAWN)
    total, weights = np.zeros((16, 20, 2)), np.zeros((16, 20, 1))
    ramp = np.minimum(np.arange(8) + 0.5, 7.5 - np.arange(8))
    for number, (row, column) in enumerate(windows.starts):
        own = [cut_noise(whole, windows)[number] for whole in noise]
        part = MODEL.network.encode(
            params, jnp.asarray(IMAGE[:, row : row + 8, column : column + 8])
        )
        logits = MODEL.network.decode(params, part, own, [None, None])
        place = np.s_[row : row + 8, column : column + 8]
        total[place] += np.asarray(logits[0]) * np.outer(ramp, ramp)[..., None]
        weights[place] += np.outer(ramp, ramp)[..., None]
    np.testing.assert_allclose(found[0], total / weights, rtol=1e-4, atol=1e-5)


def test_windows_at_whole_cells_have_the_noise_of_their_place():
    noise = jax.random.normal(jax.random.key(0), (1, 4, 5, 2))
    windows = Windows((16, 20), (8, 8), ((0, 0), (4, 8), (8, 12)))
    cut = cut_noise(noise, windows)
    for part, (row, column) in zip(cut, windows.starts, strict=True):
        expected = noise[:, row // 4 : row // 4 + 2, column // 4 : column // 4 + 2]
        np.testing.assert_array_equal(part, expected)


def test_noise_of_windows_within_a_cell_has_variance_1():
    noise = jax.random.normal(jax.random.key(0), (400, 4, 5, 8))
    windows = Windows((32, 40), (16, 16), ((3, 5), (4, 4), (0, 7)))
    np.testing.assert_allclose(np.std(cut_noise(noise, windows), axis=(1, 2, 3, 4)), 1, atol=0.02)


def test_image_larger_than_the_window_is_drawn_in_windows_and_a_smaller_one_as_a_whole(params):
    fit = fit_whole((16, 20), ONE, tiny.CONFIG.size_multiple)
    one = given(fit, IMAGE[0])
    whole = np.concatenate(list(ImageSampler(MODEL, params, SamplingOptions(6, 0, DRAWN))(one)))
    options = SamplingOptions(6, 0, DRAWN, window=(8, 8))
    in_windows = np.concatenate(list(ImageSampler(MODEL, params, options)(one)))
    assert in_windows.shape == whole.shape
    assert (in_windows != whole).any()
    wide = options._replace(window=(16, 20))
    same = np.concatenate(list(ImageSampler(MODEL, params, wide)(one)))
    np.testing.assert_array_equal(same, whole)


def test_sampler_draws_batches_in_windows(params):
    image = jnp.concatenate([jnp.asarray(IMAGE), 1 - jnp.asarray(IMAGE)])
    keys = jax.random.split(jax.random.key(1), 2)
    found = build_sampler(MODEL, (8, 8)).sample(params, keys, image, 3)
    windows = place_windows((16, 20), (8, 8))
    encoded = encode_windows(MODEL, params, image, windows)
    for number in range(3):
        logits = decode_windows(MODEL, params, keys, encoded, number, DRAWN, 1.0, windows)
        np.testing.assert_array_equal(found[number], np.argmax(logits, axis=-1))
    whole = build_sampler(MODEL, (16, 20)).sample(params, keys, image, 3)
    np.testing.assert_array_equal(whole, build_sampler(MODEL).sample(params, keys, image, 3))


def test_weights_without_a_crop_have_no_windows():
    assert tiny_network.network().window() == (8, 8)
    with pytest.raises(UserError, match="--windows: weights does not say at which crop"):
        tiny_network.network(crop=None).window()
