"""Where a network's grid lies on a picture, and the way back."""

import numpy as np
import pytest

from hpunet.data.crops import central
from hpunet.imaging.fit import (
    blends,
    fit_crop,
    fit_resized,
    fit_whole,
    fit_window,
    labels_from_grid,
    labels_to_grid,
    to_grid,
)
from hpunet.io.errors import UserError

RNG = np.random.default_rng(0)
ONE = (1.0, 1.0)
# Linear interpolation in float32 of values up to 300.
TOLERANCE = 1e-3


def ramp(size, by_row=2.0, by_column=1.0):
    """An image whose values say where a pixel's middle is."""
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    return (by_row * rows + by_column * columns)[..., None].astype(np.float32)


def back(values, fit):
    for axis, blend in enumerate(blends(fit)):
        shape = np.ones(3, int)
        shape[axis] = -1
        share = blend.share.reshape(shape)
        below, above = values.take(blend.below, axis), values.take(blend.above, axis)
        values = below + share * (above - below)
    return values


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 16), (17, 31), (333, 517)])
def test_any_size_is_padded_to_multiples_and_cut_back(size):
    image = RNG.random((*size, 2), np.float32)
    fit = fit_whole(size, ONE, 8)
    grid = to_grid(image, fit)
    assert all(n % 8 == 0 and n - s < 8 for n, s in zip(fit.grid, size, strict=True))
    assert grid.shape == (*fit.grid, 2)
    assert fit.padded == (fit.grid != size)
    np.testing.assert_array_equal(back(grid, fit), image)


def test_picture_that_fits_is_left_as_it_is():
    image = RNG.random((16, 24, 1), np.float32)
    fit = fit_whole((16, 24), ONE, 8)
    np.testing.assert_array_equal(to_grid(image, fit), image)
    assert not fit.padded
    assert not fit.resampled


def test_padding_repeats_the_outermost_pixels_on_both_sides():
    image = np.arange(1, 4, dtype=np.float32)[None, :, None]
    grid = to_grid(image, fit_whole((1, 3), ONE, 8))
    np.testing.assert_array_equal(grid[0, :, 0], [1, 1, 1, 1, 2, 3, 3, 3])
    np.testing.assert_array_equal(grid[0], grid[7])


