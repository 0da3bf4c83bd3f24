import jax
import numpy as np
import pytest

from hpunet.evaluation.dataset_images import (
    DatasetImages,
    EvaluationPreprocessing,
    StoredImages,
    draw_all,
)
from hpunet.evaluation.store import PredictionStore
from hpunet.inference.predictor import UNIT, Predictor
from hpunet.inference.sampling import build_sampler
from hpunet.training.devices import Devices
from tests import tiny
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation")
NUM_IMAGES, NUM_SAMPLES = 10, 3


def draw(folder, num_devices=1, images=None, limit=None, seed=0):
    """Draws all, or stops after `limit` images; gives the images and how many were predicted."""
    images = images or DatasetImages(
        tiny.Source(12), range(NUM_IMAGES), EvaluationPreprocessing((tiny.SIZE, tiny.SIZE))
    )
    network = tiny_network.network()
    devices = Devices(jax.devices()[:num_devices])
    predictor = Predictor(build_sampler(network.model), NUM_SAMPLES, seed, devices)
    store = PredictionStore(folder, {})
    counts = []

    def done(count):
        counts.append(count)
        if limit is not None and sum(counts) >= limit:
            raise KeyboardInterrupt

    draw_all(images, predictor, devices.replicate(network.params), store, done)
    assert sum(counts) == len(images)
    return [StoredImages(images, store)[index] for index in range(len(images))], counts


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("alone") / "kept")[0]


def same(first, second):
    return all(
        (a.samples == b.samples).all() and (a.reconstructions == b.reconstructions).all()
        for a, b in zip(first, second, strict=True)
    )


def test_samples_differ_from_each_other_and_from_image_to_image(alone):
    assert (alone[0].samples[0] != alone[0].samples[1]).any()
    assert (alone[0].samples != alone[1].samples).any()


@pytest.mark.parametrize("num_devices", [2, 4])
def test_any_number_of_devices_draws_the_same_to_the_bit(alone, num_devices, tmp_path):
    assert same(draw(tmp_path / "kept", num_devices)[0], alone)


@pytest.mark.parametrize("num_devices", [1, 2])
def test_stopped_and_started_again_it_draws_the_rest_and_ends_the_same(
    alone, num_devices, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path / "kept", limit=UNIT)
    stored, counts = draw(tmp_path / "kept", num_devices)
    assert counts[0] == UNIT
    assert sum(counts[1:]) == NUM_IMAGES - UNIT
    assert same(stored, alone)


def test_another_seed_draws_other_samples_and_the_same_reconstructions(alone, tmp_path):
    others, _ = draw(tmp_path / "kept", seed=1)
    assert any((a.samples != b.samples).any() for a, b in zip(others, alone, strict=True))
    for a, b in zip(others, alone, strict=True):
        assert (a.reconstructions == b.reconstructions).all()


def test_sample_depends_on_the_images_place_in_the_split_alone(alone, tmp_path):
    some = DatasetImages(
        tiny.Source(12), [0, 1, 2, 3, 8], EvaluationPreprocessing((tiny.SIZE, tiny.SIZE))
    )
    stored, _ = draw(tmp_path / "kept", images=some)
    assert (stored[4].samples == alone[8].samples).all()


def test_images_with_different_numbers_of_annotators_keep_their_own(alone, tmp_path):
    class Uneven(tiny.Source):
        def __getitem__(self, index):
            example = super().__getitem__(index)
            number = 1 + index % 2
            return {**example, "annotations": example["annotations"][:number]}

    images = DatasetImages(
        Uneven(12), range(NUM_IMAGES), EvaluationPreprocessing((tiny.SIZE, tiny.SIZE))
    )
    stored, _ = draw(tmp_path / "kept", images=images)
    assert [len(image.reconstructions) for image in stored] == [1, 2] * 5
    for image, full in zip(stored, alone, strict=True):
        assert (image.reconstructions == full.reconstructions[: len(image.annotations)]).all()


def test_image_carries_name_patient_and_picture(alone):
    example = tiny.Source(12)[3]
    assert alone[3].name == "p3/e3"
    assert alone[3].patient == "p3"
    np.testing.assert_allclose(alone[3].image * 255, example["image"][..., 0], rtol=1e-6)
    assert (alone[3].annotations == example["annotations"]).all()
