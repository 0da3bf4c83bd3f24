"""Validation images whose logits are not finite: named, not counted, and no end of training."""

import json
import re

import jax
import numpy as np
import optax
import pytest

from hpunet.config.training import LoopConfig
from hpunet.data.dataset import Dataset
from hpunet.data.pipeline import training_batches
from hpunet.data.prepare import RecordSource
from hpunet.training.checkpoint import Checkpoints, LoopState
from hpunet.training.devices import Devices
from hpunet.training.loop import Run
from hpunet.training.metrics_log import read_metrics
from hpunet.training.summary import write_report, write_samples
from hpunet.training.validation import Scorer
from hpunet.weights.file import read
from tests import tiny, tiny_command

pytestmark = pytest.mark.usefixtures("quick_compilation")

NUM_SAMPLES = 2
RATE = optax.constant_schedule(1e-2)


def images_with_nan(*places):
    images = tiny.validation_images(5)
    image = images.image.copy()
    image[list(places)] = np.nan
    return images._replace(image=image)


@pytest.fixture(scope="module")
def scorer():
    return Scorer(tiny.task(), NUM_SAMPLES, 0, Devices(jax.local_devices()[:1]))


@pytest.fixture(scope="module")
def params():
    return tiny.task().init(jax.random.key(0))


def score(scorer, params, images):
    return scorer(Devices(jax.local_devices()[:1]).replicate(params), images)


def test_scores_of_the_other_images_are_those_without_the_failed_one(scorer, params):
    expected = score(scorer, params, tiny.validation_images(5))
    images = images_with_nan(1)
    scored = score(scorer, params, images)
    assert scored.not_scored(images) == ["p1/e1"]
    others = [0, 2, 3, 4]
    for name in ("ged", "hungarian_iou", "reconstruction_iou"):
        values = getattr(scored, name)
        np.testing.assert_array_equal(values[others], getattr(expected, name)[others])
        assert np.isnan(values[1])
        assert scored.means()[name] == values[others].mean()


def test_means_without_any_scored_image_are_nan(scorer, params):
    scored = score(scorer, params, images_with_nan(0, 1, 2, 3, 4))
    assert np.isnan(list(scored.means().values())).all()


@pytest.mark.parametrize(
    ("places", "expected"),
    [((1,), "not scored, .*: p1/e1$"), (range(5), "p0/e0, p1/e1, p2/e2 and 2")],
)
def test_training_continues_and_names_the_images(tmp_path, capsys, scorer, places, expected):
    config = LoopConfig(4, log_every=1, checkpoint_every=2, evaluate_every=2)
    devices = Devices(jax.local_devices()[:1])
    images, optimizer = images_with_nan(*places), optax.adam(RATE)
    run = Run(tiny.task(), optimizer, config, tmp_path, devices, 0, scorer, images, RATE)
    outcome = run.train(training_batches(tiny.Source(), 4, 0, run.step))
    assert int(outcome.state.step) == 4
    lines = [line for line in capsys.readouterr().err.splitlines() if "not scored" in line]
    assert [line.split(":")[0] for line in lines] == ["step 2", "step 4"]
    assert all(re.search(expected, line) for line in lines)
    evaluations = [x for x in read_metrics(tmp_path / "metrics.jsonl") if "val/ged" in x]
    assert [line["val/not_scored"] for line in evaluations] == [len(places)] * 2
    nothing_left = len(places) == 5
    assert all((line["val/ged"] is None) == nothing_left for line in evaluations)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.last_step == 4
    assert (outcome.progress.best_step is None) == nothing_left
    assert outcome.progress.best_not_scored == (0 if nothing_left else len(places))


def test_more_scored_images_are_better_than_a_lower_mean_over_fewer():
    state = LoopState(best_ged=0.5, best_step=2, best_not_scored=1)
    assert state.is_improved_by(0.7, 0)
    assert state.is_improved_by(0.4, 1)
    assert not state.is_improved_by(0.4, 2)
    assert not state.is_improved_by(0.6, 1)
    assert not state.is_improved_by(np.nan, 5)
    assert not LoopState().is_improved_by(np.nan, 5)
    assert LoopState().is_improved_by(0.9, 4)


def report(tmp_path, scorer, params, images):
    dataset = Dataset("squares", "1.0.0", "0123", {"test": tiny.Source(5)})
    scored = score(scorer, params, images)
    text = write_report(tmp_path, dataset, "test", images, scored)
    write_samples(tmp_path, images, scored)
    return text, json.loads((tmp_path / "report.json").read_text())


def test_report_lists_the_images_without_scores(tmp_path, scorer, params):
    text, content = report(tmp_path, scorer, params, images_with_nan(3))
    assert "Split test, 4 images" in text
    assert "not scored, the network's logits are NaN or infinite: p3/e3 (1 in all)" in text
    assert (content["num_images"], content["num_scored"]) == (5, 4)
    assert [entry["name"] for entry in content["not_scored"]] == ["p3/e3"]
    assert np.isfinite(content["ged"])


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("train", "val"), "Split val (there is no test split; the best checkpoint was chosen on"),
        (("train",), "Split train (there is no other split; the network was trained on these"),
    ],
)
def test_report_says_why_it_is_of_another_split(tmp_path, scorer, params, splits, expected):
    images = images_with_nan()
    dataset = Dataset("squares", "1.0.0", "0123", dict.fromkeys(splits, tiny.Source(5)))
    scored = score(scorer, params, images)
    text = write_report(tmp_path, dataset, splits[-1], images, scored)
    assert text.startswith(expected)


def test_report_without_any_score_has_nulls_and_no_figure(tmp_path, scorer, params):
    text, content = report(tmp_path, scorer, params, images_with_nan(*range(5)))
    assert "no image could be scored" in text
    assert content["ged"] is content["hungarian_iou"] is content["reconstruction_iou"] is None
    assert not (tmp_path / "samples.png").exists()


def break_images(monkeypatch, *broken):
    """Makes images of prepared data NaN, each given by its split and index."""
    read = RecordSource.__getitem__

    def changed(self, index):
        example = read(self, index)
        bad = (self._split, index) in broken
        return {**example, "image": example["image"] * np.float32(np.nan if bad else 1)}

    monkeypatch.setattr(RecordSource, "__getitem__", changed)


def test_command_leaves_weights_and_report_and_its_exit_code_is_of_the_report_alone(
    tmp_path, monkeypatch
):
    workdir = tmp_path / "run"
    with monkeypatch.context() as patch:
        break_images(patch, ("val", 0), ("test", 3))
        done = tiny_command.run(workdir, tmp_path / "data", num_steps=4, evaluate_every=2)
    assert done.code == 1, done.stderr
    evaluations = [x for x in read_metrics(workdir / "metrics.jsonl") if "val/ged" in x]
    assert [line["val/not_scored"] for line in evaluations] == [1, 1]
    content = json.loads((workdir / "report.json").read_text())
    assert len(content["not_scored"]) == 1
    assert content["not_scored"][0]["name"] in done.stdout
    assert read(workdir / "weights.safetensors").header.prior_range is not None
    with monkeypatch.context() as patch:
        break_images(patch, ("val", 0))
        again = tiny_command.run(workdir, tmp_path / "data", num_steps=4, evaluate_every=2)
    assert again.code == 0, again.stderr
    assert json.loads((workdir / "report.json").read_text())["not_scored"] == []
