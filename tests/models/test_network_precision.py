"""What a network computes in which precision, and what it keeps for its gradients."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hpunet
from hpunet.models.hierarchical.network import build_network
from hpunet.models.noise import draw_latent_noise
from tests import tiny

pytestmark = pytest.mark.usefixtures("quick_compilation")

MODEL = hpunet.build_model(tiny.CONFIG)
IMAGE = jax.random.uniform(jax.random.key(3), (2, tiny.SIZE, tiny.SIZE, 1))
SEGMENTATION = jax.nn.one_hot(jnp.int32(IMAGE[..., 0] > 0.5), 2)
PARAMS = MODEL.init(jax.random.key(0), IMAGE, SEGMENTATION)
NOISE = draw_latent_noise(
    jax.random.split(jax.random.key(1), 2), tiny.CONFIG.latent_shapes(tiny.SIZE, tiny.SIZE)
)

# Two dozen roundings to 8 bits one after the other, of either sign.
BFLOAT16_TOLERANCE = 24 * 2**-8
# The same sums, which a compiler may add up in another order.
REMAT_TOLERANCE = 1e-5
# Levels of a single block keep little that is theirs alone; those of the LIDC network, 7 eighths.
KEPT_WITH_REMAT = 0.6


def forward(precision="float32", remat=False, params=PARAMS):
    return build_network(tiny.CONFIG, precision, remat).forward(params, IMAGE, SEGMENTATION, NOISE)


def loss(params, precision="float32", remat=False):
    output = forward(precision, remat, params)
    return jnp.square(output.logits).sum() + sum(kl.sum() for kl in output.kl)


@functools.cache
def output_of(precision="float32", remat=False):
    return jax.jit(functools.partial(forward, precision, remat))()


def dtypes(tree):
    return {str(x.dtype) for x in jax.tree.leaves(tree)}


def operations(function, *arguments):
    """Name of every operation of a function with the dtype of its result."""
    text = str(jax.make_jaxpr(function)(*arguments))
    return {(name, dtype) for dtype, name in re.findall(r":(\w+)\[[\d,]*\] = (\w+)", text)}


def relative_error(tree, expected):
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(expected), strict=True)
    errors = [np.abs(x - e).max() / np.abs(e).max() for x, e in pairs]
    return max(errors)


def kept_bytes(remat):
    def backward(params):
        return jax.vjp(lambda p: loss(p, remat=remat), params)[1]

    kept = jax.tree.leaves(jax.eval_shape(backward, PARAMS))
    return sum(x.size * x.dtype.itemsize for x in kept)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_convolutions_are_of_the_precision_that_was_asked_for(precision):
    done = operations(lambda params: forward(precision, params=params), PARAMS)
    convolved = {dtype for name, dtype in done if name in ("conv_general_dilated", "dot_general")}
    assert convolved == {"f32" if precision == "float32" else "bf16"}


def test_gradients_convolutions_are_bfloat16_too():
    done = operations(jax.grad(lambda params: loss(params, "bfloat16")), PARAMS)
    assert ("conv_general_dilated", "f32") not in done


def test_distributions_logits_and_kl_are_float32_in_bfloat16():
    output = output_of("bfloat16")
    assert dtypes(output) == {"float32"}
    assert dtypes(output.kl) == {"float32"}
    done = operations(lambda params: loss(params, "bfloat16"), PARAMS)
    assert {dtype for name, dtype in done if name in ("exp", "log", "div")} == {"f32"}


def test_gradients_are_float32_in_bfloat16():
    gradient = jax.eval_shape(jax.grad(lambda params: loss(params, "bfloat16")), PARAMS)
    assert dtypes(gradient) == {"float32"}


def test_output_in_bfloat16_is_that_in_float32_up_to_its_rounding():
    error = relative_error(output_of("bfloat16"), output_of())
    assert 0 < error < BFLOAT16_TOLERANCE


def test_model_of_bfloat16_samples_and_rebuilds_in_float32_what_float32_does():
    model = hpunet.build_model(tiny.CONFIG, "bfloat16")
    key = jax.random.key(2)
    for drawn in (
        lambda m: m.sample(PARAMS, key, IMAGE, num_samples=2),
        lambda m: m.reconstruct(PARAMS, key, IMAGE, SEGMENTATION),
    ):
        assert drawn(model).dtype == jnp.float32
        assert 0 < relative_error(drawn(model), drawn(MODEL)) < BFLOAT16_TOLERANCE


def test_first_weights_are_the_same_in_both_precisions():
    params = hpunet.build_model(tiny.CONFIG, "bfloat16").init(
        jax.random.key(0), IMAGE, SEGMENTATION
    )
    jax.tree.map(np.testing.assert_array_equal, params, PARAMS)


@pytest.mark.parametrize("precision", ["float16", "BFLOAT16"])
def test_other_precision_is_refused(precision):
    with pytest.raises(ValueError, match=r"^precision=.*: allowed are 'float32' and 'bfloat16'$"):
        hpunet.build_model(tiny.CONFIG, precision)


def test_levels_computed_twice_give_the_same_output():
    assert relative_error(output_of(remat=True), output_of()) < REMAT_TOLERANCE


def test_levels_computed_twice_are_not_kept():
    assert kept_bytes(remat=True) < KEPT_WITH_REMAT * kept_bytes(remat=False)


def test_sampling_computes_no_level_twice():
    networks = [build_network(tiny.CONFIG, remat=remat) for remat in (False, True)]
    encoders = [str(jax.make_jaxpr(n.encode)(PARAMS, IMAGE)) for n in networks]
    assert encoders[0] == encoders[1]
    features = MODEL.network.encode(PARAMS, IMAGE)
    none = [None, None]
    decoders = [
        str(jax.make_jaxpr(lambda p, n=n: n.decode(p, features, none, none))(PARAMS))
        for n in networks
    ]
    assert decoders[0] == decoders[1]
