"""Modes of samplers with a known distribution."""

import numpy as np
import pytest

from hpunet import metrics

IMAGES, ANNOTATORS, SAMPLES = 400, 4, 16
PROBABILITIES = np.array([0.5, 0.3, 0.15, 0.05])
# By chance one difference in two thousand is larger.
STANDARD_ERRORS = 3.5


def masks_of(modes):
    """Masks `[N, B, 1, W]` of modes `[N, B]`, of which the first columns are foreground."""
    return (np.arange(8) < 2 * modes[..., None, None] + 1).astype(np.uint8)


def drawn_by(probabilities, seed):
    """Annotations by the known probabilities, and samples by others."""
    random = np.random.default_rng(seed)
    annotators = random.choice(4, (ANNOTATORS, IMAGES), p=PROBABILITIES)
    return masks_of(random.choice(4, (SAMPLES, IMAGES), p=probabilities)), masks_of(annotators)


def standard_errors(first, second, chosen):
    """For each share chosen, by how many standard errors the means of two others differ.

    Images are independent of each other, modes of one image are not.
    """
    found = {}
    for share in np.unique(chosen[~np.isnan(chosen)].round(9)):
        off = np.where(np.isclose(chosen, share), first - second, 0.0).sum(axis=0)
        error = np.sqrt((off**2).sum())
        found[share] = abs(off.sum()) / error if error else 0.0
    return found


@pytest.mark.parametrize("seed", range(3))
def test_of_a_perfect_sampler_drawn_and_held_out_agree_where_drawn_and_chosen_do_not(seed):
    samples, annotations = drawn_by(PROBABILITIES, seed)
    modes = metrics.held_out_frequencies(samples, annotations)
    apart = standard_errors(modes.drawn, modes.held_out, modes.chosen)
    np.testing.assert_allclose(list(apart), [1 / 3, 2 / 3, 1])
    assert max(apart.values()) < STANDARD_ERRORS
    plain = metrics.mode_frequencies(samples, annotations)
    misled = standard_errors(plain.drawn, plain.chosen, plain.chosen)
    assert min(misled[0.25], misled[0.75]) > STANDARD_ERRORS


# A mode between the others may meet as many of them, on average, as the annotators do.
@pytest.mark.parametrize("mode", [0, 3])
def test_a_sampler_that_always_draws_one_mode_is_found_out(mode):
    modes = metrics.held_out_frequencies(*drawn_by(np.eye(4)[mode], 0))
    apart = standard_errors(modes.drawn, modes.held_out, modes.chosen)
    assert max(apart.values()) > STANDARD_ERRORS


def test_the_estimates_of_a_perfect_sampler_lie_in_each_others_intervals():
    modes = metrics.held_out_frequencies(*drawn_by(PROBABILITIES, 0))
    patients = [str(b) for b in range(IMAGES)]
    third, two_thirds, whole = metrics.estimate_modes(modes, patients, level=0.99)
    for mode in (third, two_thirds):
        assert mode.held_out.low < mode.drawn.value < mode.held_out.high
    assert whole.drawn.value == whole.held_out.value == 1
