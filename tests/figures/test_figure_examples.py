"""Documentation of the public functions: their examples."""

import doctest

import pytest

from hpunet import figures


@pytest.mark.parametrize("name", figures.__all__)
def test_the_example_of_a_function_gives_what_it_shows(name, tmp_path, monkeypatch, low_resolution):
    monkeypatch.chdir(tmp_path)
    function = getattr(figures, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0
