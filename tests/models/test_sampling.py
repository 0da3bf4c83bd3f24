"""Drawing segmentations through the public interface."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hpunet
from hpunet.models import check
from tests import tiny

pytestmark = pytest.mark.usefixtures("quick_compilation")

# Batches of other sizes may be summed up in another order.
TOLERANCE = 1e-5
MODEL = hpunet.build_model(tiny.CONFIG)
BATCH = 3
IMAGE = np.random.default_rng(0).random((BATCH, 8, 8, 1), np.float32)
SEGMENTATION = np.eye(2, dtype=np.float32)[(IMAGE[..., 0] > 0.5).astype(int)]
LATENTS = [np.full((BATCH, 2, 2, 1), 0.3, np.float32), np.full((BATCH, 4, 4, 1), -1, np.float32)]


@pytest.fixture(scope="module")
def params():
    params = MODEL.init(jax.random.key(7), IMAGE, SEGMENTATION)
    # Deviations of exp(-1) or so, lest a draw drown the image.
    for module, weights in params.items():
        if "latent_" in module:
            weights["w"], weights["b"] = weights["w"] * 0.1, weights["b"] - 1
    return params


def close(values, expected):
    np.testing.assert_allclose(values, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_fewer_samples_are_the_first_of_more(params, key):
    four = MODEL.sample(params, jax.random.clone(key), IMAGE, num_samples=4)
    eight = MODEL.sample(params, jax.random.clone(key), IMAGE, num_samples=8)
    assert eight.shape == (8, BATCH, 8, 8, 2)
    close(four, eight[:4])
    assert np.abs(eight[1:] - eight[:-1]).max(axis=(1, 2, 3, 4)).min() > 0.01


def test_same_key_gives_the_same_samples_and_another_key_others(params, key):
    one, same = (MODEL.sample(params, jax.random.clone(key), IMAGE) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - MODEL.sample(params, jax.random.key(1), IMAGE)).max() > 0.01


def test_sample_of_an_image_depends_on_its_own_key_alone(params, key):
    keys = jax.random.split(key, BATCH)
    samples = MODEL.sample(params, jax.random.clone(keys), IMAGE, num_samples=2)
    order = np.array([2, 0, 1])
    permuted = MODEL.sample(params, jax.random.clone(keys)[order], IMAGE[order], num_samples=2)
    close(permuted, samples[:, order])


def test_single_key_is_folded_with_each_images_place(params, key):
    twice = np.stack([IMAGE[0]] * BATCH)
    samples = MODEL.sample(params, key, twice)
    assert np.abs(samples[0, 1] - samples[0, 0]).max() > 0.01


def test_scales_at_the_mean_are_not_drawn(params, key):
    mean = MODEL.sample(params, None, IMAGE, mean=True)
    for same in ([True, True], np.True_, np.array([True, True]), (np.True_, True)):
        np.testing.assert_array_equal(mean, MODEL.sample(params, None, IMAGE, mean=same))
    some = MODEL.sample(params, key, IMAGE, mean=[True, False], num_samples=2)
    assert np.abs(some[0] - some[1]).max() > 1e-3
    assert np.abs(some[0] - mean[0]).max() > 1e-3


def test_given_latents_need_no_key_and_decide_the_sample(params):
    once = MODEL.sample(params, None, IMAGE, latents=LATENTS)
    stacked = [np.stack([z, z + 1]) for z in LATENTS]
    two = MODEL.sample(params, None, IMAGE, num_samples=2, latents=stacked)
    close(two[0], once[0])
    assert np.abs(two[1] - two[0]).max() > 1e-3


def test_given_latent_leaves_the_other_scale_drawn_as_without_it(params, key):
    both = [
        MODEL.sample(params, jax.random.clone(key), IMAGE, latents=[LATENTS[0], None]) for _ in "ab"
    ]
    np.testing.assert_array_equal(*both)
    other = MODEL.sample(params, jax.random.key(5), IMAGE, latents=[LATENTS[0], None])
    assert np.abs(both[0] - other).max() > 1e-3


def test_image_is_encoded_once_however_many_samples(params, key):
    def draw(params, key, image):
        return MODEL.sample(params, key, image, num_samples=16)

    # Those of 3x3 pixels, and the products of matrices that the others are, at full resolution.
    of_batch = re.compile(r"f32\[(?:3,8,8|192),\d+\] = (?:conv_general_dilated|dot_general)")
    encoder_only = of_batch.findall(str(jax.make_jaxpr(MODEL.network.encode)(params, IMAGE)))
    drawing = of_batch.findall(str(jax.make_jaxpr(draw)(params, key, IMAGE)))
    assert len(drawing) == len(encoder_only) > 0


def test_reconstruction_at_the_mean_needs_no_key_and_a_drawn_one_does(params, key):
    mean = MODEL.reconstruct(params, None, IMAGE, SEGMENTATION, mean=True)
    drawn = MODEL.reconstruct(params, key, IMAGE, SEGMENTATION)
    assert mean.shape == drawn.shape == SEGMENTATION.shape
    assert np.abs(mean - drawn).max() > 1e-3
    with pytest.raises(ValueError, match="key=None"):
        MODEL.reconstruct(params, None, IMAGE, SEGMENTATION)


def test_jax_arrays_inside_of_jit_give_what_numpy_arrays_give(params, key):
    direct = MODEL.sample(params, jax.random.clone(key), IMAGE)
    close(jax.jit(MODEL.sample)(params, key, jnp.asarray(IMAGE)), direct)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mean": [True, False], "latents": LATENTS}, r"scales \[0\] are set by both"),
        ({"mean": True, "latents": [None, LATENTS[1]]}, r"scales \[1\] are set by both"),
        ({"mean": [True]}, "mean has 1 entries: allowed are 2"),
        ({"latents": LATENTS[:1]}, "1 latents given: allowed are 2"),
        ({"latents": LATENTS[::-1]}, r"latents\[0\] has shape \(3, 4, 4, 1\): allowed are \(3, 2"),
        ({"num_samples": 0}, "num_samples=0"),
        ({}, "key=None"),
    ],
)
def test_settings_that_do_not_fit_are_refused(params, settings, message):
    with pytest.raises(ValueError, match=message):
        MODEL.sample(params, None, IMAGE, **settings)


# Asked of the checks themselves: in tests beartype stands before what calls them.
@pytest.mark.parametrize("mean", [None, 1, "x", ["no", "no"], [0, 1], np.zeros((2, 2), bool)])
def test_mean_that_is_neither_bool_nor_bools_is_refused(mean):
    with pytest.raises(ValueError, match=r"^mean.*=.*: allowed are True"):
        check.mean_scales(mean, [None, None], tiny.CONFIG)


@pytest.mark.parametrize("mean", [None, 1, "x", [True, False]])
def test_mean_of_a_reconstruction_is_one_bool(mean):
    with pytest.raises(ValueError, match=r"^mean=.*: allowed are True and False"):
        check.boolean("mean", mean)


@pytest.mark.parametrize("latents", [3, "ab", LATENTS[0], ["a", None], [np.array([None]), None]])
def test_latents_that_are_no_list_of_arrays_are_refused(latents):
    with pytest.raises(ValueError, match=r"^latents.*: allowed is ") as error:
        check.latents(latents, 1, IMAGE.shape, tiny.CONFIG)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "key", ["a", [None], np.zeros(3, np.uint32), np.uint32(1), 1.5, np.zeros((), object)]
)
def test_what_is_no_key_is_refused(key):
    for keys in (lambda: check.single_key(key), lambda: check.image_keys(key, BATCH)):
        with pytest.raises(ValueError, match=r"^key.*: allowed (is|are) jax\.random\.key"):
            keys()


@pytest.mark.parametrize(
    "image", ["a", ["a"], None, {}, np.full((1, 8, 8, 1), "a"), np.zeros((1, 8, 8, 1), object)]
)
def test_image_that_is_no_array_of_numbers_is_refused(image):
    with pytest.raises(ValueError, match=r"^image=.*: allowed is an array of numbers") as error:
        check.image(image, tiny.CONFIG)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("params", [None, {}, [], 3, {"a": 1}])
def test_what_is_no_weights_is_refused(params):
    with pytest.raises(ValueError, match=r"^params=.*: allowed are weights of this network"):
        check.channels(jnp.asarray(IMAGE), params, tiny.CONFIG)


@pytest.mark.parametrize("config", [None, {}, "lidc"])
def test_what_is_no_shape_of_a_network_is_refused(config):
    with pytest.raises(ValueError, match=r"^config=.*: allowed is a hpunet\.HierarchicalConfig"):
        check.model_config(config)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (IMAGE[0], r"image has shape \(8, 8, 1\): allowed is \[B, H, W, C\]"),
        (IMAGE[:, :7], r"height 7 \(nearest: 4 or 8\).* multiples of 4"),
        (IMAGE[:, :, :2], r"width 2 \(nearest: 4\)"),
        (np.repeat(IMAGE, 3, -1), "image has 3 channels: the weights expect 1"),
        (np.zeros((1, 8, 8, 1), np.uint8), "dtype uint8: allowed are floating-point"),
    ],
)
def test_image_that_does_not_fit_is_refused(params, key, image, message):
    with pytest.raises(ValueError, match=message):
        MODEL.sample(params, key, image)


def test_keys_that_do_not_fit_are_refused(params, key):
    with pytest.raises(ValueError, match=r"key has shape \(2,\): allowed are one key and 3 keys"):
        MODEL.sample(params, jax.random.split(key), IMAGE)


def test_segmentation_that_does_not_fit_is_refused(params):
    with pytest.raises(ValueError, match=r"shape \(3, 8, 8\): allowed is one-hot \(3, 8, 8, 2\)"):
        MODEL.reconstruct(params, None, IMAGE, SEGMENTATION[..., 0], mean=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent_dims": (1, 1, 1)}, "fewer scales than the 3 levels"),
        ({"latent_dims": ()}, "a list of one or more whole numbers"),
        ({"channels_per_block": (4, 0, 4)}, "whole numbers from 1 to"),
        ({"down_channels_per_block": (2, 2)}, "allowed is one width for each"),
        ({"num_classes": 1}, "num_classes=1: allowed values are whole numbers from 2 to"),
    ],
)
def test_network_that_cannot_be_is_refused(settings, message):
    shape = {"latent_dims": (1,), "channels_per_block": (4, 4, 4)} | settings
    with pytest.raises(ValueError, match=message):
        hpunet.HierarchicalConfig(**shape)


def test_temperature_is_a_factor_on_the_priors_deviations(params, key):
    def draw(temperature, **options):
        return MODEL.sample(
            params, jax.random.clone(key), IMAGE, num_samples=2, temperature=temperature, **options
        )

    mean = MODEL.sample(params, None, IMAGE, num_samples=2, mean=True)
    np.testing.assert_array_equal(
        draw(1), MODEL.sample(params, jax.random.clone(key), IMAGE, num_samples=2)
    )
    close(draw(0.0), mean)
    assert np.abs(draw(2.0) - mean).mean() > np.abs(draw(0.5) - mean).mean() > 0.01
    # A bias of the log deviation that is larger by log 2 doubles the deviation.
    hotter = {
        module: {**weights, "b": weights["b"].at[1:].add(np.log(2))}
        if "prior_decoder" in module and "latent_" in module
        else weights
        for module, weights in params.items()
    }
    expected = MODEL.sample(hotter, jax.random.clone(key), IMAGE, num_samples=2)
    close(draw(2.0), expected)


@pytest.mark.parametrize("temperature", [-1, -0.5, float("nan"), float("inf"), True])
def test_temperature_that_is_no_factor_is_refused(params, key, temperature):
    with pytest.raises(ValueError, match=r"temperature=.*allowed are finite numbers of at least 0"):
        MODEL.sample(params, key, IMAGE, temperature=temperature)


def test_decoding_apart_gives_the_samples_of_the_interface(params, key):
    keys = jax.random.split(key, BATCH)
    mean = (False, True)
    expected = MODEL.sample(params, jax.random.clone(keys), IMAGE, num_samples=3, mean=mean)
    encoded = jax.jit(MODEL.network.encode)(params, IMAGE)
    decode = jax.jit(MODEL.decode_sample, static_argnames="mean")
    third = decode(params, jax.random.clone(keys), encoded, 2, mean=mean)
    close(third, expected[2])


def test_one_compiled_program_serves_every_choice_of_means_and_temperature(params, key):
    model = hpunet.build_model(tiny.CONFIG)
    for mean in (False, True, [True, False], [False, True]):
        for temperature in (1.0, 0.5, 0.0):
            model.sample(params, key, IMAGE, num_samples=2, mean=mean, temperature=temperature)
    assert model._sample._cache_size() == 1


def test_means_are_drawn_by_noise_of_zeros(params, key):
    network = MODEL.network
    encoded = network.encode(params, jnp.asarray(IMAGE))
    noise = network.draw_noise(jax.random.split(key, BATCH), IMAGE.shape[1:3])
    decoded = network.decode(params, encoded, [jnp.zeros_like(n) for n in noise], [None, None])
    mean = MODEL.sample(params, None, IMAGE, mean=True)[0]
    np.testing.assert_allclose(decoded, mean, atol=TOLERANCE)


def test_portable_convolutions_are_a_plain_graph_and_give_the_same_numbers(params, key):
    fast, portable = (hpunet.build_model(tiny.CONFIG, convolution=c) for c in ("fast", "portable"))
    for draw in (
        lambda model: model.sample(params, key, IMAGE, num_samples=2),
        lambda model: model.reconstruct(params, key, IMAGE, SEGMENTATION),
    ):
        np.testing.assert_allclose(draw(portable), draw(fast), atol=TOLERANCE)
    graphs = [
        str(jax.make_jaxpr(m.network.encode)(params, jnp.asarray(IMAGE))) for m in (fast, portable)
    ]
    for special in ("custom_vjp", "platform_index"):
        assert [special in graph for graph in graphs] == [True, False]


@pytest.mark.parametrize("convolution", ["quick", ""])
def test_unknown_form_of_convolutions_is_refused(convolution):
    message = r"^convolution=.*: allowed are 'fast' and 'portable'$"
    with pytest.raises(ValueError, match=message):
        hpunet.build_model(tiny.CONFIG, convolution=convolution)
