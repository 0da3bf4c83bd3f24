"""The synthetic data set: stored examples, and their dependence on the settings."""

import dataclasses
import pickle

import numpy as np
import pytest

from hpunet.config.data import SyntheticConfig
from hpunet.data.synthetic.builder import VERSION, digest, generate, open_dataset
from hpunet.data.synthetic.lesion import mode_masks
from hpunet.data.synthetic.truth import Truth

TINY = SyntheticConfig(image_size=32, num_train=20, num_val=5, num_test=6)
PINNED = [21, 133, 12, 10, 171]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return open_dataset(TINY, tmp_path_factory.mktemp("prepared"))


def stacked(config, split, key):
    return np.stack([example[key] for example in generate(config, split)])


def test_prepared_examples_are_the_generated_ones(prepared):
    for split, num in TINY.num_images.items():
        source = prepared.splits[split]
        assert len(source) == num
        generated = {example["name"]: example for example in generate(TINY, split)}
        for index in range(num):
            example = source[index]
            expected = generated.pop(example["name"])
            np.testing.assert_array_equal(example["image"], expected["image"][..., None])
            np.testing.assert_array_equal(example["annotations"], expected["annotations"])
            assert example["patient"] == expected["patient"]
        assert not generated


def test_example_has_the_contracts_types(prepared):
    example = prepared.splits["train"][0]
    assert example["image"].dtype == example["annotations"].dtype == example["modes"].dtype
    assert example["image"].dtype == np.uint8
    assert example["image"].shape == (32, 32, 1)
    assert example["annotations"].shape == (4, 32, 32)
    assert example["modes"].shape == (9, 32, 32)
    assert set(np.unique(example["modes"])) == {0, 1}


def test_every_annotation_is_one_of_the_examples_modes(prepared):
    source = prepared.splits["train"]
    for example in (source[index] for index in range(len(source))):
        for mask in example["annotations"]:
            assert (mask == example["modes"]).all(axis=(1, 2)).sum() == 1


def test_source_survives_pickling(prepared):
    source = pickle.loads(pickle.dumps(prepared.splits["val"]))
    np.testing.assert_array_equal(source[3]["modes"], prepared.splits["val"][3]["modes"])


def test_dataset_knows_its_truth(prepared):
    assert isinstance(prepared.truth, Truth)
    assert len(prepared.truth.names) == len(prepared.splits["test"][0]["modes"])
    assert prepared.checksum == digest(TINY)


def test_other_settings_get_a_folder_of_their_own(tmp_path):
    few = dataclasses.replace(TINY, num_train=1, num_val=1, num_test=1)
    for seed in (0, 1):
        open_dataset(dataclasses.replace(few, seed=seed), tmp_path)
    open_dataset(few, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_same_seed_gives_the_same_examples():
    for key in ("image", "annotations"):
        np.testing.assert_array_equal(stacked(TINY, "val", key), stacked(TINY, "val", key))


def test_another_seed_gives_other_images():
    other = dataclasses.replace(TINY, seed=1)
    assert (stacked(TINY, "val", "image") != stacked(other, "val", "image")).any(axis=(1, 2)).all()


def test_more_images_begin_with_the_fewer():
    more = dataclasses.replace(TINY, num_train=40)
    np.testing.assert_array_equal(
        stacked(more, "train", "image")[:20], stacked(TINY, "train", "image")
    )


def test_no_image_is_in_two_splits():
    examples = [example for split in TINY.num_images for example in generate(TINY, split)]
    assert len({example["image"].tobytes() for example in examples}) == len(examples)
    assert len({example["patient"] for example in examples}) == len(examples)


def test_images_do_not_depend_on_what_annotators_choose():
    other = dataclasses.replace(
        TINY, p_drawn=0.2, p_halo=0.9, p_protrusion=(0.0, 1.0), num_annotators=7
    )
    for key in ("image", "parts"):
        np.testing.assert_array_equal(stacked(TINY, "train", key), stacked(other, "train", key))
    assert stacked(other, "train", "annotations").shape == (20, 7, 32, 32)


@pytest.mark.parametrize("num_sites", [0, 1, 3, 4])
def test_any_number_of_protrusions_up_to_four_gives_distinct_modes(num_sites):
    config = dataclasses.replace(TINY, num_train=48, p_protrusion=(0.5,) * num_sites)
    for example in generate(config, "train"):
        modes = mode_masks(example["parts"], num_sites)
        assert len(np.unique(modes.reshape(len(modes), -1), axis=0)) == 1 + 2 * 2**num_sites


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("image_size", 36, "multiples of 8"),
        ("image_size", 24, "from 32"),
        ("num_test", 0, "from 1"),
        ("num_annotators", -2, "from 1"),
        ("seed", -1, "from 0"),
        ("p_drawn", 1.1, "from 0 to 1"),
        ("p_halo", float("nan"), "from 0 to 1"),
        ("p_protrusion", (0.5, 1.5), "from 0 to 1"),
        ("p_protrusion", (0.5,) * 5, "at most 4"),
    ],
)
def test_illegal_setting_is_refused_in_one_line(key, value, allowed):
    with pytest.raises(ValueError, match=f"{key}=.*{allowed}") as error:
        dataclasses.replace(TINY, **{key: value})
    assert "\n" not in str(error.value)


def test_what_a_seed_draws_changes_only_with_the_version():
    # A change here calls for another VERSION, or old copies would pass for new ones.
    image = next(generate(TINY, "train"))["image"]
    assert VERSION == "1.0.0"
    corners = [image[0, 0], image[0, -1], image[-1, 0], image[-1, -1], image[16, 16]]
    np.testing.assert_allclose(np.array(corners, int), PINNED, atol=1)
