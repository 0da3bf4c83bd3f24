"""Samples of pictures, drawn in portions."""

import jax
import numpy as np
import pytest

from hpunet.imaging.fit import fit_crop, fit_whole, to_grid
from hpunet.inference import sampling
from hpunet.inference.network_input import NetworkInput
from hpunet.inference.prior_range import PriorRange
from hpunet.inference.sampling import ImageSampler, SamplingOptions, portion_size
from hpunet.io.errors import UserError
from hpunet.models.model import build_model
from tests import tiny
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation")

MODEL = build_model(tiny.CONFIG)
IMAGE = np.random.default_rng(1).random((13, 9, 1), np.float32)
ONE = (1.0, 1.0)
FIT = fit_whole((13, 9), ONE, tiny.CONFIG.size_multiple)
DRAWN = (False,) * tiny.CONFIG.num_scales


@pytest.fixture(scope="module")
def params():
    return tiny_network.parameters()


def given(fit=FIT, image=IMAGE, salt=0):
    display = np.zeros(image.shape, np.uint8)
    on_grid = to_grid(image, fit)
    return NetworkInput("picture", "picture", on_grid, display, (0, 1), fit, None, [], salt)


def labels(params, options, fit=FIT, image=IMAGE, salt=0):
    sampler = ImageSampler(MODEL, params, options)
    return np.concatenate(list(sampler(given(fit, image, salt))))


def test_samples_are_those_of_the_public_interface_at_the_same_key(params):
    image = IMAGE[:8, :8]
    options = SamplingOptions(5, 3, DRAWN)
    found = labels(params, options, fit_whole((8, 8), ONE, 4), image, salt=7)
    key = jax.random.fold_in(jax.random.key(3), 7)
    logits = MODEL.sample(params, key[None], image[None], num_samples=5)
    np.testing.assert_array_equal(found, np.argmax(logits[:, 0], axis=-1))
    assert found.any()
    assert not found.all()


def test_portions_give_what_one_gives(params, monkeypatch):
    whole = labels(params, SamplingOptions(7, 0, DRAWN))
    monkeypatch.setattr(
        sampling, "PIXELS", 3 * FIT.grid[0] * FIT.grid[1] // sampling.samples_at_once()
    )
    assert portion_size(FIT.grid) == 3
    portions = list(ImageSampler(MODEL, params, SamplingOptions(7, 0, DRAWN))(given()))
    assert [len(portion) for portion in portions] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(portions), whole)


def test_larger_pictures_are_decoded_fewer_at_once():
    counts = [portion_size((n, n)) for n in (128, 256, 512, 1024, 4096)]
    assert counts == [4, 4, 1, 1, 1]


def test_a_picture_is_encoded_once(params, monkeypatch):
    encoded = []
    sampler = ImageSampler(MODEL, params, SamplingOptions(40, 0, DRAWN))
    encode = sampler._encode
    monkeypatch.setattr(sampler, "_encode", lambda *a: (encoded.append(1), encode(*a))[1])
    assert len(list(sampler(given()))) == 10
    assert len(encoded) == 1


def test_same_seed_and_salt_give_the_same_and_others_other_samples(params):
    one, same, other = (labels(params, SamplingOptions(4, seed, DRAWN)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert (one != labels(params, SamplingOptions(4, 0, DRAWN), salt=1)).any()


def test_scales_at_the_mean_and_temperature_zero_give_one_sample_only(params):
    for options in (SamplingOptions(4, 0, (True,) * len(DRAWN)), SamplingOptions(4, 0, DRAWN, 0.0)):
        found = labels(params, options)
        np.testing.assert_array_equal(found, found[:1].repeat(4, axis=0))
    hot = labels(params, SamplingOptions(16, 0, DRAWN, 3.0))
    assert (hot != hot[:1]).any()


def test_beyond_the_crop_all_is_background(params):
    fit = fit_crop((13, 9), ONE, (10, 3), (8, 8))
    found = labels(params, SamplingOptions(8, 0, DRAWN), fit)
    assert found.shape == (8, 13, 9)
    top, left, bottom, right = fit.region
    inside = np.zeros((13, 9), bool)
    inside[top:bottom, left:right] = True
    assert found[:, inside].any()
    assert not found[:, ~inside].any()


def test_warning_names_the_value_of_the_prior_and_what_may_help(params):
    options = SamplingOptions(2, 0, DRAWN)
    narrow = PriorRange(((-1e-6, 1e-6),) * 2, ((-1e-6, 1e-6),) * 2, 100)
    for prior_range, image in ((None, 1e4 * IMAGE), (narrow, 1e4 * IMAGE)):
        sampler = ImageSampler(MODEL, params, options, prior_range)
        unlike = given(image=image)
        warnings = sampler.warnings(unlike, sampler.encode(unlike))
        assert len(warnings) == (prior_range is not None)
    (warning,) = warnings
    assert "unlike the training images: the prior's" in warning
    for flag in ("--temperature", "--mean_scales", "--center"):
        assert flag in warning


def test_logits_that_are_not_finite_are_refused_by_the_pictures_name(params):
    broken = jax.tree.map(lambda x: x * np.nan, params)
    with pytest.raises(
        UserError, match=r"^picture: .* NaN or infinity: .* unlike .*below 1, or --mean_scales=all"
    ):
        labels(broken, SamplingOptions(2, 0, DRAWN))
