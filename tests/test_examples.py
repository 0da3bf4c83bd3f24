"""Examples as a user gets them."""

import numpy as np
import pytest

import hpunet
from hpunet.io.errors import UserError
from tests.evaluation import tiny_network

CHANGES = {
    "data.synthetic.num_train": 4,
    "data.synthetic.num_val": 2,
    "data.synthetic.num_test": 5,
}


@pytest.fixture(scope="module")
def changes(tmp_path_factory):
    return CHANGES | {"data.prepared_dir": tmp_path_factory.mktemp("prepared")}


def test_examples_are_the_central_crop_of_images_and_of_all_annotations(changes):
    whole = hpunet.load_examples("synthetic", changes=changes)
    assert whole.image.shape == (5, 32, 32, 1)
    assert whole.image.dtype == np.float32
    assert whole.image.min() >= 0
    assert 0.5 < whole.image.max() <= 1
    assert whole.annotations.shape == (4, 5, 32, 32)
    assert len(set(whole.patients)) == len(set(whole.names)) == 5
    network = {"model.channels_per_block": (4, 4), "model.latent_dims": 1, "data.crop": 16}
    crop = hpunet.load_examples("synthetic", changes=changes | network)
    np.testing.assert_array_equal(crop.image, whole.image[:, 8:24, 8:24])
    np.testing.assert_array_equal(crop.annotations, whole.annotations[:, :, 8:24, 8:24])


def test_fewer_images_are_spread_over_the_split(changes):
    names = hpunet.load_examples("synthetic", changes=changes).names
    few = hpunet.load_examples("synthetic", num_images=3, changes=changes)
    assert few.names == names[::2]


def test_a_runs_folder_gives_the_data_it_was_trained_on(changes, tmp_path):
    run = tiny_network.write_workdir(tmp_path / "run", changes["data.prepared_dir"], num_test=5)
    of_run = hpunet.load_examples(run)
    by_name = hpunet.load_examples("synthetic", changes=changes)
    np.testing.assert_array_equal(of_run.image, by_name.image)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"config": "nowhere"}, "--config=nowhere"),
        ({"split": "dev"}, "split=dev: allowed are train, val, test"),
        ({"num_images": 0}, "num_images=0"),
        ({"changes": {"data.corp": 1}}, "config.data.corp: no such key"),
    ],
)
def test_what_is_not_there_is_refused(words, named, changes):
    words = {"config": "synthetic", **words, "changes": changes | words.get("changes", {})}
    with pytest.raises(UserError, match=named):
        hpunet.load_examples(**words)
