import re

import numpy as np
import pytest

import hpunet
from hpunet.io.errors import UserError
from hpunet.weights.deepmind.conversion import MULTIPLIER, convert, reference_values
from hpunet.weights.deepmind.names import reference_names
from hpunet.weights.tensorflow.tensor_bundle import read_bundle
from tests import golden_reference, tiny
from tests.weights.bundle_writer import write_bundle

CHECKPOINT = golden_reference.FOLDER / "tf_checkpoint_small" / "tf_graph_data.ckpt"
SCOPE = "model/HPUNet"
PARAMETERS = hpunet.build_model(tiny.CONFIG).list_parameters(1)
FIRST = f"{SCOPE}/prior/conv_2d/w"
LATER = f"{SCOPE}/prior/conv_2d_3/w"


def variables_of(scope=SCOPE):
    rng = np.random.default_rng(0)
    names = reference_names(PARAMETERS, scope)
    return {
        name: rng.standard_normal(parameter.shape).astype(np.float32)
        for name, parameter in zip(names, PARAMETERS, strict=True)
    }


@pytest.fixture
def variables():
    return variables_of()


@pytest.fixture
def checkpoint(tmp_path):
    """Writes variables and reads what the index says of them."""
    return lambda variables: read_bundle(write_bundle(tmp_path / "model.ckpt", variables))


def refusal(bundle, *settings):
    with pytest.raises(UserError) as caught:
        convert(bundle, *settings)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(bundle.prefix))
    return message


def test_golden_checkpoint_gives_the_weights_of_the_golden_file():
    golden = golden_reference.load("small")
    converted = convert(read_bundle(CHECKPOINT))
    assert converted.config == golden.model.config
    assert (converted.scope, converted.skipped) == (SCOPE, ())
    assert converted.multiplier == (f"{SCOPE}/{MULTIPLIER}", np.log(np.e - 1).astype(np.float32))
    assert converted.params.keys() == golden.params.keys()
    for module, name, _ in golden.names():
        value = np.asarray(converted.params[module][name])
        np.testing.assert_array_equal(value, golden.params[module][name], strict=True)


def test_what_is_no_weight_is_skipped_and_listed(checkpoint, variables):
    extras = {
        "global_step": np.int64(7),
        "beta1_power": np.float32(0.9),
        "other/prior/conv_2d_1/w": np.zeros(3, np.float32),
        f"{SCOPE}/step": np.int32(1),
        f"{FIRST}/Adam": np.full(3, np.nan, np.float32),
        f"{FIRST}/Adam_1": np.zeros(3, np.float32),
    }
    converted = convert(checkpoint({**variables, **extras}))
    assert converted.skipped == tuple(sorted(extras))
    assert converted.multiplier is None
    assert converted.config == tiny.CONFIG


@pytest.mark.parametrize("scope", ["", "net", "a/b/c"])
def test_scope_is_found_or_taken(checkpoint, scope):
    bundle = checkpoint(variables_of(scope))
    assert convert(bundle).scope == scope
    assert convert(bundle, scope=f"{scope}/").scope == scope
    assert f"--scope=other: allowed is --scope={scope}" in refusal(bundle, None, "other")


def test_of_several_networks_one_has_to_be_chosen(checkpoint):
    bundle = checkpoint({**variables_of("one"), **variables_of("two/net")})
    assert "several networks: allowed is --scope=one or two/net" in refusal(bundle)
    converted = convert(bundle, scope="two/net")
    assert converted.scope == "two/net"
    assert len(converted.skipped) == len(PARAMETERS)


def test_checkpoint_of_something_else_is_refused(checkpoint):
    bundle = checkpoint({"dense/kernel": np.zeros((2, 2), np.float32)})
    assert "no variable is named SCOPE/prior/conv_2d/w" in refusal(bundle)


def test_shapes_of_no_network_ask_for_the_settings(checkpoint):
    bundle = checkpoint({FIRST: np.zeros((5, 5, 1, 2), np.float32)})
    assert "do not fit a Hierarchical Probabilistic U-Net; --config gives its settings" in refusal(
        bundle
    )


