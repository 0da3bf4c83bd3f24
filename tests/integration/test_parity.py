"""Every golden value of the reference against this implementation."""

import pytest

from tests import golden_reference
from tests.parity import conversion, network, training
from tests.parity.comparison import Comparison

pytestmark = pytest.mark.usefixtures("memory_of_a_test")


@pytest.fixture(params=golden_reference.NAMES)
def golden(request):
    return golden_reference.load(request.param)


def assert_all_pass(comparisons):
    comparisons = list(comparisons)
    assert comparisons
    assert [c for c in comparisons if not c.passes] == []


def test_samples_are_those_of_the_reference(golden):
    assert_all_pass(network.samples(golden))


def test_public_interface_gives_the_samples_of_the_reference(golden):
    if golden.meta["size"] > 32:
        pytest.skip("the network itself is compared above; two more compilations of it add nothing")
    assert_all_pass(network.public_interface(golden))


def test_posterior_pass_and_kl_are_those_of_the_reference(golden):
    assert_all_pass(network.posterior_pass(golden))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("variant", network.VARIANTS)
def test_cross_entropy_is_that_of_the_reference(golden, variant, masked):
    assert_all_pass(network.cross_entropies(golden, variant, masked))


def test_regularisation_is_that_of_the_reference(golden):
    assert_all_pass(network.regularisation(golden))


def test_gradients_and_training_courses_are_those_of_the_reference(golden):
    assert_all_pass(training.training(golden))


def test_converted_checkpoint_gives_the_samples_of_the_reference(tmp_path):
    small = golden_reference.load("small")
    assert_all_pass(conversion.conversion(small, conversion.CHECKPOINT, tmp_path / "small"))


def test_a_difference_above_what_is_allowed_and_nan_do_not_pass():
    assert Comparison("small", "samples", "out:sample_mean", 1e-5, 1e-5, 1).passes
    for worst in (1.1e-5, float("nan")):
        assert not Comparison("small", "samples", "out:sample_mean", 1e-5, worst, 1).passes
