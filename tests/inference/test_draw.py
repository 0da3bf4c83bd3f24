"""Samples of pictures, drawn in portions."""

import jax
import numpy as np
import pytest

from hpunet.imaging.fit import fit_crop, fit_whole
from hpunet.inference import draw
from hpunet.inference.draw import Drawer, Wish, portion_size
from hpunet.io.errors import UserError
from hpunet.models.model import build_model
from tests import tiny
from tests.evaluation import judging

pytestmark = pytest.mark.usefixtures("quick_compilation")

MODEL = build_model(tiny.CONFIG)
IMAGE = np.random.default_rng(1).random((13, 9, 1), np.float32)
ONE = (1.0, 1.0)
FIT = fit_whole((13, 9), ONE, 2 ** (tiny.CONFIG.num_levels - 1))
DRAWN = (False,) * tiny.CONFIG.num_scales


@pytest.fixture(scope="module")
def params():
    return judging.parameters()


def labels(params, wish, fit=FIT, image=IMAGE, salt=0):
    return np.concatenate(list(Drawer(MODEL, params, wish)(image, fit, salt, "picture")))


def test_samples_are_those_of_the_public_interface_at_the_same_key(params):
    image = IMAGE[:8, :8]
    wish = Wish(5, 3, DRAWN)
    found = labels(params, wish, fit_whole((8, 8), ONE, 4), image, salt=7)
    key = jax.random.fold_in(jax.random.key(3), 7)
    logits = MODEL.sample(params, key[None], image[None], num_samples=5)
    np.testing.assert_array_equal(found, np.argmax(logits[:, 0], axis=-1))
    assert found.any()
    assert not found.all()


def test_portions_give_what_one_gives(params, monkeypatch):
    whole = labels(params, Wish(7, 0, DRAWN))
    monkeypatch.setattr(draw, "PIXELS", 3 * FIT.grid[0] * FIT.grid[1] // draw.samples_at_once())
    assert portion_size(FIT) == 3
    portions = list(Drawer(MODEL, params, Wish(7, 0, DRAWN))(IMAGE, FIT, 0, "picture"))
    assert [len(portion) for portion in portions] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(portions), whole)


def test_larger_pictures_are_decoded_fewer_at_once():
    counts = [portion_size(fit_whole((n, n), ONE, 128)) for n in (128, 256, 512, 1024, 4096)]
    assert counts == [4, 4, 1, 1, 1]


def test_a_picture_is_encoded_once(params, monkeypatch):
    encoded = []
    drawer = Drawer(MODEL, params, Wish(40, 0, DRAWN))
    encode = drawer._encode
    monkeypatch.setattr(drawer, "_encode", lambda *a: (encoded.append(1), encode(*a))[1])
    assert len(list(drawer(IMAGE, FIT, 0, "picture"))) == 10
    assert len(encoded) == 1


def test_same_seed_and_salt_give_the_same_and_others_other_samples(params):
    one, same, other = (labels(params, Wish(4, seed, DRAWN)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert (one != labels(params, Wish(4, 0, DRAWN), salt=1)).any()


def test_scales_at_the_mean_and_temperature_zero_give_one_sample_only(params):
    for wish in (Wish(4, 0, (True,) * len(DRAWN)), Wish(4, 0, DRAWN, 0.0)):
        found = labels(params, wish)
        np.testing.assert_array_equal(found, found[:1].repeat(4, axis=0))
    hot = labels(params, Wish(16, 0, DRAWN, 3.0))
    assert (hot != hot[:1]).any()


def test_beyond_the_crop_all_is_background(params):
    fit = fit_crop((13, 9), ONE, (10, 3), 8)
    found = labels(params, Wish(8, 0, DRAWN), fit)
    assert found.shape == (8, 13, 9)
    top, left, bottom, right = fit.region
    inside = np.zeros((13, 9), bool)
    inside[top:bottom, left:right] = True
    assert found[:, inside].any()
    assert not found[:, ~inside].any()


def test_logits_that_are_not_finite_are_refused_by_the_pictures_name(params):
    broken = jax.tree.map(lambda x: x * np.nan, params)
    with pytest.raises(UserError, match="picture: the network gives NaN or infinity"):
        labels(broken, Wish(2, 0, DRAWN))
