"""Crops of images of any size, in which nothing outside of the image counts."""

import numpy as np
import pytest

from hpunet.data.crops import CropSampler, cut
from hpunet.data.labels import IGNORED

CROP = 8
SIZES = [(30, 21), (8, 8), (5, 40), (3, 4)]


def example(size, marked=None, seed=0):
    image = np.random.default_rng(seed).random((*size, 1)).astype(np.float32)
    annotations = np.zeros((2, *size), np.uint8)
    if marked is not None:
        annotations[(1, *marked)] = 2
    return {"image": image, "annotations": annotations}


def seen(crop_sampler, of, seed=0):
    fit = crop_sampler.draw(of, np.random.default_rng(seed))
    return cut(of["image"], of["annotations"], fit)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("sizes", ["crop", "annotated", "resize"])
def test_every_crop_has_its_size_and_its_margin(size, augment, sizes):
    crop_sampler = CropSampler((CROP, 2 * CROP), sizes, augment)
    image, labels = seen(crop_sampler, example(size, (0, 0)))
    rows, columns = crop_sampler.margin
    assert image.shape == (CROP + 2 * rows, 2 * CROP + 2 * columns, 1)
    assert labels.shape == (2, *image.shape[:2])
    assert (rows, columns) == ((2, 4) if augment else (0, 0))


@pytest.mark.parametrize("size", [(30, 21), (8, 8)])
def test_crop_lies_within_images_that_hold_it(size):
    crop_sampler = CropSampler((CROP, CROP), "crop", augment=True)
    margin, _ = crop_sampler.margin
    places = set()
    for seed in range(60):
        of = example(size)
        image, labels = seen(crop_sampler, of, seed)
        inner = labels[0, margin:-margin, margin:-margin]
        assert not (inner == IGNORED).any()
        middle = image[margin:-margin, margin:-margin, 0]
        views = np.lib.stride_tricks.sliding_window_view(of["image"][..., 0], (CROP, CROP))
        found = np.argwhere((views == middle).all(axis=(2, 3)))
        assert len(found) == 1
        places.add(tuple(found[0]))
    assert len(places) == 1 if size == (8, 8) else len(places) > 40


def test_without_augmentation_crops_come_from_anywhere_too_and_the_middle_is_looked_at():
    of, crop_sampler = example((30, 21)), CropSampler((CROP, CROP), "crop", augment=False)
    assert len({seen(crop_sampler, of, seed)[0].tobytes() for seed in range(30)}) > 20
    image, _ = cut(of["image"], of["annotations"], crop_sampler.middle(of))
    np.testing.assert_array_equal(image, of["image"][11:19, 6:14])


@pytest.mark.parametrize("place", [(0, 0), (29, 20), (15, 3)])
def test_crop_around_annotations_always_holds_a_marked_pixel(place):
    crop_sampler = CropSampler((CROP, CROP), "annotated", augment=True)
    margin, _ = crop_sampler.margin
    of = example((30, 21), place)
    for seed in range(40):
        _, labels = seen(crop_sampler, of, seed)
        assert (labels[1, margin:-margin, margin:-margin] == 2).sum() == 1


def test_crop_around_annotations_of_an_empty_image_lies_anywhere():
    crop_sampler = CropSampler((CROP, CROP), "annotated", augment=False)
    drawn = {seen(crop_sampler, example((30, 21)), seed)[0].tobytes() for seed in range(20)}
    assert len(drawn) > 10


def test_ignored_pixels_do_not_attract_the_crop():
    of = example((60, 60), (50, 50))
    of["annotations"][0, :3, :3] = IGNORED
    for seed in range(20):
        assert (seen(CropSampler((CROP, CROP), "annotated", augment=False), of, seed)[1] == 2).any()


@pytest.mark.parametrize("size", SIZES)
def test_what_lies_beyond_an_image_is_ignored_and_repeats_its_border(size):
    crop_sampler = CropSampler((32, 32), "crop", augment=False)
    of = example(size)
    image, labels = seen(crop_sampler, of)
    inside = labels[0] != IGNORED
    assert inside.sum() == min(size[0], 32) * min(size[1], 32)
    assert set(np.unique(image)) <= set(np.unique(of["image"]))


def test_resized_image_is_whole_and_keeps_its_proportions():
    of = example((40, 20))
    of["annotations"][1, 20:, :] = 1
    image, labels = seen(CropSampler((CROP, CROP), "resize", augment=False), of)
    assert (labels[0] != IGNORED).sum() == CROP * CROP // 2
    assert (labels[1] == 1).sum() == CROP * CROP // 4
    inside = (labels[0] != IGNORED).all(axis=0)
    np.testing.assert_allclose(image[:, inside].mean(), of["image"].mean(), atol=0.05)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sizes", ["crop", "resize"])
def test_whole_image_lies_on_the_grid_that_is_scored(size, sizes):
    fit = CropSampler((CROP, CROP), sizes, augment=True).whole(size, 4)
    assert fit.region == (0, 0, *size)
    labels = np.ones((1, *size), np.uint8)
    on_grid = cut(np.zeros((*size, 1), np.float32), labels, fit)[1]
    assert (on_grid == 1).any()
    if sizes == "crop":
        assert (on_grid == 1).sum() == size[0] * size[1]
        assert fit.grid == tuple(-(-n // 4) * 4 for n in size)
    else:
        assert fit.grid == (CROP, CROP)
