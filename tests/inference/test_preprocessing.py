"""One image through training, validation, evaluation and sampling, equal to the bit."""

import jax
import numpy as np
import pytest
from PIL import Image

from hpunet.data.crops import CropSampler
from hpunet.data.dataset import Dataset
from hpunet.data.intensities import BYTES, Intensities
from hpunet.data.pipeline import training_batches
from hpunet.evaluation.dataset_images import DatasetImages
from hpunet.evaluation.scoring_set import evaluation_preprocessing
from hpunet.imaging.fit import fit_whole
from hpunet.imaging.read import find_volumes
from hpunet.inference.network_input import ImageOptions, network_input
from hpunet.inference.preprocessing import Preprocessing, crop_examples, preprocess
from hpunet.training.task import preprocess_batch
from tests import tiny
from tests.evaluation import tiny_network

CROP = (8, 12)
INTENSITIES = {
    "bytes": BYTES,
    "range": Intensities((10.0,), (170.5,), clip=True),
    "standardised": Intensities((31.3,), (77.7,), clip=False),
}


def values(dtype):
    return np.random.default_rng(0).integers(0, 256, (*CROP, 1)).astype(dtype)


def write(folder, stored):
    """The image as a user's file, in the type that it is stored in."""
    if stored.dtype == np.float32:
        np.save(folder / "image.npy", stored[..., 0])
        return folder / "image.npy"
    suffix = "png" if stored.dtype == np.uint8 else "tif"
    Image.fromarray(stored[..., 0]).save(folder / f"image.{suffix}")
    return folder / f"image.{suffix}"


def in_training(example, intensities, crop_sampler):
    """The image as a compiled step of training sees it."""
    batch = next(training_batches(Examples(example), 1, 0, crop_sampler=crop_sampler))
    keys = jax.random.split(jax.random.key(0), 1)
    step = jax.jit(
        lambda image: preprocess_batch(batch._replace(image=image), keys, CROP, None, intensities)[
            0
        ]
    )
    return np.asarray(step(batch.image))[0]


class Examples(tiny.Source):
    """A source of one example."""

    def __init__(self, example):
        self._examples = [example]


@pytest.mark.parametrize("any_size", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", INTENSITIES)
def test_all_four_see_the_same_bits(tmp_path, kind, dtype, any_size):
    stored, intensities = values(dtype), INTENSITIES[kind]
    annotations = np.zeros((1, *CROP), np.uint8)
    example = {"image": stored, "annotations": annotations, "patient": "p", "name": "e"}
    crop_sampler = CropSampler(CROP, "crop", augment=False) if any_size else None
    network = tiny_network.network(intensities=intensities, crop=CROP)

    trained = in_training(example, intensities, crop_sampler)

    validated = crop_examples([example], CROP, intensities, crop_sampler).image[0]

    splits = {"test": Examples(example)}
    dataset = Dataset("one", "1", "0", splits, None, intensities, crop_sampler)
    preprocessing = evaluation_preprocessing(network, dataset)
    evaluated = DatasetImages(splits["test"], [0], preprocessing)[0].network_image

    (volume,) = find_volumes([write(tmp_path, stored)]).volumes
    # Without a window of their own, 8-bit intensities are those of the network.
    options = ImageOptions(window=(0.0, 255.0) if intensities == BYTES else None)
    sampled = network_input(volume, 0, network, options).image

    assert trained.dtype == np.float32
    for other in (validated, evaluated, sampled):
        assert other.dtype == np.float32
        np.testing.assert_array_equal(other, trained)


@pytest.mark.parametrize("kind", INTENSITIES)
def test_numpy_and_jax_give_the_same_bits(kind):
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    expected = preprocess(stored, INTENSITIES[kind])
    for function in (preprocess, jax.jit(preprocess, static_argnums=1)):
        found = np.asarray(function(jax.numpy.asarray(stored), INTENSITIES[kind]))
        np.testing.assert_array_equal(found, expected)


def test_an_image_is_placed_after_its_intensities():
    stored = values(np.uint8)
    fit = fit_whole(CROP, (1.0, 1.0), 16)
    expected = np.pad(preprocess(stored), ((4, 4), (2, 2), (0, 0)), mode="edge")
    np.testing.assert_array_equal(preprocess(stored, BYTES, fit), expected)


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(),
        Preprocessing(Intensities((0.0,), (1.0,), True), (64, 96), 0.5, True, 3, "0123", "min"),
        Preprocessing(Intensities((0.0, 1.0, 2.0), (9.0, 8.0, 7.0), False), (32, 32)),
    ],
    ids=["nothing", "everything", "channels"],
)
def test_a_header_keeps_the_preprocessing(preprocessing):
    assert Preprocessing.from_header(preprocessing.to_header()) == preprocessing


def test_headers_of_earlier_versions_are_read():
    assert Preprocessing.from_header({}) == Preprocessing()
    found = Preprocessing.from_header({"crop": 128, "intensity_range": [0, 1], "classes": 2})
    assert found.crop == (128, 128)
    assert found.intensities == Intensities((0.0,), (1.0,), clip=True)
    assert Preprocessing.from_header({"intensity_range": [0, 255]}).intensities == BYTES
