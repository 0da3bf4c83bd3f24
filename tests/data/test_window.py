"""Which part of images of any size is seen, and that nothing beyond them counts."""

import numpy as np
import pytest

from hpunet.data.labels import IGNORED
from hpunet.data.window import Window, cut

CROP = 8
SIZES = [(30, 21), (8, 8), (5, 40), (3, 4)]


def example(size, marked=None, seed=0):
    image = np.random.default_rng(seed).random((*size, 1)).astype(np.float32)
    annotations = np.zeros((2, *size), np.uint8)
    if marked is not None:
        annotations[(1, *marked)] = 2
    return {"image": image, "annotations": annotations}


def seen(window, of, seed=0):
    fit = window.draw(of, np.random.default_rng(seed))
    return cut(of["image"], of["annotations"], fit)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("sizes", ["crop", "annotated", "resize"])
def test_every_window_has_the_crop_and_its_margin(size, augment, sizes):
    window = Window(CROP, sizes, augment)
    image, labels = seen(window, example(size, (0, 0)))
    side = CROP + 2 * window.margin
    assert image.shape == (side, side, 1)
    assert labels.shape == (2, side, side)
    assert (window.margin > 0) == augment


@pytest.mark.parametrize("size", [(30, 21), (8, 8)])
def test_crop_lies_within_images_that_hold_it(size):
    window = Window(CROP, "crop", augment=True)
    margin = window.margin
    places = set()
    for seed in range(60):
        of = example(size)
        image, labels = seen(window, of, seed)
        inner = labels[0, margin:-margin, margin:-margin]
        assert not (inner == IGNORED).any()
        middle = image[margin:-margin, margin:-margin, 0]
        views = np.lib.stride_tricks.sliding_window_view(of["image"][..., 0], (CROP, CROP))
        found = np.argwhere((views == middle).all(axis=(2, 3)))
        assert len(found) == 1
        places.add(tuple(found[0]))
    assert len(places) == 1 if size == (8, 8) else len(places) > 40


def test_without_augmentation_crops_come_from_anywhere_too_and_the_middle_is_looked_at():
    of, window = example((30, 21)), Window(CROP, "crop", augment=False)
    assert len({seen(window, of, seed)[0].tobytes() for seed in range(30)}) > 20
    image, _ = cut(of["image"], of["annotations"], window.middle(of))
    np.testing.assert_array_equal(image, of["image"][11:19, 6:14])


@pytest.mark.parametrize("place", [(0, 0), (29, 20), (15, 3)])
def test_crop_around_annotations_always_holds_a_marked_pixel(place):
    window = Window(CROP, "annotated", augment=True)
    margin = window.margin
    of = example((30, 21), place)
    for seed in range(40):
        _, labels = seen(window, of, seed)
        assert (labels[1, margin:-margin, margin:-margin] == 2).sum() == 1


def test_crop_around_annotations_of_an_empty_image_lies_anywhere():
    window = Window(CROP, "annotated", augment=False)
    drawn = {seen(window, example((30, 21)), seed)[0].tobytes() for seed in range(20)}
    assert len(drawn) > 10


def test_ignored_pixels_do_not_attract_the_crop():
    of = example((60, 60), (50, 50))
    of["annotations"][0, :3, :3] = IGNORED
    for seed in range(20):
        assert (seen(Window(CROP, "annotated", augment=False), of, seed)[1] == 2).any()


@pytest.mark.parametrize("size", SIZES)
def test_what_lies_beyond_an_image_is_ignored_and_repeats_its_border(size):
    window = Window(32, "crop", augment=False)
    of = example(size)
    image, labels = seen(window, of)
    inside = labels[0] != IGNORED
    assert inside.sum() == min(size[0], 32) * min(size[1], 32)
    assert set(np.unique(image)) <= set(np.unique(of["image"]))


def test_resized_image_is_whole_and_keeps_its_proportions():
    of = example((40, 20))
    of["annotations"][1, 20:, :] = 1
    image, labels = seen(Window(CROP, "resize", augment=False), of)
    assert (labels[0] != IGNORED).sum() == CROP * CROP // 2
    assert (labels[1] == 1).sum() == CROP * CROP // 4
    inside = (labels[0] != IGNORED).all(axis=0)
    np.testing.assert_allclose(image[:, inside].mean(), of["image"].mean(), atol=0.05)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sizes", ["crop", "resize"])
def test_whole_image_lies_on_the_grid_that_is_scored(size, sizes):
    fit = Window(CROP, sizes, augment=True).whole(size, 4)
    assert fit.region == (0, 0, *size)
    labels = np.ones((1, *size), np.uint8)
    on_grid = cut(np.zeros((*size, 1), np.float32), labels, fit)[1]
    assert (on_grid == 1).any()
    if sizes == "crop":
        assert (on_grid == 1).sum() == size[0] * size[1]
        assert fit.grid == tuple(-(-n // 4) * 4 for n in size)
    else:
        assert fit.grid == (CROP, CROP)