@pytest.mark.parametrize("settings", [(), (tiny.CONFIG,)])
@pytest.mark.parametrize(
    "lost",
    [
        [LATER],
        [f"{SCOPE}/prior/conv_2d_3/b"],
        [f"{SCOPE}/posterior/conv_2d/w"],
        [f"{SCOPE}/posterior/conv_2d_7/w", f"{SCOPE}/f_comb/logits/b"],
        [f"{SCOPE}/f_comb/logits/w", f"{SCOPE}/f_comb/logits/b", f"{SCOPE}/prior/conv_2d_1/b"],
    ],
)
def test_missing_variables_are_counted_and_the_first_is_named(
    checkpoint, variables, lost, settings
):
    for name in lost:
        del variables[name]
    message = refusal(checkpoint(variables), *settings)
    named = re.search("variable (.*) is missing", message)[1]
    assert named.split(" ")[0] in lost
    assert (f"(and {len(lost) - 1} more)" in message) == (len(lost) > 1)


@pytest.mark.parametrize("settings", [(), (tiny.CONFIG,)])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (LATER, (3, 3, 2, 7)),
        (LATER, (4,)),
        (f"{SCOPE}/prior/conv_2d_3/b", ()),
        (f"{SCOPE}/posterior/conv_2d_5/w", (1, 1, 4, 3)),
        (f"{SCOPE}/f_comb/logits/b", (3,)),
    ],
)
def test_misshapen_variable_is_named_with_both_shapes(checkpoint, variables, name, shape, settings):
    right = variables[name].shape
    variables[name] = np.zeros(shape, np.float32)
    message = refusal(checkpoint(variables), *settings)
    assert f"variable {name} has shape {shape}: the network needs {right}" in message


@pytest.mark.parametrize("shape", [(3,), (3, 3, 0, 2)])
def test_first_kernel_that_is_none_is_named(checkpoint, variables, shape):
    variables[FIRST] = np.zeros(shape, np.float32)
    assert f"variable {FIRST} has shape {shape}" in refusal(checkpoint(variables), tiny.CONFIG)


def test_settings_of_another_network_are_refused(checkpoint, variables):
    smaller = hpunet.HierarchicalConfig((1,), (4, 4), convs_per_block=1, blocks_per_level=1)
    assert "has shape" in refusal(checkpoint(variables), smaller)


def test_superfluous_convolution_is_named(checkpoint, variables):
    variables[f"{SCOPE}/f_comb/conv_2d_99/w"] = np.zeros((1, 1, 2, 2), np.float32)
    message = refusal(checkpoint(variables))
    assert f"variable {SCOPE}/f_comb/conv_2d_99/w is not part of the network" in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_variable_that_is_not_finite_is_named(checkpoint, variables, value):
    variables[LATER][0, 0, 1, 0] = value
    assert f"variable {LATER} is not finite" in refusal(checkpoint(variables))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_variable_of_another_type_is_named(checkpoint, variables, dtype):
    variables[LATER] = variables[LATER].astype(dtype)
    message = refusal(checkpoint(variables))
    assert f"variable {LATER} has type {np.dtype(dtype)}: allowed is float32" in message


@pytest.mark.parametrize("value", [np.float32("nan"), np.float64(1), np.zeros(2, np.float32)])
def test_multiplier_that_is_no_finite_float32_is_named(checkpoint, variables, value):
    name = f"{SCOPE}/{MULTIPLIER}"
    assert f"variable {name} " in refusal(checkpoint({**variables, name: value}))


def test_damaged_variable_is_named_with_its_file(checkpoint, variables, tmp_path):
    bundle = checkpoint(variables)
    path = tmp_path / "model.ckpt.data-00000-of-00001"
    contents = bytearray(path.read_bytes())
    contents[bundle.entries[LATER].offset] ^= 1
    path.write_bytes(contents)
    message = refusal(bundle)
    assert message == f"{path}: the checksum of {LATER} is wrong: the file is damaged"


def test_weights_go_back_to_the_variables_they_came_from(checkpoint, variables):
    variables[f"{SCOPE}/{MULTIPLIER}"] = np.array(0.25, np.float32)
    converted = convert(checkpoint(variables))
    values = reference_values(converted.params, converted.config, "x", converted.multiplier.value)
    assert values.keys() == {name.replace(SCOPE, "x") for name in variables}
    for name, value in variables.items():
        np.testing.assert_array_equal(values[name.replace(SCOPE, "x")], value, strict=True)
