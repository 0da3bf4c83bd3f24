"""Augmentation: image and mask move together, and by as much as the configuration says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hpunet.config.data import AugmentConfig
from hpunet.data.augment import augment, center_crop

CROP_ONLY = AugmentConfig(
    elastic_displacement=0.0, rotation_degrees=0.0, shear=0.0, scale=(1.0, 1.0)
)
STRONG = AugmentConfig(elastic_displacement=4.0, rotation_degrees=45.0, shear=0.2, scale=(0.7, 1.3))
compiled = jax.jit(augment, static_argnames=("crop", "config"))
# Bilinear weights are products of float32 coordinates of up to 64 pixels.
INTERPOLATION = 1e-4


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def positions(height, width):
    """An image of two channels that tells each pixel's row and column."""
    return jnp.stack(jnp.mgrid[:height, :width].astype(jnp.float32), -1)


def sampled_positions(count, size, crop, config, seed=0):
    """Rows and columns `[B, h, w, 2]` from which the augmented pixels come."""
    image = jnp.broadcast_to(positions(*size), (count, *size, 2))
    return compiled(keys(count, seed), image, image[..., 0].astype(jnp.int32), crop, config)[0]


def disc(height, width, row, column, radius):
    rows, columns = np.mgrid[:height, :width]
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).astype(np.int32)


def test_zero_ranges_give_exactly_a_crop_of_the_input():
    image = jax.random.uniform(jax.random.key(1), (6, 20, 17, 2))
    labels = jax.random.randint(jax.random.key(2), (6, 20, 17), 0, 3)
    cropped, masks = compiled(keys(6), image, labels, (12, 9), CROP_ONLY)
    corners = sampled_positions(6, (20, 17), (12, 9), CROP_ONLY)[:, 0, 0].astype(int)
    for b, (row, column) in enumerate(corners.tolist()):
        window = (b, slice(row, row + 12), slice(column, column + 9))
        np.testing.assert_array_equal(cropped[b], image[window])
        np.testing.assert_array_equal(masks[b], labels[window])


def test_random_crops_reach_every_position_about_equally_often():
    corners = np.asarray(sampled_positions(1500, (9, 7), (5, 4), CROP_ONLY)[:, 0, 0])
    for axis, places in ((0, 5), (1, 4)):
        values, counts = np.unique(corners[:, axis], return_counts=True)
        np.testing.assert_array_equal(values, np.arange(places))
        # Five standard deviations of a binomial of 1500.
        np.testing.assert_allclose(counts / 1500, 1 / places, atol=0.055)


def test_a_crop_of_the_whole_image_is_the_image():
    image = jax.random.uniform(jax.random.key(1), (2, 8, 8, 1))
    labels = jnp.zeros((2, 8, 8), jnp.int32)
    np.testing.assert_array_equal(compiled(keys(2), image, labels, (8, 8), CROP_ONLY)[0], image)


def test_masks_keep_their_labels_and_types():
    labels = 7 * jax.random.randint(jax.random.key(2), (8, 24, 24), 0, 2)
    image = labels[..., None].astype(jnp.float32)
    cropped, masks = compiled(keys(8), image, labels, (16, 16), STRONG)
    assert set(np.unique(masks)) == {0, 7}
    assert masks.dtype == labels.dtype
    assert cropped.dtype == jnp.float32
    assert cropped.shape == (8, 16, 16, 1)


def test_image_and_mask_move_together():
    labels = jnp.stack([disc(64, 64, 30, 34, 6 + b) for b in range(8)])
    image = labels[..., None].astype(jnp.float32)
    cropped, masks = compiled(keys(8), image, labels, (48, 48), STRONG)
    np.testing.assert_array_less(jnp.abs(cropped[..., 0] - masks).max(), 1.0)
    # Bilinear and nearest differ only along the edge of the disc.
    assert np.mean((cropped[..., 0] > 0.5) == (masks > 0)) > 0.99
    assert masks.any(axis=(1, 2)).all()


