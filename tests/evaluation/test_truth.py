import numpy as np
import pytest

from hpunet import metrics
from hpunet.config.data import SyntheticConfig
from hpunet.data.synthetic.builder import generate
from hpunet.data.synthetic.lesion import mode_masks
from hpunet.data.synthetic.truth import Truth, thresholded_mean
from hpunet.evaluation.truth import compare_with_truth

CONFIG = SyntheticConfig(image_size=32, num_train=1, num_val=1, num_test=100)
NUM_SAMPLES = 16


@pytest.fixture(scope="module")
def images():
    examples = list(generate(CONFIG, "test"))
    modes = [mode_masks(e["parts"], CONFIG.num_sites).astype(np.uint8) for e in examples]
    return np.stack([e["annotations"] for e in examples], axis=1), np.stack(modes)


def report(images, samples):
    annotations, modes = images
    ged = metrics.ged(samples, annotations)
    return compare_with_truth(Truth(CONFIG), samples, annotations, modes, ged)


def test_independent_draws_from_the_truth_have_learned_it(images):
    samples = Truth(CONFIG).draw(np.random.default_rng(0), images[1], NUM_SAMPLES)
    result = report(images, samples)
    assert result.learned
    assert abs(result.gap) < 0.05
    assert result.total_variation < 0.05
    assert "has learned" in result.as_text()


def test_a_network_without_latents_fails_at_its_best(images):
    annotations, modes = images
    best_guess = thresholded_mean(annotations)
    constant_guesses = [best_guess, *modes.swapaxes(0, 1)]
    for guess in constant_guesses:
        result = report(images, np.stack([guess] * NUM_SAMPLES))
        assert not result.learned
        assert result.gap > 0.9
        assert result.total_variation > 0.2
    assert "NOT" in result.as_text()


def test_too_few_samples_for_a_verdict_are_no_success(images):
    samples = Truth(CONFIG).draw(np.random.default_rng(0), images[1], 1)
    result = report(images, samples)
    assert result.perfect_ged > result.mean_ged
    assert not result.learned
    assert "too few" in result.as_text()
    assert result.as_json()["gap"] is None


def test_right_modes_at_wrong_frequencies_fail(images):
    wrong = Truth(SyntheticConfig(p_drawn=0.95, p_halo=0.8))
    samples = wrong.draw(np.random.default_rng(0), images[1], NUM_SAMPLES)
    assert not report(images, samples).learned
