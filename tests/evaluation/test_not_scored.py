"""Images that a network cannot score, or that are unlike its training images."""

import json

import jax
import numpy as np
import pytest

from hpunet.data.intensities import Intensities
from hpunet.data.prepare import RecordSource
from hpunet.evaluation.compatibility import warn_of_prior, warn_of_values
from hpunet.evaluation.dataset_images import DatasetImages, EvaluationPreprocessing
from hpunet.evaluation.scoring import NotScored
from hpunet.evaluation.scoring_set import SamplingChoices, network_scoring_set
from hpunet.evaluation.table import not_scored_text
from hpunet.inference.prior_range import PriorRange, measure_prior
from hpunet.io.errors import UserError
from hpunet.training.devices import Devices
from hpunet.weights.file import save_weights
from tests import tiny
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation", "coarse_figures")
NUM_IMAGES = 6


class Changed(tiny.Source):
    """Examples of which some have other values."""

    def __init__(self, change, places):
        super().__init__(NUM_IMAGES)
        self._change, self._places = change, places

    def __getitem__(self, index):
        example = super().__getitem__(index)
        if index not in self._places:
            return example
        return {**example, "image": self._change(example["image"].astype(np.float32))}


def with_nan(*places):
    return Changed(lambda image: image * np.nan, places)


def scoring_set(folder, source):
    dataset = tiny_network.dataset()._replace(splits={"test": source})
    return network_scoring_set(
        tiny_network.network(),
        dataset,
        SamplingChoices("test", None, (1, 2), 0),
        Devices(jax.devices()[:1]),
        folder,
        may_replace=True,
    )


def images_of(source, intensities=None):
    preprocessing = EvaluationPreprocessing((tiny.SIZE, tiny.SIZE))
    if intensities is not None:
        preprocessing = preprocessing._replace(intensities=intensities)
    return DatasetImages(source, range(NUM_IMAGES), preprocessing)


def test_failed_images_are_left_out_and_the_samples_of_the_others_are_the_same(tmp_path, capsys):
    whole = scoring_set(tmp_path / "a", tiny.Source(NUM_IMAGES))
    assert whole.not_scored == ()
    capsys.readouterr()
    rest = scoring_set(tmp_path / "b", with_nan(1, 4))
    reason = "the network's logits are NaN or infinite"
    assert rest.not_scored == (("p1/e1", reason), ("p4/e4", reason))
    assert f"not scored, {reason}: p1/e1, p4/e4 (2 of 6 images)" in capsys.readouterr().err
    assert not rest.subject["data"]["whole_split"]
    assert len(rest.images) == len(rest.dataset_images) == 4
    for index, place in enumerate((0, 2, 3, 5)):
        assert rest.images[index].name == f"p{place}/e{place}"
        np.testing.assert_array_equal(rest.images[index].samples, whole.images[place].samples)


def test_failed_images_are_drawn_again_on_resume_and_fail_again(tmp_path):
    first = scoring_set(tmp_path, with_nan(1))
    assert scoring_set(tmp_path, with_nan(1)).not_scored == first.not_scored


def test_split_without_any_scored_image_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"on every image: p0/e0, .* \(6 of 6 images\)"):
        scoring_set(tmp_path, with_nan(*range(NUM_IMAGES)))


def test_command_lists_the_image_and_exits_with_1(workdir, evaluated, monkeypatch):
    read = RecordSource.__getitem__

    def broken(self, index):
        example = read(self, index)
        return {**example, "image": example["image"] * np.float32(np.nan if index == 3 else 1)}

    monkeypatch.setattr(RecordSource, "__getitem__", broken)
    code, out, err = evaluated(
        f"--workdir={workdir}", "--num_samples=1,2", f"--figures={workdir / 'figures'}"
    )
    assert code == 1, err
    (path,) = workdir.glob("scores_test*.json")
    result = json.loads(path.read_text())
    (entry,) = result["not_scored"]
    assert entry["reason"] == "the network's logits are NaN or infinite"
    assert entry["name"] in out
    assert result["groups"]["all"]["num_images"] == 9
    assert np.isfinite(result["groups"]["all"]["num_samples"]["2"]["ged"]["value"])
    assert entry["name"] not in path.with_suffix(".csv").read_text()


def test_image_unlike_the_validation_images_is_warned_of_with_its_value(capsys):
    network = tiny_network.network()
    source = tiny.Source(NUM_IMAGES)
    batch = np.stack([images_of(source)[i].network_image for i in range(NUM_IMAGES)])
    prior_range, _ = measure_prior(network.model, network.params, [batch], NUM_IMAGES)
    network = network._replace(prior_range=prior_range)
    assert warn_of_prior(images_of(source), network) == {}
    assert capsys.readouterr().err == ""
    unlike = images_of(Changed(lambda image: 1e4 * image, (2,)))
    assert list(warn_of_prior(unlike, network)) == ["p2/e2"]
    warning = capsys.readouterr().err
    assert "1 of 6 images are unlike the training images (p2/e2): on p2/e2, the prior's" in warning
    for flag in ("--temperature", "--mean_scales", "--center"):
        assert flag in warning


def test_weights_without_a_range_do_not_warn(capsys):
    unlike = images_of(Changed(lambda image: 1e4 * image, (2,)))
    assert warn_of_prior(unlike, tiny_network.network()) == {}
    assert capsys.readouterr().err == ""


def test_range_of_the_weights_file_belongs_to_a_run_with_the_same_weights(workdir, evaluated):
    pairs = ((-1e-6, 1e-6),) * 2
    extent = PriorRange(pairs, pairs, 100).to_header()
    path, params = workdir / "weights.safetensors", tiny_network.parameters()
    save_weights(path, params, tiny_network.CONFIG, {"crop": 32}, prior_range=extent)
    code, _, err = evaluated(f"--workdir={workdir}", "--num_samples=1")
    assert code == 0, err
    (result,) = workdir.glob("scores_test*.json")
    unlike = json.loads(result.read_text())["unlike_training"]
    assert all(set(entry) == {"name", "value"} for entry in unlike)


def test_values_of_another_scale_are_warned_of_with_their_number(capsys):
    window = Intensities((20.0,), (180.0,), clip=True)
    warn_of_values(images_of(tiny.Source(NUM_IMAGES), window))
    assert capsys.readouterr().err == ""
    warn_of_values(images_of(Changed(lambda image: image / 255, (0, 5)), window))
    warning = capsys.readouterr().err
    assert "values of 2 of 6 images have another scale than in training (p0/e0, p5/e5)" in warning
    assert "below the training's black (20)" in warning


def test_images_of_one_reason_share_a_line():
    images = [NotScored(f"i{n}", "is empty") for n in range(4)]
    text = not_scored_text([*images, NotScored("other", "is damaged")])
    assert text == (
        "warning: not scored: 5 images\n"
        "  i0, i1, i2 and 1 more (4 images): is empty\n"
        "  other: is damaged"
    )
    many = not_scored_text([NotScored(f"i{n}", f"reason {n}") for n in range(99)])
    assert many.endswith("more lines, in the JSON file of --out")
    assert not_scored_text([]) == ""
