"""Documentation of the public functions: signatures, conventions and examples."""

import doctest
import inspect

import pytest

from hpunet import metrics

FUNCTIONS = [each for name in metrics.__all__ if inspect.isfunction(each := getattr(metrics, name))]
# Characters. The longest, of `score`, has eight arguments.
READABLE = 350


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_signature_names_its_types_as_the_code_does(function):
    signature = str(inspect.signature(function))
    assert len(signature) < READABLE
    assert "_typing" not in signature


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_classes_that_occur_nowhere_are_documented(function):
    text = inspect.getdoc(function)
    assert "classes:" not in text or "occurs\n        nowhere is accepted" in text


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_example_of_a_function_gives_what_it_shows(function):
    (example,) = doctest.DocTestFinder(recurse=False).find(function, function.__name__, globs={})
    assert example.examples
    result = doctest.DocTestRunner().run(example)
    assert result.failed == 0


def test_masks_are_alike_where_no_class_occurs():
    samples, annotations = [[[[1, 2]]]], [[[[2, 1]]], [[[1, 1]]]]
    assert metrics.ged(samples, annotations, classes=(9,)) == 0
    assert metrics.ged(samples, annotations, classes=(1,)) > 0
