"""Names, shapes and first values of a network's weights."""

import jax
import numpy as np
import pytest

import hpunet
from hpunet.models.initialization import orthogonal, truncated_normal

LIDC_PARAMETERS = 21_877_230
# The posterior decoder's last features and its finest level are never used, as in the reference.
LIDC_UNUSED = 1_292_928
# What makes a key, and what hands its words to NumPy.
FEW_PROGRAMS = 10
SMALL = hpunet.HierarchicalConfig((1,), (4, 6), convs_per_block=1, blocks_per_level=1)
SMALL_TREE = {
    "prior_encoder/level_0/block_0/conv_0": (3, 3, 1, 2),
    "prior_encoder/level_0/block_0/skip": (1, 1, 1, 4),
    "prior_encoder/level_0/block_0/expand": (1, 1, 2, 4),
    "prior_encoder/level_1/block_0/conv_0": (3, 3, 4, 3),
    "prior_encoder/level_1/block_0/skip": (1, 1, 4, 6),
    "prior_encoder/level_1/block_0/expand": (1, 1, 3, 6),
    "prior_decoder/latent_0": (1, 1, 6, 2),
    "prior_decoder/level_0/block_0/conv_0": (3, 3, 11, 2),
    "prior_decoder/level_0/block_0/skip": (1, 1, 11, 4),
    "prior_decoder/level_0/block_0/expand": (1, 1, 2, 4),
    "stitching_decoder/logits": (1, 1, 4, 2),
}


def init(config, key, size=8):
    image = np.zeros((1, size, size, 1), np.float32)
    return hpunet.build_model(config).init(
        key, image, np.zeros((1, size, size, config.num_classes), np.float32)
    )


def test_parameter_tree_is_pinned(key):
    posterior = {
        name.replace("prior", "posterior"): shape
        for name, shape in SMALL_TREE.items()
        if name.startswith("prior")
    }
    first = "posterior_encoder/level_0/block_0"
    posterior |= {f"{first}/conv_0": (3, 3, 3, 2), f"{first}/skip": (1, 1, 3, 4)}
    params = init(SMALL, key)
    assert {name: weights["w"].shape for name, weights in params.items()} == SMALL_TREE | posterior
    for weights in params.values():
        assert weights.keys() == {"w", "b"}
        assert weights["b"].shape == weights["w"].shape[-1:]
        assert weights["w"].dtype == np.float32


def test_inner_widths_are_half_the_outer_ones_unless_given():
    assert hpunet.HierarchicalConfig((1,), (8, 6, 1)).inner_channels == (4, 3, 1)
    assert hpunet.HierarchicalConfig((1,), (8, 6), (5, 6)).inner_channels == (5, 6)


def test_lidc_network_has_the_number_of_parameters_of_the_reference():
    parameters = hpunet.build_model(hpunet.HierarchicalConfig()).list_parameters(1)
    assert sum(int(np.prod(p.shape)) for p in parameters) == LIDC_PARAMETERS


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (1, 1, 3, 7), (1, 1, 7, 3), (3, 3, 1, 9)])
def test_kernels_have_orthonormal_columns_or_rows(shape):
    matrix = orthogonal(np.random.default_rng(0), shape).reshape(-1, shape[-1])
    tall = matrix.shape[0] >= matrix.shape[1]
    gram = matrix.T @ matrix if tall else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_orthogonal_kernels_favour_no_sign():
    generator = np.random.default_rng(0)
    firsts = [orthogonal(generator, (1, 1, 3, 3))[0, 0, 0, 0] for _ in range(2000)]
    # Uniform over the sphere in three dimensions: mean 0, variance 1/3.
    assert abs(np.mean(firsts)) < 0.05
    assert abs(np.var(firsts) - 1 / 3) < 0.03


def test_biases_are_cut_at_two_deviations():
    values = truncated_normal(np.random.default_rng(0), (100_000,))
    assert np.abs(values).max() <= 0.002
    assert np.abs(values).max() > 0.00199
    # A standard normal cut at 2 has the standard deviation 0.8796.
    assert abs(values.std() / 0.0008796 - 1) < 0.01


def test_same_key_gives_the_same_weights_and_another_key_others(key):
    one, same = (jax.tree.leaves(init(SMALL, jax.random.clone(key))) for _ in range(2))
    other = jax.tree.leaves(init(SMALL, jax.random.key(1)))
    for value, same_value, other_value in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(value, same_value)
        assert not np.array_equal(value, other_value)


def test_no_two_weights_of_a_network_share_their_values(key):
    config = hpunet.HierarchicalConfig((1,), (4, 4, 4), convs_per_block=2)
    leaves = [np.ravel(x) for x in jax.tree.leaves(init(config, key))]
    firsts = [float(x[0]) for x in leaves]
    assert len(set(firsts)) == len(firsts)


def test_weights_may_be_drawn_under_jit_and_their_shapes_without_drawing(key):
    drawn = init(SMALL, jax.random.clone(key))
    shapes = jax.eval_shape(lambda k: init(SMALL, k), jax.random.clone(key))
    compiled = jax.jit(lambda k: init(SMALL, k))(key)
    for module, weights in drawn.items():
        for name, value in weights.items():
            assert shapes[module][name].shape == value.shape
            np.testing.assert_array_equal(compiled[module][name], value)


def test_weights_of_the_lidc_network_are_drawn_without_compiling_it(compiled_programs):
    """It takes a few seconds: compiled as a whole, the draws would take more than a minute."""
    params = init(hpunet.HierarchicalConfig(), jax.random.key(0), size=128)
    assert sum(x.size for x in jax.tree.leaves(params)) == LIDC_PARAMETERS
    assert len(compiled_programs) <= FEW_PROGRAMS


def test_posterior_decoder_leaves_as_many_weights_unused_as_the_references():
    """The residual blocks after the finest latent feed nothing, as in the reference."""
    model = hpunet.build_model(hpunet.HierarchicalConfig())
    config = model.config
    finest = config.level_of_scale(config.num_scales - 1) - 1
    unused = f"posterior_decoder/level_{finest}/"
    parameters = [p for p in model.list_parameters(1) if p.module.startswith(unused)]
    assert sum(int(np.prod(p.shape)) for p in parameters) == LIDC_UNUSED
