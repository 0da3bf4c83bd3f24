import numpy as np
import pytest

import hpunet
from hpunet.io.errors import UserError
from hpunet.weights.deepmind.names import reference_names
from tests import tiny

SCOPE = "model/HPUNet"
PARAMETERS = hpunet.build_model(tiny.CONFIG).list_parameters(1)
NAMES = reference_names(PARAMETERS, SCOPE)
FIRST = f"{SCOPE}/prior/conv_2d/w"


@pytest.fixture
def variables():
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(size=parameter.shape)
        for name, parameter in zip(NAMES, PARAMETERS, strict=True)
    }


def test_every_variable_takes_its_place(variables):
    params = hpunet.params_from_reference({**variables, "global_step": 3}, tiny.CONFIG, SCOPE)
    for parameter, name in zip(PARAMETERS, NAMES, strict=True):
        value = params[parameter.module][parameter.name]
        np.testing.assert_array_equal(value, variables[name].astype(np.float32))


def test_names_are_unique():
    assert len(set(NAMES)) == len(NAMES)


def test_missing_variable_is_named(variables):
    name = f"{SCOPE}/f_comb/logits/b"
    del variables[name]
    with pytest.raises(UserError, match=f"variable {name} is missing"):
        hpunet.params_from_reference(variables, tiny.CONFIG, SCOPE)


def test_misshapen_variable_is_named_with_both_shapes(variables):
    name = f"{SCOPE}/f_comb/logits/b"
    variables[name] = np.zeros(3)
    with pytest.raises(UserError, match=rf"{name} has shape \(3,\): the network needs \(2,\)"):
        hpunet.params_from_reference(variables, tiny.CONFIG, SCOPE)


def test_wrong_scope_is_suspected_when_the_first_variable_is_missing(variables):
    with pytest.raises(UserError, match=r"scope='other' the right one"):
        hpunet.params_from_reference(variables, tiny.CONFIG, "other")


@pytest.mark.parametrize("name", [FIRST, f"{SCOPE}/f_comb/logits/b"])
@pytest.mark.parametrize("value", [3, "weights", None, [object()], [[1], [1, 2]]])
def test_variable_that_is_no_kernel_of_numbers_is_named(variables, name, value):
    with pytest.raises(UserError, match=f"variable {name}[ =].*(allowed is|needs)") as error:
        hpunet.params_from_reference({**variables, name: value}, tiny.CONFIG, SCOPE)
    assert "\n" not in str(error.value)


def test_what_is_no_mapping_or_no_network_is_refused():
    with pytest.raises(ValueError, match="variables is a list: allowed is a mapping"):
        hpunet.params_from_reference([], tiny.CONFIG)
    with pytest.raises(ValueError, match=r"config=None: allowed is a hpunet\.HierarchicalConfig"):
        hpunet.params_from_reference({}, None)
