"""However many devices share a batch, they do what one would do."""

import functools

import jax
import numpy as np
import optax
import pytest

from hpunet.data.pipeline import Batch
from hpunet.io.errors import UserError
from hpunet.training.devices import Devices, first
from hpunet.training.state import build_step, init_state
from tests import tiny

pytestmark = pytest.mark.usefixtures("quick_compilation")

# Devices add up a batch in another order than one device does, and steps amplify the rounding.
TOLERANCE = 1e-5
NUM_STEPS = 5
# Loud enough that five steps move the weights by hundredths of themselves: a gradient wrong by the
# number of devices cannot hide behind the weights' first values, as it does behind Adam's update.
OPTIMIZERS = {"sgd": optax.sgd(3e-4), "adam": optax.adam(1e-3)}


def reversed_batch(batch):
    return Batch(*(x[::-1].copy() for x in batch))


@functools.cache
def train(num_devices, optimizer, order="given"):
    task = tiny.task()
    devices = Devices(jax.local_devices()[:num_devices])
    step = devices.pmap(build_step(task, OPTIMIZERS[optimizer], devices.collectives()))
    state = devices.replicate(init_state(task, OPTIMIZERS[optimizer], 0))
    course = []
    for number in range(NUM_STEPS):
        batch = tiny.batch(number)
        batch = reversed_batch(batch) if order == "reversed" else batch
        state, scalars = step(state, devices.split(batch))
        course.append(jax.device_get(scalars))
    return first(state._replace(key=jax.random.key_data(state.key))), course


def flat(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


def assert_same(tree, expected):
    error = np.abs(flat(tree) - flat(expected)).max() / np.abs(flat(expected)).max()
    assert error < TOLERANCE


def assert_same_course(run, expected):
    (state, course), (expected_state, expected_course) = run, expected
    assert_same(state.params, expected_state.params)
    assert_same(state.variables, expected_state.variables)
    assert_same(state.objective, expected_state.objective)
    for scalars, expected_scalars in zip(course, expected_course, strict=True):
        for name, value in scalars.items():
            assert_same(value, expected_scalars[name])


@pytest.mark.parametrize("num_devices", [2, 4])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_several_devices_give_the_parameters_of_one(optimizer, num_devices):
    assert_same_course(train(num_devices, optimizer), train(1, optimizer))


def test_gradient_descent_moves_far_enough_to_show_a_gradient_wrongly_scaled():
    start = init_state(tiny.task(), OPTIMIZERS["sgd"], 0).params
    moved = np.abs(flat(train(1, "sgd")[0].params) - flat(start)).max()
    assert moved > 1e3 * TOLERANCE * np.abs(flat(start)).max()


def test_examples_may_be_dealt_out_to_devices_in_any_order():
    assert_same_course(train(4, "sgd", "reversed"), train(1, "sgd"))


def test_batch_that_the_devices_do_not_divide_is_refused_with_the_nearest_that_fit():
    devices = Devices(jax.local_devices())
    devices.check_batch_size(8)
    with pytest.raises(UserError, match=r"batch_size=10: 4 devices .* multiples of 4 .* 8 or 12$"):
        devices.check_batch_size(10)
    with pytest.raises(UserError, match=r"batch_size=3: .* such as 4$"):
        devices.check_batch_size(3)


def test_copy_for_the_host_outlives_the_state_it_was_taken_from():
    devices = Devices(jax.local_devices()[:2])
    add = devices.pmap(lambda state, batch: (state + batch.sum(), {}))
    state = devices.replicate(np.zeros(3, np.float32))
    copy = first(state)
    for _ in range(3):
        state, _ = add(state, devices.split(np.ones(4, np.float32)))
    np.testing.assert_array_equal(copy, np.zeros(3))
    assert first(state).tolist() == [6, 6, 6]


def test_split_deals_out_in_order_and_merge_undoes_it():
    devices = Devices(jax.local_devices())
    examples = np.arange(24).reshape(8, 3)
    np.testing.assert_array_equal(devices.split(examples)[1], examples[2:4])
    np.testing.assert_array_equal(devices.merge(devices.split(examples)), examples)
