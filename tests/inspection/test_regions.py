"""Connected regions are measured by area, extent and thickness."""

import numpy as np
import pytest

from hpunet.inspection.regions import measure_regions


def band(width, length=60, slope=0.0):
    rows, columns = np.mgrid[:100, :100]
    across = (rows - 40 - slope * columns) / np.hypot(1, slope)
    return (across >= 0) & (across < width) & (columns < length)


def disc(radius, size=100):
    rows, columns = np.mgrid[:size, :size]
    return np.hypot(rows - size // 2, columns - size // 2) < radius


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 11])
def test_of_a_straight_band_the_thickness_is_the_width(width):
    (thickness,) = measure_regions(band(width)).thicknesses
    # The ends of a band are nearer to its border.
    assert thickness == pytest.approx(width, rel=0.15)


@pytest.mark.parametrize("width", [3, 5, 9])
def test_thickness_does_not_depend_on_the_direction(width):
    straight, slanted = (
        measure_regions(band(width, 90, slope)).thicknesses[0] for slope in (0, 0.5)
    )
    assert slanted == pytest.approx(straight, rel=0.25)


def test_of_a_disc_the_thickness_is_two_thirds_of_the_diameter():
    (thickness,) = measure_regions(disc(30)).thicknesses
    assert thickness == pytest.approx(2 / 3 * 60, rel=0.05)


def test_a_wide_place_hardly_changes_the_thickness_of_a_long_part():
    rows, columns = np.mgrid[:400, :400]
    cross = (abs(rows - 200) < 2) | (abs(columns - 200) < 2)
    blob = np.hypot(rows - 200, columns - 200) < 12
    plain, crossed = (measure_regions(mask).thicknesses[0] for mask in (cross, cross | blob))
    assert plain == pytest.approx(3, rel=0.1)
    assert crossed < 2 * plain


def test_pixels_that_touch_at_corners_are_one_region():
    regions = measure_regions(np.eye(10, dtype=bool))
    assert (regions.areas.tolist(), regions.extents.tolist()) == ([10], [10])
    assert regions.thicknesses.tolist() == [1]


def test_regions_are_measured_one_by_one():
    mask = np.zeros((20, 30), bool)
    mask[2:5, 3:13] = True
    mask[10:12, 20:22] = True
    regions = measure_regions(mask)
    assert regions.areas.tolist() == [30, 4]
    assert regions.extents.tolist() == [10, 2]


def test_the_border_of_the_image_is_the_border_of_a_region():
    full = measure_regions(np.ones((9, 40), bool))
    assert full.areas.tolist() == [360]
    assert full.thicknesses[0] == pytest.approx(9, rel=0.2)


def test_an_empty_mask_has_no_regions():
    assert all(len(values) == 0 for values in measure_regions(np.zeros((4, 4), bool)))
