"""Every golden value of the reference against this implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hpunet.model.noise import Noise
from hpunet.objective.cross_entropy import TopK, cross_entropy, reconstruction
from hpunet.objective.geco import init_geco
from hpunet.objective.hierarchical import loss_of_pass
from hpunet.objective.terms import kl_per_scale, l2_regularisation
from tests import golden_reference

# What float32 holds of networks this deep; two builds of the reference differ by 5e-6 and 5e-5.
OUTPUT_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
COURSE_TOLERANCE = 1e-4

SCALARS = {
    "loss_rec_loss_sum": "rec_loss_sum",
    "loss_rec_loss_mean": "rec_loss_mean",
    "loss_kl_sum": "kl_sum",
    "loss_lagmul": "lagrange_multiplier",
    "loss_total": "loss",
}
MULTIPLIER = "snt_lagrange_multiplier/lagrange_multiplier/w"


@pytest.fixture(params=golden_reference.NAMES)
def golden(request):
    return golden_reference.load(request.param)


def assert_close(value, expected, tolerance):
    assert golden_reference.relative_error(value, expected) < tolerance


def samples(golden):
    forward = jax.jit(golden.model.network.decode)
    encoded = jax.jit(golden.model.network.encode)(golden.params, golden.values["img"])
    none = [None] * golden.model.config.num_scales
    noise = golden.per_scale("prior_noise")
    yield "sample_mean", forward(golden.params, encoded, none, none)
    yield "sample_noise", forward(golden.params, encoded, noise, none)
    yield "sample_global", forward(golden.params, encoded, [noise[0], *none[1:]], none)
    yield "sample_local", forward(golden.params, encoded, [*none[1:], noise[-1]], none)
    yield "sample_z", forward(golden.params, encoded, none, golden.per_scale("z"))


def test_samples_are_those_of_the_reference(golden):
    for name, logits in samples(golden):
        assert_close(logits, golden.values[f"out:{name}"], OUTPUT_TOLERANCE)


def test_public_interface_gives_the_samples_of_the_reference(golden):
    if golden.meta["size"] > 32:
        pytest.skip("the network itself is compared above; two more compilations of it add nothing")
    image, segmentation = golden.values["img"], golden.values["seg"]
    mean = golden.model.sample(golden.params, None, image, mean=True)
    assert_close(mean[0], golden.values["out:sample_mean"], OUTPUT_TOLERANCE)
    given = golden.model.sample(golden.params, None, image, latents=golden.per_scale("z"))
    assert_close(given[0], golden.values["out:sample_z"], OUTPUT_TOLERANCE)
    rebuilt = golden.model.reconstruct(golden.params, None, image, segmentation, mean=True)
    assert_close(rebuilt, golden.values["out:reconstruct_mean"], OUTPUT_TOLERANCE)


def test_posterior_pass_and_kl_are_those_of_the_reference(golden):
    forward = jax.jit(golden.model.network.forward)
    inputs = golden.params, golden.values["img"], golden.values["seg"]
    rebuilt = forward(*inputs, [None] * golden.model.config.num_scales)
    assert_close(rebuilt.logits, golden.values["out:reconstruct_mean"], OUTPUT_TOLERANCE)
    output = forward(*inputs, golden.per_scale("posterior_noise"))
    assert_close(output.logits, golden.values["out:reconstruct_noise"], OUTPUT_TOLERANCE)
    kls = kl_per_scale(output.posterior, output.prior)
    for i in range(golden.model.config.num_scales):
        for part, distribution in (("posterior", output.posterior), ("prior", output.prior)):
            for field in ("loc", "scale"):
                expected = golden.values[f"out:{part}_{field}_{i}"]
                assert_close(getattr(distribution[i], field), expected, OUTPUT_TOLERANCE)
        assert_close(jnp.mean(kls[i]), golden.values[f"out:kl_{i}"], OUTPUT_TOLERANCE)


@pytest.mark.parametrize("masked", ["", "_masked"])
@pytest.mark.parametrize("variant", ["plain", "topk_det", "topk_gumbel"])
def test_cross_entropy_is_that_of_the_reference(golden, variant, masked):
    name = "masked" if variant + masked == "plain_masked" else variant + masked
    pixelwise = cross_entropy(golden.values["out:reconstruct_noise"], golden.values["seg"])
    fraction = golden.meta["loss_kwargs"]["top_k_percentage"]
    top_k = None if variant == "plain" else TopK(fraction, deterministic=variant == "topk_det")
    mask = golden.values["mask"] if masked else None
    rec = reconstruction(pixelwise, mask, top_k, golden.gumbel())
    assert_close(rec.sum / len(pixelwise), golden.values[f"out:ce_{name}_sum"], OUTPUT_TOLERANCE)
    assert_close(rec.sum / rec.num_pixels, golden.values[f"out:ce_{name}_mean"], OUTPUT_TOLERANCE)
    if top_k is not None:
        kept = golden.values[f"out:ce_{name}_mask"]
        np.testing.assert_array_equal(np.reshape(rec.kept, kept.shape), kept)


def test_regularisation_is_that_of_the_reference(golden):
    value = l2_regularisation(golden.params, 1e-5)
    assert_close(value, golden.values["out:regularisation"], OUTPUT_TOLERANCE)


def loss_and_gradient(golden):
    values, config = golden.values, golden.loss_config
    noise = Noise(golden.per_scale("posterior_noise"), golden.gumbel())

    def loss(trained, state):
        params, variable = trained
        output = golden.model.network.forward(params, values["img"], values["seg"], noise.latents)
        result = loss_of_pass(
            output, values["seg"], noise, params, variable, state, config, values["mask"]
        )
        return result.share, result

    return jax.jit(jax.grad(loss, has_aux=True))


def tensorflow_adam(step, rate, gradient, first, second):
    # TensorFlow adds epsilon before the correction of the second moment, optax after it.
    b1, b2, epsilon = 0.9, 0.999, 1e-8
    first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, second, gradient)
    rate = rate * (1 - b2**step) ** 0.5 / (1 - b1**step)
    update = jax.tree.map(lambda m, v: -rate * m / (jnp.sqrt(v) + epsilon), first, second)
    return update, first, second


def train(golden, gradient_at, optimizer):
    variable, state = init_geco()
    trained = golden.params, variable
    first = second = jax.tree.map(jnp.zeros_like, trained)
    course, gradients = [], []
    for step in range(1, golden.meta["steps"] + 1):
        gradient, loss = gradient_at(trained, state)
        state = loss.state
        gradients.append(gradient)
        course.append(loss)
        if optimizer == "sgd":
            rate = golden.meta["sgd_learning_rate"]
            update = jax.tree.map(lambda g, rate=rate: -rate * g, gradient)
        else:
            rate = golden.meta["adam_learning_rate"]
            update, first, second = tensorflow_adam(step, rate, gradient, first, second)
        trained = jax.tree.map(jnp.add, trained, update)
    return trained, gradients, course


def test_gradients_and_training_courses_are_those_of_the_reference(golden):
    gradient_at = loss_and_gradient(golden)
    for optimizer, prefix in (("sgd", "traj:"), ("adam", "traj_adam:")):
        trained, gradients, course = train(golden, gradient_at, optimizer)
        compare_course(golden, trained, course, prefix)
        if optimizer == "sgd":
            compare_gradient(golden, gradients[0])


def compare_gradient(golden, gradient):
    params, multiplier = gradient
    scope = golden.meta["name"]
    for module, name, reference in golden.names():
        value = params[module][name]
        if f"grad:{reference}" in golden.values:
            expected = golden.values[f"grad:{reference}"]
            assert_close(value, expected, GRADIENT_TOLERANCE)
        else:
            expected = golden.values[f"gradnorm:{reference}"]
            assert_close(jnp.linalg.norm(jnp.ravel(value)), expected, GRADIENT_TOLERANCE)
    kind = "grad" if f"grad:{scope}/{MULTIPLIER}" in golden.values else "gradnorm"
    expected = golden.values[f"{kind}:{scope}/{MULTIPLIER}"]
    value = abs(multiplier) if kind == "gradnorm" else multiplier
    assert_close(value, expected, GRADIENT_TOLERANCE)


def compare_course(golden, trained, course, prefix):
    names = SCALARS | {f"loss_kl_{i}": f"kl_{i}" for i in range(golden.model.config.num_scales)}
    for reference, name in names.items():
        value = [loss.scalars[name] for loss in course]
        assert_close(value, golden.values[prefix + reference], COURSE_TOLERANCE)
    objective = [loss.scalars["loss"] - loss.scalars["regularisation"] for loss in course]
    assert_close(objective, golden.values[f"{prefix}loss_supervised"], COURSE_TOLERANCE)
    assert_close(objective, golden.values[f"{prefix}loss_geco_loss"], COURSE_TOLERANCE)
    pixels = [loss.scalars["rec_loss_sum"] / loss.scalars["rec_loss_mean"] for loss in course]
    assert_close(pixels, golden.values[f"{prefix}loss_num_valid_pixels"], COURSE_TOLERANCE)
    average = [loss.scalars["rec_loss_ema"] for loss in course] / np.asarray(pixels)
    assert_close(average, golden.values[f"{prefix}loss_ma_rec_loss_mean"], COURSE_TOLERANCE)
    final = golden.values[f"{prefix}lagrange_variable_final"]
    assert_close(trained[1], final, COURSE_TOLERANCE)
