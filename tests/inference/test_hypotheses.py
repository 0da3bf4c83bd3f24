"""Samples that say the same, put together."""

import numpy as np
import pytest

from hpunet import metrics
from hpunet.inference.hypotheses import group_samples


def box(top, left, bottom, right, label=1):
    mask = np.zeros((16, 16), np.uint8)
    mask[top:bottom, left:right] = label
    return mask


def grouped(masks, least_iou=0.7, num_classes=2):
    samples = np.stack(masks)
    areas = np.count_nonzero(samples, axis=(1, 2)).astype(float)
    return group_samples(samples, num_classes, areas, least_iou)


EMPTY, SMALL, LARGE = box(0, 0, 0, 0), box(2, 2, 6, 6), box(2, 2, 12, 12)


def test_hypotheses_come_by_share_with_their_samples():
    found = grouped([SMALL, EMPTY, LARGE, LARGE, EMPTY, LARGE])
    assert [h.samples for h in found] == [(2, 3, 5), (1, 4), (0,)]
    assert [h.share for h in found] == [3 / 6, 2 / 6, 1 / 6]
    assert [h.empty for h in found] == [False, True, False]
    assert [(h.area, h.area_std) for h in found] == [(100, 0), (0, 0), (16, 0)]


def test_equal_shares_come_in_the_order_of_their_first_samples():
    assert [h.samples for h in grouped([LARGE, EMPTY, SMALL])] == [(0,), (1,), (2,)]


def test_any_two_samples_of_a_hypothesis_have_the_least_iou():
    rng = np.random.default_rng(0)
    masks = [box(2, 2, 6 + int(rng.integers(8)), 6 + int(rng.integers(8))) for _ in range(60)]
    samples = np.stack(masks)
    iou = metrics.pairwise_iou(samples[:, None], samples[:, None])[0]
    for least in (0.3, 0.5, 0.8):
        found = grouped(masks, least)
        assert sorted(s for h in found for s in h.samples) == list(range(60))
        assert sum(h.share for h in found) == pytest.approx(1)
        for h in found:
            assert iou[np.ix_(h.samples, h.samples)].min() >= least - 1e-9
            assert h.representative in h.samples
    assert len(grouped(masks, 0.3)) < len(grouped(masks, 0.8))


def test_an_iou_of_exactly_the_least_counts_as_the_same():
    half = box(2, 2, 12, 7)
    assert metrics.iou(half[None], LARGE[None]) == 0.5
    assert len(grouped([half, LARGE], 0.5)) == 1
    assert len(grouped([half, LARGE], 0.51)) == 2


def test_least_iou_of_one_puts_only_equal_samples_together():
    other = LARGE.copy()
    other[2, 2] = 0
    assert [h.samples for h in grouped([LARGE, other, LARGE], 1.0)] == [(0, 2), (1,)]


def test_representative_is_the_sample_closest_to_the_others():
    masks = [box(0, 0, 10, 10), box(0, 0, 10, 11), box(0, 0, 10, 12)]
    (found,) = grouped(masks, 0.5)
    assert found.representative == 1
    assert found.area_std == pytest.approx(np.std([100, 110, 120]))


@pytest.mark.parametrize("count", [1, 3])
def test_samples_that_all_outline_nothing_are_one_hypothesis(count):
    (found,) = grouped([EMPTY] * count)
    assert found.empty
    assert found.share == 1
    assert found.samples == tuple(range(count))


def test_classes_are_told_apart():
    one, two = box(2, 2, 8, 8, 1), box(2, 2, 8, 8, 2)
    assert len(grouped([one, two, one], num_classes=3)) == 2
    assert len(grouped([one, two, one], num_classes=2)) == 1
