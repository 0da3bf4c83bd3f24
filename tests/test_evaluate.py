"""The evaluate command: what it leaves, and what it says of mistakes."""

import dataclasses
import json
import shutil
import sys

import jax
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from hpunet import command, config, evaluate, metrics
from hpunet.config_file import config_of_run
from hpunet.data.open import open_dataset
from hpunet.evaluation import judged
from hpunet.evaluation.store import Store
from hpunet.training.devices import Devices
from hpunet.weights.file import save_weights
from tests.evaluation import judging

NUM_IMAGES = 10


@pytest.fixture(scope="module", autouse=True)
def _quick(quick_compilation):
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run's folder; its data are prepared at the first use."""
    folder = tmp_path_factory.mktemp("trained")
    return judging.write_workdir(folder / "run", folder / "prepared", NUM_IMAGES)


@pytest.fixture
def workdir(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def evaluated(monkeypatch, capsys):
    """Runs the command and gives exit code, stdout and stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["hpunet.evaluate", *map(str, words)])
        with flagsaver.flagsaver(), pytest.raises(SystemExit) as stopped:
            command.run(evaluate.main)
        flags.FLAGS.mark_as_parsed()
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


@pytest.fixture
def refused(evaluated):
    """Runs the command on a mistake and gives the one line that it prints."""

    def run(*words):
        code, out, err = evaluated(*words)
        assert code == command.USER_ERROR
        assert out == ""
        assert len(err.splitlines()) == 1, err
        return err

    return run


def read(path):
    return json.loads(path.read_text())


def scores_of(values):
    return {key: values[key] for key in ("groups", "calibration", "modes", "truth")}


def write_folders(folder, num_images=3, num_samples=4, patient="p0"):
    """Predictions and annotations of another tool, as npz."""
    rng = np.random.default_rng(0)
    for index in range(num_images):
        for role, array in (("predictions", "samples"), ("annotations", "annotations")):
            count = num_samples if array == "samples" else 2
            masks = rng.integers(0, 2, (count, 8, 8), dtype=np.uint8)
            path = folder / role / f"{patient}{index}" / "a.npz"
            path.parent.mkdir(parents=True)
            np.savez(path, **{array: masks})
    return f"--predictions={folder / 'predictions'}", f"--annotations={folder / 'annotations'}"


def test_workdir_leaves_a_result_that_says_all_of_itself(workdir, evaluated):
    code, out, _ = evaluated(f"--workdir={workdir}", "--num_samples=1,2")
    assert code == 0
    values = read(workdir / "scores_test.json")
    assert values["data"]["name"] == "synthetic"
    assert values["data"]["split"] == "test"
    assert values["data"]["whole_split"]
    assert len(values["data"]["checksum"]) == 64
    assert len(values["network"]["checksum"]) == 64
    assert values["network"]["settings"]["latent_dims"] == [1, 1]
    assert values["sampling"] == {"seed": 0, "num_samples": [1, 2], "platform": "cpu"}
    assert values["groups"]["all"]["num_images"] == NUM_IMAGES
    assert set(values["groups"]["all"]["num_samples"]) == {"1", "2"}
    assert values["truth"]["num_samples"] == 2
    assert values["made_with"]["packages"]["jax"] == jax.__version__
    assert (workdir / "scores_test.csv").read_text().count("\n") == 1 + 2 * NUM_IMAGES
    for info in metrics.SCORES.values():
        assert info.label in out
    assert not (workdir / "scores_test.partial").exists()


def test_number_of_devices_changes_no_digit(workdir, evaluated, monkeypatch):
    results = []
    for num_devices in (1, 4):
        few = jax.devices()[:num_devices]
        monkeypatch.setattr(judged, "Devices", lambda few=few: Devices(few))
        out = workdir / f"on_{num_devices}.json"
        evaluated(f"--workdir={workdir}", f"--out={out}", "--num_samples=3")
        results.append(scores_of(read(out)))
    assert results[0] == results[1]


def test_stopped_halfway_it_leaves_no_result_and_goes_on_to_the_same(
    workdir, evaluated, monkeypatch
):
    words = (f"--workdir={workdir}", "--num_samples=1,2", f"--out={workdir / 'scores.json'}")
    evaluated(*words)
    whole = read(workdir / "scores.json")
    (workdir / "scores.json").unlink()
    (workdir / "scores.csv").unlink()

    written = []

    def write(self, name, *arrays):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(name)
        return kept_write(self, name, *arrays)

    kept_write = Store.write
    monkeypatch.setattr(Store, "write", write)
    assert evaluated(*words)[0] == command.INTERRUPTED
    assert not (workdir / "scores.json").exists()
    assert not (workdir / "scores.csv").exists()
    written.clear()
    monkeypatch.setattr(Store, "write", lambda *a: (written.append(a[1]), kept_write(*a)))
    assert evaluated(*words)[0] == 0
    # Four of them were a whole unit, the fifth is drawn again with its own.
    assert len(written) == NUM_IMAGES - 4
    assert read(workdir / "scores.json") == whole


def test_weights_file_gives_the_scores_of_its_workdir(workdir, evaluated, tmp_path):
    evaluated(f"--workdir={workdir}", "--num_samples=2")
    data = {k: v for k, v in read(workdir / "config.json").items() if k.startswith("data.s")}
    data["data.prepared_dir"] = read(workdir / "config.json")["data.prepared_dir"]
    code, *_ = evaluated(
        f"--weights={workdir / 'weights.safetensors'}",
        "--config=synthetic",
        *(f"--config.{name}={value}" for name, value in data.items()),
        f"--out={tmp_path / 'of_weights.json'}",
        "--num_samples=2",
    )
    assert code == 0
    expected = scores_of(read(workdir / "scores_test.json"))
    assert scores_of(read(tmp_path / "of_weights.json")) == expected


def test_predictions_of_any_tool_are_scored_by_the_same_code(evaluated, tmp_path):
    folders = write_folders(tmp_path)
    code, out, _ = evaluated(*folders, f"--out={tmp_path / 'scores.json'}")
    assert code == 0
    assert "GED²" in out
    values = read(tmp_path / "scores.json")
    # Of the usual numbers those that there are.
    assert set(values["groups"]["all"]["num_samples"]) == {"1", "4"}
    assert len(values["predictions"]["checksum"]) == len(values["data"]["checksum"]) == 64
    expected = np.mean(
        [
            metrics.ged(
                np.load(tmp_path / "predictions" / f"p0{i}" / "a.npz")["samples"][:, None],
                np.load(tmp_path / "annotations" / f"p0{i}" / "a.npz")["annotations"][:, None],
            )
            for i in range(3)
        ]
    )
    found = values["groups"]["all"]["num_samples"]["4"]["ged"]
    assert found["value"] == pytest.approx(expected)
    assert found["num_patients"] == 3


def test_saved_predictions_score_the_same_when_read_again(workdir, evaluated, tmp_path):
    evaluated(f"--workdir={workdir}", "--num_samples=2", f"--save_predictions={tmp_path / 'kept'}")
    own = read(workdir / "scores_test.json")
    annotations = tmp_path / "annotations"
    source = source_of(workdir)
    for index in range(NUM_IMAGES):
        example = source[index]
        path = annotations / example["patient"] / f"{example['name']}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, annotations=example["annotations"])
    out = tmp_path / "again.json"
    words = (f"--predictions={tmp_path / 'kept'}", f"--annotations={annotations}", f"--out={out}")
    assert evaluated(*words)[0] == 0
    found = read(out)["groups"]["all"]["num_samples"]["2"]
    expected = own["groups"]["all"]["num_samples"]["2"]
    assert {n: e["value"] for n, e in found.items()} == pytest.approx(
        {n: e["value"] for n, e in expected.items()}
    )


def source_of(workdir):
    settings = config.settings_of(config_of_run(workdir / "config.json"))
    return open_dataset("synthetic", None, settings.prepared_dir, 32, settings.synthetic).splits[
        "test"
    ]


def test_figures_are_written_in_both_formats(workdir, evaluated, tmp_path):
    code, out, _ = evaluated(
        f"--workdir={workdir}", "--num_samples=1,2", f"--figures={tmp_path / 'figures'}"
    )
    assert code == 0
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    both = ("samples", "ranked", "ged_by_samples", "calibration", "course", "scales")
    assert names == {f"{name}.{kind}" for name in both for kind in ("png", "pdf")} | {"scales.gif"}
    for name in names:
        assert name in out


def test_folders_without_pictures_have_figures_of_masks(evaluated, tmp_path):
    code, *_ = evaluated(*write_folders(tmp_path), f"--figures={tmp_path / 'figures'}")
    assert code == 0
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert names == {"samples", "ranked", "ged_by_samples", "calibration"}


def test_flat_folders_are_warned_of_because_patients_are_unknown(evaluated, tmp_path):
    for role, array in (("predictions", "samples"), ("annotations", "annotations")):
        (tmp_path / role).mkdir()
        for name in "ab":
            np.savez(tmp_path / role / f"{name}.npz", **{array: np.ones((2, 4, 4), np.uint8)})
    _, _, err = evaluated(
        f"--predictions={tmp_path / 'predictions'}", f"--annotations={tmp_path / 'annotations'}"
    )
    assert "warning: images are in no folders of patients" in err


def test_data_that_a_run_did_not_learn_from_are_warned_of(workdir, evaluated):
    values = read(workdir / "config.json")
    (workdir / "config.json").write_text(json.dumps({**values, "data.checksum": "0123"}))
    _, _, err = evaluated(f"--workdir={workdir}", "--num_samples=1", "--num_images=1")
    assert "warning: the run learned from other data, checksum 0123" in err


def test_saved_predictions_of_another_seed_are_refused_and_kept(workdir, evaluated, tmp_path):
    words = (f"--workdir={workdir}", "--num_samples=1", f"--save_predictions={tmp_path / 'kept'}")
    evaluated(*words)
    before = sorted((tmp_path / "kept").rglob("*.npz"))
    code, _, err = evaluated(*words, "--seed=1")
    assert code == command.USER_ERROR
    assert "holds something else" in err
    assert sorted((tmp_path / "kept").rglob("*.npz")) == before


def test_benchmark_that_is_not_the_published_split_is_warned_of(evaluated, tmp_path):
    _, out, _ = evaluated(*write_folders(tmp_path), "--benchmark=lidc_v2", "--num_samples=4")
    assert "warning: not set beside published scores: not the published test split" in out


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["exactly one of --workdir, --weights and --predictions"]),
        (["--workdir=a", "--weights=b"], ["--workdir and --weights"]),
        (["--workdir=nowhere"], ["--workdir=nowhere", "config.json is missing"]),
        (["--workdir=a", "--annotations=b"], ["--annotations", "--predictions only"]),
        (["--predictions=a"], ["--annotations is missing"]),
        (["--predictions=a", "--annotations=b"], ["--predictions=a"]),
        (["--predictions=a", "--annotations=b", "--split=val"], ["--split", "as they are"]),
        (["--weights=a"], ["--out is missing"]),
        (["--weights=a", "--out=a.json"], ["--config is missing"]),
        (["--weights=a", "--out=a.json", "--config=synthetic"], ["a: "]),
        (["--weights=a", "--out=a.csv"], ["--out=a.csv", ".json"]),
        (["--weights=a", "--out=a.json", "--checkpoint=last"], ["--checkpoint", "--workdir only"]),
        (["--workdir=a", "--checkpoint=first"], ["--checkpoint=first", "best, last"]),
        (["--workdir=a", "--split=tset"], ["--split=tset", "train, val, test"]),
        (["--workdir=a", "--num_samples=1,x"], ["--num_samples=1,x", "whole numbers from 1"]),
        (["--workdir=a", "--num_samples=0"], ["--num_samples=0"]),
        (["--workdir=a", "--classes=-1"], ["--classes=-1", "whole numbers from 0"]),
        (["--workdir=a", "--benchmark=lidc"], ["--benchmark=lidc", "lidc_v1"]),
        (["--workdir=a", "--num_images=0"], ["--num_images=0"]),
    ],
    ids=lambda value: " ".join(value) if not value or value[0].startswith("--") else "",
)
def test_mistaken_word_is_named_with_what_is_allowed(refused, words, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refused(*words)
    for part in parts:
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_key_of_the_network_cannot_be_changed(refused, workdir):
    message = refused(f"--workdir={workdir}", "--config.model.num_classes=3")
    assert "config.model.num_classes" in message
    assert "data.*" in message


def test_missing_checkpoint_is_refused_with_those_there_are(refused, workdir):
    message = refused(f"--workdir={workdir}", "--checkpoint=7")
    assert "--checkpoint=7" in message
    assert "none" in message


@pytest.mark.parametrize(
    ("network", "channels", "crop", "part"),
    [
        (judging.CONFIG, 3, 32, "takes images of 3 channels"),
        (judging.CONFIG, 1, 64, "crops of 64 x 64"),
        (dataclasses.replace(judging.CONFIG, num_classes=3), 1, 32, "3 classes"),
        (judging.CONFIG, 1, None, "crop=None"),
        (judging.CONFIG, 1, 30, "30"),
    ],
    ids=["channels", "size", "classes", "no crop", "crop"],
)
def test_weights_whose_network_does_not_fit_are_refused(
    refused, workdir, tmp_path, network, channels, crop, part
):
    path = tmp_path / "other.safetensors"
    params = judging.parameters(network, channels=channels)
    save_weights(path, params, network, {} if crop is None else {"crop": crop})
    data = {k: v for k, v in read(workdir / "config.json").items() if k.startswith("data.s")}
    data["data.prepared_dir"] = read(workdir / "config.json")["data.prepared_dir"]
    message = refused(
        f"--weights={path}",
        "--config=synthetic",
        *(f"--config.{name}={value}" for name, value in data.items()),
        f"--out={tmp_path / 'scores.json'}",
    )
    assert str(path) in message
    assert part in message
    assert not (tmp_path / "scores.json").exists()
    assert not (tmp_path / "scores.partial").exists()
