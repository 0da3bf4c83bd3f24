"""What the devices that share a batch say to each other in a step."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hpunet.config.training import ElboConfig, GecoConfig, LossConfig, TopK
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.model import build_model
from hpunet.training.devices import Devices
from hpunet.training.state import build_step, init_state
from hpunet.training.task import build_task
from tests import tiny

OPERATION = re.compile(
    r"stablehlo\.(all_reduce|all_gather|all_to_all|reduce_scatter|collective_\w+)"
)
SUMS_OF_CROSS_ENTROPY_TERMS_AND_GRADIENT = ["all_reduce"] * 3
OPTIMIZER = optax.adam(1e-3)


def task(num_levels=2, blocks_per_level=1, objective=None, top_k=tiny.TOP_K):
    config = HierarchicalConfig(
        latent_dims=(1,) * (num_levels - 1),
        channels_per_block=(2,) * num_levels,
        convs_per_block=1,
        blocks_per_level=blocks_per_level,
    )
    loss = LossConfig(
        objective or GecoConfig(),
        None if top_k is None else top_k.fraction,
        top_k is not None and top_k.deterministic,
        1e-4,
    )
    return build_task(build_model(config), loss, (tiny.SIZE, tiny.SIZE), 1, None)


def asked_for(task, num_devices):
    """The collectives of a step before a backend joins or splits any, in order of their names."""
    devices = Devices(jax.local_devices()[:num_devices])
    step = devices.pmap(build_step(task, OPTIMIZER, devices.collectives()))
    state = jax.eval_shape(lambda: init_state(task, OPTIMIZER, 0))
    copies = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_devices, *x.shape), x.dtype), state)
    text = step.lower(copies, devices.split(tiny.batch())).as_text()
    return sorted(OPERATION.findall(text))


def test_number_of_collectives_grows_neither_with_levels_nor_with_blocks_nor_with_devices():
    expected = ["all_gather", *SUMS_OF_CROSS_ENTROPY_TERMS_AND_GRADIENT]
    assert asked_for(task(num_levels=2), 2) == expected
    assert asked_for(task(num_levels=4), 2) == expected
    assert asked_for(task(num_levels=2, blocks_per_level=4), 4) == expected


@pytest.mark.parametrize("objective", [GecoConfig(), ElboConfig()])
def test_one_device_talks_to_nobody(objective):
    assert asked_for(task(objective=objective), 1) == []


@pytest.mark.parametrize("objective", [GecoConfig(), ElboConfig()])
def test_where_all_pixels_count_only_terms_and_gradient_are_summed(objective):
    assert asked_for(task(objective=objective, top_k=None), 2) == ["all_reduce"] * 2


@pytest.mark.parametrize("deterministic", [False, True])
def test_pixels_are_gathered_once_whether_drawn_or_taken(deterministic):
    found = asked_for(task(top_k=TopK(0.1, deterministic)), 2)
    assert found.count("all_gather") == 1


def on_every_device(function, num_devices=2):
    devices = Devices(jax.local_devices()[:num_devices])
    collectives = devices.collectives()
    return lambda tree: jax.device_get(
        devices.pmap(lambda state, x: (state, function(collectives, x)))(
            devices.replicate(np.zeros(1, np.float32)), devices.split(tree)
        )[1]
    )


@pytest.mark.parametrize("num_devices", [1, 2, 4])
def test_gather_gives_every_array_of_a_tree_back_bit_by_bit(num_devices):
    numbers = np.float32([[np.nan, -0.0], [1e-45, -np.inf], [3.0, 4.0], [5.0, 6.0]])
    places = np.int32([3, 2, -1, 2**30])
    gather = on_every_device(lambda collectives, x: collectives.gather(x), num_devices)
    everyone = gather({"numbers": numbers, "places": places})
    assert everyone["places"].dtype == np.int32
    np.testing.assert_array_equal(everyone["places"], places)
    np.testing.assert_array_equal(everyone["numbers"].view(np.uint32), numbers.view(np.uint32))


def test_sum_adds_every_array_of_a_tree_and_keeps_shapes_and_types():
    first, second = np.arange(12, dtype=np.float32).reshape(4, 3), np.ones(4, jnp.bfloat16)
    add = on_every_device(lambda collectives, x: collectives.sum(x))
    total = add({"a": first, "b": [second]})
    np.testing.assert_array_equal(total["a"], first[:2] + first[2:])
    assert total["b"][0].dtype == jnp.bfloat16
    np.testing.assert_array_equal(total["b"][0], second[:2] + second[2:])