def test_the_mask_is_what_the_nearest_pixel_says():
    size = (40, 40)
    rows = jnp.broadcast_to(jnp.arange(40)[:, None], (4, *size))
    image = rows[..., None].astype(jnp.float32)
    cropped, masks = compiled(keys(4), image, rows, (32, 32), STRONG)
    assert np.abs(cropped[..., 0] - masks).max() <= 0.5 + INTERPOLATION


def test_same_key_same_result_and_another_key_another():
    image = jax.random.uniform(jax.random.key(1), (1, 24, 24, 1)).repeat(3, 0)
    labels = (image[..., 0] > 0.5).astype(jnp.int32)
    chosen = keys(2)[jnp.array([0, 1, 0])]
    cropped, masks = compiled(chosen, image, labels, (16, 16), STRONG)
    np.testing.assert_array_equal(cropped[0], cropped[2])
    np.testing.assert_array_equal(masks[0], masks[2])
    assert not np.array_equal(cropped[0], cropped[1])


def test_an_example_does_not_depend_on_its_batch():
    image = jax.random.uniform(jax.random.key(1), (8, 24, 24, 1))
    labels = (image[..., 0] > 0.5).astype(jnp.int32)
    whole = compiled(keys(8), image, labels, (16, 16), STRONG)
    part = compiled(keys(8)[2:4], image[2:4], labels[2:4], (16, 16), STRONG)
    np.testing.assert_allclose(whole[0][2:4], part[0], atol=INTERPOLATION)
    np.testing.assert_array_equal(whole[1][2:4], part[1])


def test_runs_under_pmap():
    image = jax.random.uniform(jax.random.key(1), (1, 2, 24, 24, 1))
    labels = (image[..., 0] > 0.5).astype(jnp.int32)
    run = jax.pmap(lambda k, x, y: augment(k, x, y, (16, 16), STRONG))
    mapped = run(keys(2)[None], image, labels)
    plain = compiled(keys(2), image[0], labels[0], (16, 16), STRONG)
    np.testing.assert_allclose(mapped[0][0], plain[0], atol=INTERPOLATION)


def test_elastic_shifts_have_the_stated_standard_deviation_everywhere():
    config = dataclasses.replace(CROP_ONLY, elastic_displacement=1.5, elastic_scale=5.0)
    grid = np.asarray(sampled_positions(600, (80, 80), (24, 24), config))
    # Differences of far-apart pixels are free of the crop's place; their shifts are independent.
    shifts = grid[:, :4, :] - grid[:, -4:, :] + np.array([20.0, 0.0])
    deviation = shifts.std(axis=0) / np.sqrt(2)
    # 600 draws leave 3% at each pixel; the largest of some hundred stays within five times that.
    np.testing.assert_allclose(deviation, 1.5, rtol=0.15)
    np.testing.assert_allclose(deviation.mean(), 1.5, rtol=0.03)


def test_elastic_shifts_are_smooth_over_the_stated_scale():
    config = dataclasses.replace(CROP_ONLY, elastic_displacement=1.0, elastic_scale=6.0)
    grid = np.asarray(sampled_positions(400, (60, 60), (24, 24), config))
    slope = np.diff(grid[..., 0], axis=2)
    # The slope of white noise smoothed by a Gaussian of standard deviation s is 1 / (sqrt(2) s).
    np.testing.assert_allclose(slope.std(), 1 / (np.sqrt(2) * 6.0), rtol=0.05)


def jacobians(config, count=300):
    """The linear part `[B, 2, 2]` of each deformation: rows and columns per row and column."""
    grid = np.asarray(sampled_positions(count, (64, 64), (8, 8), config)) / 7
    return np.stack([grid[:, -1, 0] - grid[:, 0, 0], grid[:, 0, -1] - grid[:, 0, 0]], -1)


def test_rotation_turns_by_up_to_the_stated_angle_and_no_more():
    matrix = jacobians(dataclasses.replace(CROP_ONLY, rotation_degrees=30.0))
    angle = np.rad2deg(np.arctan2(matrix[:, 0, 1], matrix[:, 0, 0]))
    np.testing.assert_allclose(np.linalg.det(matrix), 1, atol=INTERPOLATION)
    np.testing.assert_allclose(matrix[:, 0, 1], -matrix[:, 1, 0], atol=INTERPOLATION)
    np.testing.assert_allclose([angle.min(), angle.max()], [-30, 30], atol=1.5)


