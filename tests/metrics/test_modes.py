"""Modes of cases worked by hand."""

import math

import numpy as np
import pytest

from hpunet import metrics
from tests.metrics.strategies import ROUNDING, rows, strips


def test_mode_frequencies():
    # Modes are the strips of 4 and of 1; 3 is nearer to 4 (3/4) than to 1 (1/3), 1 and 2 the
    # other way round (2: 1/2 of both; 1 pixel differs from 1, 2 from 4).
    result = metrics.mode_frequencies(strips(3, 2, 1, 1), strips(4, 1, 4))
    np.testing.assert_allclose(result.chosen[:, 0], [2 / 3, 1 / 3, math.nan], atol=ROUNDING)
    np.testing.assert_allclose(result.drawn[:, 0], [1 / 4, 3 / 4, math.nan], atol=ROUNDING)


def test_a_sample_as_far_from_two_modes_counts_for_the_first():
    # 0 1 1 0 shares one of three pixels with each and differs from each in two.
    modes = [[1, 1, 0, 0], [0, 0, 1, 1]]
    for order in (modes, modes[::-1]):
        result = metrics.mode_frequencies(rows([0, 1, 1, 0]), rows(*order))
        np.testing.assert_array_equal(result.drawn[:, 0], [1, 0])


def test_a_sample_counts_for_the_larger_iou_even_where_more_pixels_differ():
    # 100 of 200 pixels, 100 differ; 49 of 100, 51 differ.
    sample, wide, narrow = ([1] * width + [0] * (200 - width) for width in (100, 200, 49))
    result = metrics.mode_frequencies(rows(sample), rows(narrow, wide))
    np.testing.assert_array_equal(result.drawn[:, 0], [0, 1])


def test_equal_iou_of_classes_is_equal_however_doubles_add_up():
    # Of ten pixels of each class one mode has 1, 2 and 3, the other 3, 2 and 1.
    sample = [1] * 10 + [2] * 10 + [3] * 10
    modes = [
        [
            label * (place < count)
            for label, count in zip((1, 2, 3), counts, strict=True)
            for place in range(10)
        ]
        for counts in ((1, 2, 3), (3, 2, 1))
    ]
    for order in (modes, modes[::-1]):
        result = metrics.mode_frequencies(rows(sample), rows(*order), classes=(1, 2, 3))
        np.testing.assert_array_equal(result.drawn[:, 0], [1, 0])


def test_an_annotation_of_weight_zero_is_no_mode():
    result = metrics.mode_frequencies(strips(4, 1), strips(4, 2, 1, 1), weights=[0, 1, 1, 2])
    np.testing.assert_allclose(result.chosen[:, 0], [math.nan, 1 / 4, 3 / 4, math.nan])
    # 4 is nearest to 2 of those that are left.
    np.testing.assert_allclose(result.drawn[:, 0], [math.nan, 1 / 2, 1 / 2, math.nan])


def test_annotation_modes_name_the_first_of_the_same():
    annotations = strips(4, 1, 4, 1, 0)
    np.testing.assert_array_equal(metrics.annotation_modes(annotations)[:, 0], [0, 1, 0, 1, 4])
    weighted = metrics.annotation_modes(annotations, weights=[0, 1, 1, 1, 1])
    np.testing.assert_array_equal(weighted[:, 0], [-1, 1, 2, 1, 4])
    # Labels 1 and 2 are one foreground, but two classes, of which 1 may be all that counts.
    labels = rows([1, 0], [2, 0], [0, 0])
    np.testing.assert_array_equal(metrics.annotation_modes(labels)[:, 0], [0, 0, 2])
    both = metrics.annotation_modes(labels, classes=(1, 2))
    np.testing.assert_array_equal(both[:, 0], [0, 1, 2])
    np.testing.assert_array_equal(metrics.annotation_modes(labels, classes=(1,))[:, 0], [0, 1, 1])


def test_held_out_frequencies():
    # While 4 is held out, 1 is a mode; while 1 is, 4 is, chosen by both others.
    result = metrics.held_out_frequencies(strips(4, 4, 4, 1), strips(4, 1, 4))
    chosen, drawn, held_out = (shares[:, 0].reshape(3, 3) for shares in result)
    no = math.nan
    np.testing.assert_array_equal(chosen, [[no, 0.5, 0.5], [1, no, no], [0.5, 0.5, no]])
    np.testing.assert_array_equal(drawn, [[no, 0.25, 0.75], [1, no, no], [0.75, 0.25, no]])
    np.testing.assert_array_equal(held_out, [[no, 0, 1], [1, no, no], [1, 0, no]])


def test_weights_say_how_much_the_others_count():
    result = metrics.held_out_frequencies(strips(4), strips(4, 2, 1), weights=[1, 0, 3])
    chosen = result.chosen[:, 0].reshape(3, 3)
    np.testing.assert_array_equal(np.argwhere(~np.isnan(chosen)), [[0, 2], [2, 0]])
    result = metrics.held_out_frequencies(strips(4), strips(4, 2, 1), weights=[1, 2, 3])
    expected = [[0, 2 / 5, 3 / 5], [1 / 4, 0, 3 / 4], [1 / 3, 2 / 3, 0]]
    chosen = result.chosen[:, 0].reshape(3, 3)
    np.testing.assert_allclose(np.nan_to_num(chosen), expected, atol=ROUNDING)


@pytest.mark.parametrize(("annotations", "weights"), [((4,), None), ((4, 2), [0, 1])])
def test_a_single_annotator_cannot_be_held_out(annotations, weights):
    result = metrics.held_out_frequencies(strips(4, 1), strips(*annotations), weights=weights)
    for shares in result:
        assert shares.shape == (len(annotations) ** 2, 1)
        assert np.isnan(shares).all()
