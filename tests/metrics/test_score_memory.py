"""Scores take the memory of a single image."""

import tracemalloc

import numpy as np

from hpunet import metrics

IMAGES, SIDE, CLASSES = 200, 32, range(10)


def test_reconstructions_of_many_images_and_classes_take_the_memory_of_one_image():
    masks = np.random.default_rng(0).integers(0, 10, (2, IMAGES, SIDE, SIDE), np.uint8)
    ignored = np.zeros((IMAGES, SIDE, SIDE), bool)
    tracemalloc.start()
    metrics.reconstruction_iou(masks, masks, classes=CLASSES, ignored=ignored)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    all_marks = masks.size * len(CLASSES)
    assert most < all_marks / 10
