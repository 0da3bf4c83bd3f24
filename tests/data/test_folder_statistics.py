"""Which values become 0 and 1, worked by hand and against NumPy."""

import numpy as np
import pytest

from hpunet.config.data import FolderConfig
from hpunet.data.folder import statistics
from hpunet.data.folder.statistics import ValueStatistics
from hpunet.data.intensities import BYTES, Intensities
from hpunet.io.errors import UserError


def statistics_of(*images):
    found = ValueStatistics()
    for image in images:
        found.add(np.asarray(image, np.float32))
    return found


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(1000, 200, shape).astype(np.float32)


def test_small_images_give_numpys_percentiles_mean_and_deviation():
    images = [drawn(n, 20, 30, 1) for n in range(3)]
    values = np.concatenate([image.ravel() for image in images]).astype(np.float64)
    found = statistics_of(*images)
    percentiles = found.intensities(FolderConfig(percentiles=(1, 90)))
    np.testing.assert_allclose(
        (*percentiles.low, *percentiles.high), np.percentile(values, (1, 90))
    )
    zscore = found.intensities(FolderConfig(intensities="zscore"))
    np.testing.assert_allclose(zscore.low, values.mean())
    np.testing.assert_allclose(zscore.high, values.mean() + values.std())
    everything = found.intensities(FolderConfig(intensities="range"))
    assert (*everything.low, *everything.high) == (values.min(), values.max())
    given = found.intensities(FolderConfig(intensities="range", range=(-1000, 400)))
    assert given == Intensities((-1000,), (400,), clip=True)


def test_percentiles_of_large_images_are_close_to_the_exact_ones():
    image = drawn(0, 400, 500, 1)
    found = statistics_of(image).intensities(FolderConfig())
    exact = np.percentile(image, (0.5, 99.5))
    # 4096 of 200,000 values: the percentile's standard error is a tenth of the deviation.
    np.testing.assert_allclose((*found.low, *found.high), exact, atol=60)


def test_channels_have_their_own_values_and_gray_images_count_in_all():
    colour = np.full((2, 2, 3), [10, 20, 30])
    gray = np.full((2, 2, 1), 40)
    found = statistics_of(gray, colour).intensities(FolderConfig(intensities="range"))
    assert found == Intensities((10, 20, 30), (40, 40, 40), clip=True)


def test_images_that_are_one_value_are_refused():
    with pytest.raises(UserError, match=r"data\.folder\.intensities=zscore: channel 0"):
        statistics_of(np.full((3, 3, 1), 5)).intensities(FolderConfig(intensities="zscore"))


def test_intensities_map_and_clip():
    image = np.array([[[-10.0], [0.0], [50.0], [100.0], [110.0]]], np.float32)
    clipped = Intensities((0,), (100,), clip=True).apply(image)
    np.testing.assert_array_equal(clipped.ravel(), [0, 0, 0.5, 1, 1])
    free = Intensities((0,), (100,), clip=False).apply(image)
    np.testing.assert_allclose(free.ravel(), [-0.1, 0, 0.5, 1, 1.1], rtol=1e-6)


def test_intensities_of_bytes_are_a_division_by_255_as_a_compiled_step_computes_it():
    image = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1)
    scaled = BYTES.apply(image)
    # XLA multiplies by the reciprocal of a constant: one rounding more than a division has.
    np.testing.assert_array_equal(scaled, image * (np.float32(1) / np.float32(255)))
    np.testing.assert_array_max_ulp(scaled, image / np.float32(255), maxulp=1)
    assert scaled.max() == 1


def test_intensities_come_back_from_json_and_what_is_none_is_refused():
    import json

    known = Intensities((1.5, 2.0), (3.0, 4.0), clip=True)
    assert Intensities.from_json(json.loads(json.dumps(known))) == known
    for wrong in (None, 5, [1, 2], [[1], ["a"], True]):
        with pytest.raises(ValueError, match=r"."):
            Intensities.from_json(wrong)


def test_values_that_are_kept_are_bounded_and_still_of_all_images(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_KEPT", 2000)
    found = ValueStatistics()
    for n in range(200):
        found.add(np.full((10, 10, 1), n, np.float32))
    (channel,) = found.channels
    assert sum(map(len, channel._kept)) <= 2000
    np.testing.assert_allclose(channel.percentiles((1, 50, 99)), (2, 99.5, 197), atol=4)
    assert (channel.low, channel.high, channel.mean) == (0, 199, 99.5)
