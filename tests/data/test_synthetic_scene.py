"""The synthetic images: visible parts and their positions."""

import numpy as np
import pytest

from hpunet.data.synthetic.lesion import draw_lesions, lesion_distances, lesion_parts, mode_masks
from hpunet.data.synthetic.scene import draw_scenes

NUM_IMAGES = 32
CORE, EXTENT = 1, 2  # bits of the parts
SITES = (4, 8)


@pytest.fixture(scope="module", params=[32, 64, 128])
def scenes(request):
    return draw_scenes(np.random.default_rng(5), NUM_IMAGES, request.param, num_sites=2)


def mean_grey(scenes, mask):
    return np.array([image[m].mean() for image, m in zip(scenes.images, mask, strict=True)])


def test_all_modes_of_every_image_are_distinct(scenes):
    for parts in scenes.parts:
        assert len({mask.tobytes() for mask in mode_masks(parts, 2)}) == 9


def test_every_choice_moves_the_iou(scenes):
    modes = mode_masks(scenes.parts, 2)
    for without, chosen in [(1, 2), (1, 3), (1, 5), (5, 6), (5, 7)]:
        overlap = (modes[:, without] & modes[:, chosen]).sum(axis=(1, 2))
        union = (modes[:, without] | modes[:, chosen]).sum(axis=(1, 2))
        assert (overlap / union).max() < 0.97


def test_lesion_is_near_the_centre_and_within_the_image(scenes):
    whole = scenes.parts != 0
    size = whole.shape[-1]
    assert not whole[:, [0, -1], :].any()
    assert not whole[:, :, [0, -1]].any()
    assert whole[:, int(0.45 * size) : int(0.55 * size), int(0.45 * size) : int(0.55 * size)].all()


def test_lesion_takes_between_an_eighth_and_half_of_the_width(scenes):
    extent = ((scenes.parts & EXTENT) != 0).any(axis=1).mean(axis=1)
    assert extent.min() > 1 / 8
    assert extent.max() < 1 / 2


def test_core_halo_protrusions_and_lung_differ_in_grey_value(scenes):
    parts = scenes.parts
    core = mean_grey(scenes, (parts & CORE) != 0)
    halo = mean_grey(scenes, parts == EXTENT)
    size = parts.shape[-1]
    axis = (np.arange(size) + 0.5) / size - 0.5
    near = np.hypot(axis[:, None], axis[None, :]) < 0.3
    lung = mean_grey(scenes, (parts == 0) & near)
    for site in SITES:
        protrusion = mean_grey(scenes, parts == site)
        assert (core - protrusion).min() > 15
        assert (protrusion - halo).min() > 10
    assert (halo - lung).min() > 25


def test_protrusions_keep_to_sectors_of_their_own():
    lesions = draw_lesions(np.random.default_rng(0), 500, num_sites=3)
    assert np.diff(lesions.angle, axis=1).min() > 1
    assert np.ptp(lesions.angle, axis=0).min() > 0.5


def test_a_smaller_image_shows_the_same_scene():
    large, small = (
        draw_scenes(np.random.default_rng(1), 8, size, num_sites=2) for size in (64, 32)
    )
    pooled = large.images.reshape(8, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(pooled - small.images).mean() < 8
    core = (large.parts & CORE).reshape(8, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(core - (small.parts & CORE)).max() <= 0.75


def test_bit_of_a_part_is_set_where_its_distance_is_negative():
    lesions = draw_lesions(np.random.default_rng(2), 3, num_sites=2)
    distances = lesion_distances(lesions, 32)
    parts = lesion_parts(distances)
    np.testing.assert_array_equal((parts & 1) != 0, distances.core < 0)
    np.testing.assert_array_equal((parts & 2) != 0, distances.halo < 0)
    np.testing.assert_array_equal((parts & 8) != 0, distances.protrusions[:, 1] < 0)


def test_core_lies_within_the_halo(scenes):
    assert not ((scenes.parts & (CORE | EXTENT)) == CORE).any()
