"""All scores at once equal the single scores, for any number of first samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpunet import metrics
from hpunet.metrics import counting
from tests.metrics.strategies import masks, scored, strips

# Words of 64 pixels of an image of 128 x 128.
WORDS = 256


def one_by_one(case, rebuilt, count, num_bins):
    """The scores of the first samples from the single functions."""
    samples, annotations, conventions = case.samples[:count], case.annotations, case.conventions()
    unbiased = {"unbiased": True, **conventions}
    without_weights = {key: value for key, value in conventions.items() if key != "weights"}
    return metrics.Scores(
        ged=metrics.ged(samples, annotations, **conventions),
        ged_unbiased=metrics.ged(samples, annotations, **unbiased),
        hungarian_iou=metrics.hungarian_iou(samples, annotations, **conventions),
        reconstruction_iou=metrics.reconstruction_iou(rebuilt, annotations, **conventions),
        sample_diversity=metrics.sample_diversity(samples, **without_weights),
        sample_diversity_unbiased=metrics.sample_diversity(
            samples, unbiased=True, **without_weights
        ),
        annotator_diversity=metrics.sample_diversity(annotations, **conventions),
        annotator_diversity_unbiased=metrics.sample_diversity(annotations, **unbiased),
        dice_of_mean=metrics.dice_of_mean(samples, annotations, **conventions),
        variance_ncc=metrics.variance_ncc(samples, annotations, **conventions),
        calibration=metrics.calibration(samples, annotations, num_bins=num_bins, **conventions),
        modes=metrics.held_out_frequencies(samples, annotations, **conventions),
    )


@given(scored(), st.integers(1, 12), st.data())
def test_scores_are_exactly_those_of_the_single_functions(case, num_bins, data):
    rebuilt = data.draw(masks(len(case.annotations)))
    counts = range(1, len(case.samples) + 1)
    result = metrics.score(
        case.samples,
        case.annotations,
        reconstructions=rebuilt,
        num_samples=counts,
        num_bins=num_bins,
        **case.conventions(),
    )
    assert list(result) == list(counts)
    for count, scores in result.items():
        expected = one_by_one(case, rebuilt, count, num_bins)
        for name, value in scores._asdict().items():
            np.testing.assert_array_equal(value, getattr(expected, name), name)


def test_scores_of_128_pixels_are_exactly_those_of_the_single_functions():
    samples, annotations, rebuilt = blobs(16), blobs(4), blobs(4)
    result = metrics.score(samples, annotations, reconstructions=rebuilt, num_samples=(3, 16))
    for count in (3, 16):
        first = samples[:count]
        assert result[count].ged == metrics.ged(first, annotations)
        assert result[count].hungarian_iou == metrics.hungarian_iou(first, annotations)
        assert result[count].variance_ncc == metrics.variance_ncc(first, annotations)
        assert result[count].sample_diversity == metrics.sample_diversity(first)


def test_all_samples_are_scored_where_no_number_is_given():
    assert list(metrics.score(strips(1, 2, 3), strips(2))) == [3]


def test_without_reconstructions_their_score_has_no_value():
    assert np.isnan(metrics.score(strips(1), strips(2))[1].reconstruction_iou).all()


def test_no_images_give_no_scores():
    none = np.zeros((2, 0, 4, 4), int)
    scores = metrics.score(none, none, reconstructions=none, weights=[1, 2])[2]
    assert {value.shape for value in scores[:10]} == {(0,)}
    assert scores.calibration.pixels.shape == (0, 10)
    assert scores.modes.drawn.shape == (4, 0)
    for single in (metrics.ged, metrics.hungarian_iou, metrics.reconstruction_iou):
        assert single(none, none).shape == (0,)


def test_every_number_of_the_scores_is_described_in_their_order():
    numbers = [name for name in metrics.Scores._fields if name not in {"calibration", "modes"}]
    assert list(metrics.SCORES) == [*numbers, "calibration_error"]


@pytest.mark.parametrize("name", metrics.SCORES)
def test_a_score_is_described_in_one_sentence(name):
    info = metrics.SCORES[name]
    assert info.label
    assert info.better in {"lower", "higher", ""}
    assert info.bounds[0] < info.bounds[1]
    assert info.convention.endswith(".")
    assert info.convention.count(". ") == 0


def test_descriptions_cannot_be_changed():
    with pytest.raises(TypeError):
        metrics.SCORES["ged"] = metrics.SCORES["ged"]  # type: ignore[index]


def test_each_pair_of_masks_is_compared_once_in_words_of_64_pixels(monkeypatch):
    words = []
    count = counting._count

    def counted(bits):
        words.append(bits.size)
        return count(bits)

    monkeypatch.setattr(counting, "_count", counted)
    samples, annotations, rebuilt = blobs(16), blobs(4), blobs(4)
    metrics.score(samples, annotations, reconstructions=rebuilt, num_samples=(1, 4, 8, 16))
    # All pairs, and the areas of rows and columns; of reconstructions four pairs and their areas.
    # Packing keeps an image at 1.5 ms of a core, whatever the number of first samples.
    assert sum(words) == (20 * 20 + 20 + 20 + 3 * 4) * WORDS


def blobs(count, size=128):
    """Discs of random position and size, `[N, 1, H, W]`."""
    random = np.random.default_rng(count)
    y, x = np.mgrid[:size, :size]
    discs = [
        (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        for cy, cx, radius in zip(*random.uniform(10, 60, (3, count)), strict=True)
    ]
    return np.array(discs, np.uint8)[:, None]