def test_scale_magnifies_by_the_stated_range():
    matrix = jacobians(dataclasses.replace(CROP_ONLY, scale=(0.8, 2.0)))
    factor = 1 / matrix[:, 0, 0]
    np.testing.assert_allclose(matrix[:, 1, 1], matrix[:, 0, 0], atol=INTERPOLATION)
    np.testing.assert_allclose([factor.min(), factor.max()], [0.8, 2.0], atol=0.05)


def test_shear_is_drawn_for_both_axes_within_its_range():
    matrix = jacobians(dataclasses.replace(CROP_ONLY, shear=0.2))
    shears = np.stack([matrix[:, 0, 1], matrix[:, 1, 0]])
    np.testing.assert_allclose(np.abs(shears).max(axis=1), 0.2, atol=0.01)
    assert abs(np.corrcoef(shears)[0, 1]) < 0.25


def test_a_magnified_lesion_grows():
    config = dataclasses.replace(CROP_ONLY, scale=(2.0, 2.0))
    labels = jnp.asarray(disc(64, 64, 31.5, 31.5, 6))[None]
    masks = compiled(keys(1), labels[..., None].astype(jnp.float32), labels, (48, 48), config)[1]
    np.testing.assert_allclose(masks.sum() / labels.sum(), 4.0, rtol=0.05)


def test_a_deformed_window_with_room_stays_inside_the_image():
    config = AugmentConfig(elastic_displacement=2.0, elastic_scale=8.0, rotation_degrees=20.0)
    # A linear image makes repeated border pixels visible as a slope of 0.
    grid = np.asarray(sampled_positions(200, (64, 64), (32, 32), config))
    assert (np.diff(grid[..., 0], axis=1) > 0).all()
    assert (np.diff(grid[..., 1], axis=2) > 0).all()


def test_a_window_too_large_repeats_the_border_of_image_and_mask():
    config = dataclasses.replace(CROP_ONLY, scale=(0.5, 0.5))
    labels = jnp.ones((1, 8, 8), jnp.int32)
    image = jnp.full((1, 8, 8, 1), 0.25)
    cropped, masks = compiled(keys(1), image, labels, (8, 8), config)
    np.testing.assert_allclose(cropped, 0.25, rtol=1e-6)
    np.testing.assert_array_equal(masks, 1)


def test_center_crop_starts_at_half_the_margin_for_any_number_of_annotators():
    image = jnp.broadcast_to(positions(11, 8), (2, 11, 8, 2))
    labels = image[..., 0].astype(jnp.int32)
    cropped, masks = center_crop(image, labels, (6, 4))
    np.testing.assert_array_equal(cropped[0, 0, 0], [2, 2])
    np.testing.assert_array_equal(masks, cropped[..., 0])
    np.testing.assert_array_equal(center_crop(image, labels[None], (6, 4))[1], masks[None])


@pytest.mark.parametrize("crop", [(9, 8), (8, 9), (0, 8)])
def test_a_crop_outside_the_image_is_refused(crop):
    image, labels = jnp.zeros((1, 8, 8, 1)), jnp.zeros((1, 8, 8), jnp.int32)
    with pytest.raises(ValueError, match=r"crop=\(\d, \d\): images have 8 x 8 pixels"):
        augment(keys(1), image, labels, crop, CROP_ONLY)
    with pytest.raises(ValueError, match=r"crop=\(\d, \d\): images have 8 x 8 pixels"):
        center_crop(image, labels, crop)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("elastic_displacement", -1.0),
        ("elastic_displacement", float("nan")),
        ("elastic_scale", 0.0),
        ("elastic_scale", 5.9),
        ("rotation_degrees", 181.0),
        ("shear", 1.0),
        ("scale", (0.0, 1.0)),
        ("scale", (1.2, 1.1)),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field}="):
        AugmentConfig(**{field: value})
