"""Modes of cases worked out by hand."""

import math

import numpy as np

from hpunet import metrics
from tests.metrics.drawn import ROUNDING, rows, strips


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
