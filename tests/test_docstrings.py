"""The examples in docstrings of the public interface."""

import doctest

import pytest

from hpunet.models import model
from hpunet.weights import published
from hpunet.weights.deepmind import names

FUNCTIONS = [
    model.build_model,
    model.Model.init,
    model.Model.image_channels,
    model.Model.list_parameters,
    model.Model.sample,
    model.Model.decode_sample,
    model.Model.noise_of_sample,
    model.Model.reconstruct,
    names.params_from_reference,
    published.load,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_example_of_a_function_gives_what_it_shows(function):
    (example,) = doctest.DocTestFinder(recurse=False).find(function, function.__name__, globs={})
    assert example.examples
    result = doctest.DocTestRunner().run(example)
    assert result.failed == 0


def test_every_public_method_of_a_model_has_an_example():
    methods = [value for name, value in vars(model.Model).items() if not name.startswith("_")]
    assert set(methods) <= set(FUNCTIONS)