def test_crop_around_the_middle_is_the_central_crop_of_scoring():
    for side, crop in ((180, 128), (128, 128), (181, 128), (12, 8)):
        image = RNG.random((side, side, 1), np.float32)
        rows, columns = central((side, side), (crop, crop))
        center = (rows.start + crop // 2, columns.start + crop // 2)
        fit = fit_crop((side, side), ONE, center, (crop, crop))
        np.testing.assert_array_equal(to_grid(image, fit), image[rows, columns])
        assert fit.region == (rows.start, columns.start, rows.stop, columns.stop)


def test_crop_at_the_border_is_padded_and_only_its_own_pixels_come_back():
    image = RNG.random((20, 30, 1), np.float32)
    fit = fit_crop((20, 30), ONE, (1, 29), (8, 8))
    assert fit.region == (0, 25, 5, 30)
    assert fit.padded
    np.testing.assert_array_equal(back(to_grid(image, fit), fit), image[:5, 25:])


@pytest.mark.parametrize("center", [(20, 0), (0, 30), (-1, 0)])
def test_center_outside_the_picture_is_refused_with_what_is_allowed(center):
    with pytest.raises(UserError, match=r"--center=.*x from 0 to 29 and y from 0 to 19"):
        fit_crop((20, 30), ONE, center, (8, 8))


@pytest.mark.parametrize("step", [(0.5, 0.5), (0.7, 1.3), (2.0, 1.0), (1.7, 1.7)])
def test_resampling_keeps_places(step):
    size = (40, 61)
    fit = fit_whole(size, step, 8)
    grid = to_grid(ramp(size), fit)
    rows = fit.start[0] + (np.arange(fit.grid[0]) + 0.5) * step[0]
    columns = fit.start[1] + (np.arange(fit.grid[1]) + 0.5) * step[1]
    # Away from the border, beyond which the picture goes on flat.
    inner_rows = (rows > 3) & (rows < size[0] - 3)
    inner_columns = (columns > 3) & (columns < size[1] - 3)
    expected = 2 * rows[:, None] + columns
    found = grid[..., 0]
    np.testing.assert_allclose(
        found[np.ix_(inner_rows, inner_columns)],
        expected[np.ix_(inner_rows, inner_columns)],
        atol=TOLERANCE,
    )
    returned = back(grid, fit)
    assert returned.shape == (*size, 1)
    np.testing.assert_allclose(returned[4:-4, 4:-4], ramp(size)[4:-4, 4:-4], atol=TOLERANCE)


def test_resampled_grid_covers_the_picture_and_not_a_row_more():
    fit = fit_whole((100, 50), (0.5 / 0.7, 0.5 / 0.7), 2)
    assert fit.grid == (140, 70)
    assert not fit.padded


@pytest.mark.parametrize("error", [1e-7, -1e-7, 1e-6, -1e-6])
def test_rounding_of_a_pixels_size_adds_no_row(error):
    for pixel, side in ((0.5, 1024), (1.0, 512), (2.0, 256)):
        fit = fit_whole((512, 512), (pixel + error, pixel + error), 128)
        assert fit.grid == (side, side)
        assert not fit.padded


def test_coarser_grid_averages_what_it_cannot_hold():
    stripes = np.tile(np.array([0.0, 1.0], np.float32), 32)[None, :, None].repeat(64, axis=0)
    grid = to_grid(stripes, fit_whole((64, 64), (4.0, 4.0), 1))
    assert np.abs(grid - 0.5).max() < 0.1


def test_crop_with_resampling_lies_around_its_pixel():
    fit = fit_crop((100, 100), (0.5, 0.5), (40, 60), (16, 16))
    middle = [s + n * p / 2 for s, n, p in zip(fit.start, fit.grid, fit.step, strict=True)]
    assert middle == [40.5, 60.5]
    # Pixels whose middles lie from 36.5 to just below 44.5.
    assert fit.region == (36, 56, 44, 64)
    top, left, bottom, right = fit.region
    returned = back(to_grid(ramp((100, 100)), fit), fit)
    expected = ramp((100, 100))[top:bottom, left:right]
    np.testing.assert_allclose(returned[1:-1, 1:-1], expected[1:-1, 1:-1], atol=TOLERANCE)


def test_way_back_looks_between_neighbours_on_the_grid():
    for fit in (fit_whole((9, 13), (0.6, 1.9), 4), fit_crop((30, 30), (1.5, 0.4), (2, 2), (8, 8))):
        for blend, side in zip(blends(fit), fit.grid, strict=True):
            assert blend.share.min() >= 0
            assert blend.share.max() <= 1
            assert 0 <= blend.below.min() <= blend.above.max() < side
            assert set(blend.above - blend.below) <= {0, 1}


@pytest.mark.parametrize("size", [(9, 13), (90, 140), (1, 1), (16, 8)])
def test_labels_of_a_whole_picture_come_back_unchanged(size):
    labels = RNG.integers(0, 5, (3, *size), dtype=np.uint8)
    fit = fit_whole(size, ONE, 8)
    on_grid = labels_to_grid(labels, fit, outside=99)
    assert on_grid.shape == (3, *fit.grid)
    assert (on_grid == 99).sum() == 3 * (fit.grid[0] * fit.grid[1] - size[0] * size[1])
    np.testing.assert_array_equal(labels_from_grid(on_grid, fit), labels)


@pytest.mark.parametrize("size", [(64, 64), (128, 32), (48, 96), (20, 13)])
def test_resized_picture_and_its_labels_lie_on_each_other(size):
    """A disc stays where it is, in the picture and in the mask, there and back."""
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    disc = np.hypot(rows - size[0] / 3, columns - size[1] / 2) < min(size) / 4
    fit = fit_resized(size, (32, 32))
    assert fit.grid == (32, 32)
    image = to_grid(disc[..., None].astype(np.float32), fit)[..., 0] > 0.5
    labels = labels_to_grid(disc.astype(np.uint8)[None], fit, outside=0)[0] > 0
    # Apart by the pixels of the outline at most.
    outline = 2 * np.pi * min(size) / 4 / fit.step[0]
    assert (image != labels).sum() <= outline / 4 + 1
    returned = labels_from_grid(labels[None], fit)[0]
    assert (returned != disc).sum() <= 2 * np.pi * min(size) / 4 * max(1, fit.step[0]) / 2 + 1


@pytest.mark.parametrize("size", [(101, 128), (128, 101), (99, 128), (128, 128)])
def test_picture_as_long_as_the_grid_is_moved_by_whole_pixels(size):
    fit = fit_resized(size, (128, 128))
    labels = RNG.integers(0, 5, (1, *size), dtype=np.uint8)
    on_grid = labels_to_grid(labels, fit, outside=99)
    np.testing.assert_array_equal(labels_from_grid(on_grid, fit), labels)
    image = to_grid(labels[0, ..., None].astype(np.float32), fit)[..., 0]
    np.testing.assert_array_equal(image[on_grid[0] != 99], on_grid[0][on_grid[0] != 99])


def test_resized_picture_fills_the_grid_along_its_longer_side():
    on_grid = labels_to_grid(np.ones((1, 40, 20), np.uint8), fit_resized((40, 20), (10, 10)), 0)[0]
    assert on_grid.any(axis=1).all()
    assert on_grid.any(axis=0).sum() == 5
    with_margin = labels_to_grid(
        np.ones((1, 40, 20), np.uint8), fit_resized((40, 20), (10, 10), (3, 3)), 0
    )[0]
    np.testing.assert_array_equal(with_margin[3:-3, 3:-3], on_grid)


def test_window_repeats_the_border_beyond_the_picture():
    image = ramp((5, 6))
    fit = fit_window((5, 6), (-2, 3), (4, 4))
    expected = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")[0:4, 5:9]
    np.testing.assert_array_equal(to_grid(image, fit), expected)
    assert fit.region == (0, 3, 2, 6)
