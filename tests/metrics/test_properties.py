"""Properties of the scores that hold for all sets of masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hpunet import metrics
from tests.metrics.strategies import (
    IMAGES,
    ROUNDING,
    SIDE,
    TRANSPORT,
    masks,
    scored,
    two_sets,
    weights_for,
)

UNBIASED = {"ged_unbiased", "sample_diversity_unbiased", "annotator_diversity_unbiased"}
NUMBERS = [name for name in metrics.SCORES if name != "calibration_error"]


def score(case, **changes):
    case = case._replace(**changes)
    rebuilt = np.flip(case.annotations, axis=-1)
    (result,) = metrics.score(
        case.samples, case.annotations, reconstructions=rebuilt, **case.conventions()
    ).values()
    return result


def assert_alike(first, second, names=NUMBERS, tolerance=TRANSPORT):
    for name in names:
        np.testing.assert_allclose(
            getattr(first, name), getattr(second, name), atol=tolerance, err_msg=name
        )
    for one, other in zip(first.calibration, second.calibration, strict=True):
        np.testing.assert_allclose(one, other, atol=ROUNDING)


def shares(modes):
    """Shares chosen of each image in rising order, without the NaN."""
    return np.sort(np.nan_to_num(modes.chosen), axis=0)


@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_samples_and_annotators_changes_nothing(case, random):
    of_samples, of_annotators = (
        random.sample(range(len(labels)), len(labels))
        for labels in (case.samples, case.annotations)
    )
    shuffled = score(
        case,
        samples=case.samples[of_samples],
        annotations=case.annotations[of_annotators],
        weights=None if case.weights is None else case.weights[of_annotators],
    )
    result = score(case)
    assert_alike(result, shuffled)
    np.testing.assert_allclose(shares(result.modes), shares(shuffled.modes), atol=ROUNDING)


@given(scored())
def test_scores_keep_their_bounds(case):
    result = score(case)
    values = {name: getattr(result, name) for name in NUMBERS}
    values["calibration_error"] = metrics.expected_calibration_error(result.calibration)
    assert set(values) == set(metrics.SCORES)
    for name, (_, _, (low, high), _) in metrics.SCORES.items():
        given_values = values[name][~np.isnan(values[name])]
        assert (given_values >= low - ROUNDING).all(), name
        assert (given_values <= high + ROUNDING).all(), name
    annotators = len(case.annotations)
    for each in result.modes:
        sums = np.nansum(each.reshape(annotators, annotators, IMAGES), axis=1)
        # 0 of annotators who cannot be held out: they do not count, or are alone.
        np.testing.assert_allclose(sums[sums > 0], 1, atol=ROUNDING)
    plain = metrics.mode_frequencies(case.samples, case.annotations, **case.conventions())
    for each in plain:
        np.testing.assert_allclose(np.nansum(each, axis=0), 1, atol=ROUNDING)


@given(scored())
def test_only_one_mask_or_a_constant_map_leaves_a_score_without_a_value(case):
    result = score(case)
    annotators = len(case.annotations)
    if case.weights is not None:
        annotators = np.count_nonzero(np.broadcast_to(case.weights.T, (IMAGES, annotators)), axis=1)
    alone = np.broadcast_to(len(case.samples) == 1, IMAGES)
    alone_too = np.broadcast_to(np.equal(annotators, 1), IMAGES)
    np.testing.assert_array_equal(np.isnan(result.sample_diversity_unbiased), alone)
    np.testing.assert_array_equal(np.isnan(result.annotator_diversity_unbiased), alone_too)
    np.testing.assert_array_equal(np.isnan(result.ged_unbiased), alone | alone_too)
    for name in set(NUMBERS) - UNBIASED - {"variance_ncc"}:
        assert not np.isnan(getattr(result, name)).any(), name


@given(masks(3), st.integers(1, 4), st.sampled_from([None, (1, 2)]))
def test_a_set_agrees_with_itself_however_often_repeated(labels, times, classes):
    repeated = labels.repeat(times, axis=0)
    for own, other in ((labels, repeated), (repeated, labels)):
        far = metrics.ged(own, other, classes=classes)
        np.testing.assert_allclose(far, 0, atol=ROUNDING)
        matched = metrics.hungarian_iou(own, other, classes=classes)
        np.testing.assert_allclose(matched, 1, atol=ROUNDING)
        np.testing.assert_array_equal(metrics.dice_of_mean(own, other, classes=classes), 1)
        ncc = metrics.variance_ncc(own, other, classes=classes)
        np.testing.assert_allclose(ncc[~np.isnan(ncc)], 1, atol=ROUNDING)
        sums = metrics.calibration(own, other, classes=classes)
        np.testing.assert_allclose(sums.predicted, sums.observed, atol=ROUNDING)
        modes = metrics.mode_frequencies(own, other, classes=classes)
        np.testing.assert_allclose(modes.chosen, modes.drawn, atol=ROUNDING)
    np.testing.assert_array_equal(metrics.ged(labels, labels, classes=classes), 0)
    np.testing.assert_array_equal(metrics.reconstruction_iou(labels, labels, classes=classes), 1)


@given(two_sets(), st.sampled_from([None, (1, 2)]))
def test_distances_of_two_sets_are_symmetric(sets, classes):
    for each in (metrics.ged, metrics.hungarian_iou, metrics.variance_ncc, metrics.dice_of_mean):
        there, back = (each(*pair, classes=classes) for pair in (sets, reversed(sets)))
        np.testing.assert_allclose(there, back, atol=ROUNDING)


@given(scored())
def test_repeating_the_samples_changes_the_unbiased_scores_alone(case):
    repeated = score(case, samples=case.samples.repeat(2, axis=0))
    assert_alike(score(case), repeated, set(NUMBERS) - UNBIASED)


# The same pixels of both images are left out, so that they can be deleted from the arrays.
@given(scored(), st.sets(st.integers(0, SIDE - 1)))
def test_ignored_pixels_might_as_well_not_be_there(case, columns):
    ignored = np.zeros((IMAGES, SIDE, SIDE), bool)
    ignored[..., list(columns)] = True
    kept = [column for column in range(SIDE) if column not in columns]
    result = score(case, ignored=ignored)
    # As `score` flips the masks to rebuild them, flip them for it in the columns that are kept.
    rebuilt = np.flip(case.annotations, axis=-1)[..., kept]
    deleted = case._replace(
        samples=case.samples[..., kept], annotations=case.annotations[..., kept], ignored=None
    )
    (expected,) = metrics.score(
        deleted.samples, deleted.annotations, reconstructions=rebuilt, **deleted.conventions()
    ).values()
    assert_alike(result, expected, tolerance=ROUNDING)
    np.testing.assert_array_equal(result.modes, expected.modes)


@given(scored(), hnp.arrays(bool, (IMAGES, SIDE, SIDE)), st.data())
def test_what_stands_at_ignored_pixels_is_never_read(case, ignored, data):
    case = case._replace(ignored=ignored)
    changed = data.draw(masks(len(case.samples) + len(case.annotations)))
    samples, annotations = (
        np.where(ignored, other, labels)
        for labels, other in (
            (case.samples, changed[: len(case.samples)]),
            (case.annotations, changed[len(case.samples) :]),
        )
    )
    for function in (metrics.ged, metrics.dice_of_mean, metrics.variance_ncc):
        first = function(case.samples, case.annotations, **case.conventions())
        np.testing.assert_array_equal(first, function(samples, annotations, **case.conventions()))


@given(scored(), masks(1), st.integers(0, 4))
def test_an_annotation_of_weight_zero_might_as_well_not_be_there(case, another, place):
    count = len(case.annotations)
    place = min(place, count)
    weights = np.ones(count) if case.weights is None else case.weights
    more = score(
        case,
        annotations=np.insert(case.annotations, place, another[0], axis=0),
        weights=np.insert(weights, place, 0, axis=0),
    )
    result = score(case)
    assert_alike(result, more)
    for shown, expected in zip(more.modes, result.modes, strict=True):
        shown = shown.reshape(count + 1, count + 1, IMAGES)
        assert np.isnan(shown[place]).all()
        assert np.isnan(shown[:, place]).all()
        rest = np.delete(np.delete(shown, place, axis=0), place, axis=1)
        np.testing.assert_allclose(rest.reshape(count**2, IMAGES), expected, atol=ROUNDING)


@given(scored(most=3), st.data())
def test_whole_weights_are_repetitions(case, data):
    times = data.draw(weights_for(len(case.annotations), [0.0, 1.0, 2.0, 3.0]))
    times = times if times.ndim == 1 else times[:, 0]
    weighted = score(case, weights=times)
    annotations = case.annotations.repeat(times.astype(int), axis=0)
    repeated = score(case, annotations=annotations, weights=None)
    # Two copies are a pair of different annotations, one of weight 2 is not.
    unlike = {"ged_unbiased", "annotator_diversity_unbiased"}
    assert_alike(weighted, repeated, set(NUMBERS) - unlike)
    modes = [
        metrics.mode_frequencies(case.samples, masks, **case.conventions() | {"weights": weights})
        for masks, weights in ((case.annotations, times), (annotations, None))
    ]
    for one, other in zip(*modes, strict=True):
        assert sorted(one[~np.isnan(one)].round(9)) == sorted(other[~np.isnan(other)].round(9))


@given(scored(weights=[0.0, 0.25, 1.0]), st.sampled_from([1e-200, 1e200, 3.0]))
def test_the_unit_of_weights_does_not_matter(case, unit):
    if case.weights is not None:
        assert_alike(score(case), score(case, weights=case.weights * unit))


@given(st.tuples(masks(3, most=1), masks(3, most=1)), st.booleans())
def test_class_one_of_binary_labels_is_the_foreground(sets, weighted):
    # Three masks, none of half the weight: nothing is marked by exactly half of a set.
    weights = [2.0, 3.0, 4.0] if weighted else None
    binary, one = (
        metrics.score(*sets, reconstructions=sets[0], classes=classes, weights=weights)[3]
        for classes in (None, (1,))
    )
    for name in NUMBERS:
        np.testing.assert_array_equal(getattr(binary, name), getattr(one, name), name)
    np.testing.assert_array_equal(binary.calibration, one.calibration)
    np.testing.assert_array_equal(binary.modes, one.modes)


@given(scored(), st.permutations([0, 1, 2]))
def test_the_order_of_classes_changes_nothing(case, order):
    first, second = (score(case, classes=classes) for classes in ((0, 1, 2), tuple(order)))
    assert_alike(first, second)


@given(scored())
def test_a_class_that_no_mask_has_counts_as_nothing(case):
    without, with_it = (score(case, classes=classes) for classes in ((1, 2), (9, 1, 2)))
    for name in NUMBERS:
        np.testing.assert_allclose(
            getattr(without, name), getattr(with_it, name), atol=TRANSPORT, err_msg=name
        )


@given(masks(4))
def test_modes_are_groups_of_the_same_annotations(annotations):
    modes = metrics.annotation_modes(annotations, classes=(1, 2))
    for b in range(IMAGES):
        for g, mode in enumerate(modes[:, b]):
            alike = [np.array_equal(annotations[g, b], other) for other in annotations[:, b]]
            assert mode == alike.index(True)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64])
def test_every_integer_type_and_layout_gives_the_same_doubles(dtype):
    random = np.random.default_rng(0)
    samples, annotations = random.integers(0, 2, (5, 3, 8, 9)), random.integers(0, 2, (4, 3, 8, 9))
    expected = metrics.score(samples, annotations)[5]
    last = np.ascontiguousarray(np.moveaxis(samples.astype(dtype), 0, -1))
    result = metrics.score(np.moveaxis(last, -1, 0), annotations.astype(dtype))[5]
    for name in NUMBERS:
        assert getattr(result, name).dtype == np.float64
        np.testing.assert_array_equal(getattr(result, name), getattr(expected, name), name)


def test_images_are_scored_one_by_one():
    random = np.random.default_rng(0)
    samples, annotations = random.integers(0, 2, (5, 3, 8, 8)), random.integers(0, 2, (4, 3, 8, 8))
    weights = random.random((4, 3))
    together = metrics.score(samples, annotations, weights=weights)[5]
    for b in range(3):
        alone = metrics.score(samples[:, [b]], annotations[:, [b]], weights=weights[:, [b]])[5]
        for name in NUMBERS:
            np.testing.assert_array_equal(getattr(together, name)[[b]], getattr(alone, name), name)
