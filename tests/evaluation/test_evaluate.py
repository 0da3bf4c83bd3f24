"""The evaluate command: what it leaves, and what it says of mistakes."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from hpunet import metrics
from hpunet.cli import command
from hpunet.config import settings as config
from hpunet.config.files import config_of_run
from hpunet.data.open import open_data
from hpunet.evaluation.store import PredictionStore
from hpunet.training import devices
from hpunet.weights.file import save_weights
from hpunet.weights.published import load

pytestmark = pytest.mark.usefixtures("quick_compilation", "coarse_figures")
NUM_IMAGES = 10
IN_ASCII = {**os.environ, "PYTHONIOENCODING": "ascii"}


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


def read_folders(folder, num_images=3):
    for index in range(num_images):
        roles = ("predictions", "annotations")
        yield {role: np.load(folder / role / f"p0{index}" / "a.npz") for role in roles}


def test_workdir_leaves_a_result_that_says_all_of_itself(workdir, evaluated):
    code, out, _ = evaluated(f"--workdir={workdir}", "--num_samples=1,2")
    assert code == 0
    values = read(workdir / "scores_test_num_samples_1-2.json")
    assert values["data"]["name"] == "synthetic"
    assert values["data"]["split"] == "test"
    assert values["data"]["whole_split"]
    assert len(values["data"]["checksum"]) == 64
    assert len(values["network"]["checksum"]) == 64
    assert values["network"]["settings"]["latent_dims"] == [1, 1]
    assert values["sampling"] == {"seed": 0, "platform": "cpu"}
    assert values["num_samples"] == [1, 2]
    assert values["groups"]["all"]["num_images"] == NUM_IMAGES
    assert set(values["groups"]["all"]["num_samples"]) == {"1", "2"}
    assert values["truth"]["num_samples"] == 2
    assert values["made_with"]["packages"]["jax"] == jax.__version__
    assert (workdir / "scores_test_num_samples_1-2.csv").read_text().count(
        "\n"
    ) == 1 + 2 * NUM_IMAGES
    for info in metrics.SCORES.values():
        assert info.label in out
    assert [path for path in workdir.iterdir() if "partial" in path.name] == []


def test_number_of_devices_changes_no_digit(workdir, evaluated, monkeypatch):
    results, all_devices = [], devices.Devices
    for num_devices in (1, 4):
        few = jax.devices()[:num_devices]
        monkeypatch.setattr(devices, "Devices", lambda few=few: all_devices(few))
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

    kept_write = PredictionStore.write
    monkeypatch.setattr(PredictionStore, "write", write)
    assert evaluated(*words)[0] == command.INTERRUPTED
    assert not (workdir / "scores.json").exists()
    assert not (workdir / "scores.csv").exists()
    written.clear()
    monkeypatch.setattr(PredictionStore, "write", lambda *a: (written.append(a[1]), kept_write(*a)))
    assert evaluated(*words)[0] == 0
    # Four of them were a whole unit, the fifth is drawn again with its own.
    assert len(written) == NUM_IMAGES - 4
    assert read(workdir / "scores.json") == whole


@pytest.mark.parametrize("header", [{"crop": 32}, {}], ids=["crop", "no crop"])
def test_weights_file_gives_the_scores_of_its_workdir(workdir, evaluated, tmp_path, header):
    path = tmp_path / "weights.safetensors"
    model, params = load(workdir / "weights.safetensors")
    save_weights(path, params, model.config, header)
    own = tmp_path / "own.json"
    evaluated(f"--workdir={workdir}", "--num_samples=2", f"--out={own}")
    data = {k: v for k, v in read(workdir / "config.json").items() if k.startswith("data.s")}
    data["data.prepared_dir"] = read(workdir / "config.json")["data.prepared_dir"]
    code, *_ = evaluated(
        f"--weights={path}",
        "--config=synthetic",
        *(f"--config.{name}={value}" for name, value in data.items()),
        f"--out={tmp_path / 'of_weights.json'}",
        "--num_samples=2",
    )
    assert code == 0
    assert scores_of(read(tmp_path / "of_weights.json")) == scores_of(read(own))


def test_predictions_of_any_tool_are_scored_by_the_same_code(evaluated, tmp_path):
    folders = write_folders(tmp_path)
    code, out, _ = evaluated(*folders, f"--out={tmp_path / 'scores.json'}")
    assert code == 0
    assert "predictions against annotations\n3 images of 3 patients; annotators per image: 2" in out
    values = read(tmp_path / "scores.json")
    # Of the usual numbers those that there are.
    assert set(values["groups"]["all"]["num_samples"]) == {"1", "4"}
    assert len(values["predictions"]["checksum"]) == len(values["data"]["checksum"]) == 64
    expected = np.mean(
        [
            metrics.ged(
                arrays["predictions"]["samples"][:, None],
                arrays["annotations"]["annotations"][:, None],
            )
            for arrays in read_folders(tmp_path)
        ]
    )
    found = values["groups"]["all"]["num_samples"]["4"]["ged"]
    assert found["value"] == pytest.approx(expected)
    assert found["num_patients"] == 3


def test_saved_predictions_score_the_same_when_read_again(workdir, evaluated, tmp_path):
    evaluated(f"--workdir={workdir}", "--num_samples=2", f"--save_predictions={tmp_path / 'kept'}")
    own = read(workdir / "scores_test_num_samples_2.json")
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
    return open_data(settings).splits["test"]


def test_result_is_kept_though_its_table_cannot_be_printed(workdir, tmp_path):
    words = [sys.executable, "-m", "hpunet.evaluate", f"--workdir={workdir}", "--num_samples=1"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        words, stdout=write_end, stderr=subprocess.PIPE, env=IN_ASCII, text=True, check=False
    )
    os.close(write_end)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (workdir / "scores_test_num_samples_1.json").is_file()


def test_quick_look_leaves_the_whole_result_alone(workdir, evaluated):
    evaluated(f"--workdir={workdir}", "--num_samples=1")
    whole = workdir / "scores_test_num_samples_1.json"
    before = whole.read_bytes()
    evaluated(f"--workdir={workdir}", "--num_samples=1", "--num_images=2", "--seed=3")
    assert whole.read_bytes() == before
    assert "truth" not in read(workdir / "scores_test_num_images_2_num_samples_1_seed_3.json")
    look = read(workdir / "scores_test_num_images_2_num_samples_1_seed_3.json")
    assert not look["data"]["whole_split"]
    assert look["groups"]["all"]["num_images"] == 2


def test_figures_are_written_in_both_formats(workdir, evaluated, tmp_path):
    code, out, _ = evaluated(
        f"--workdir={workdir}", "--num_samples=1,2", f"--figures={tmp_path / 'figures'}"
    )
    assert code == 0
    assert f"figures: {tmp_path / 'figures'}" in out
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    both = ("samples", "ranked", "ged_by_samples", "calibration", "course", "scales")
    assert names == {f"{name}.{kind}" for name in both for kind in ("png", "pdf")} | {"scales.gif"}


@pytest.mark.parametrize("lines", ["", '{"step": 1, "learning_rate": 0.1}\n', '{"step": 1'])
def test_one_image_and_a_log_without_losses_have_their_figures(workdir, evaluated, tmp_path, lines):
    (workdir / "metrics.jsonl").write_text(lines)
    words = ("--num_samples=1", "--num_images=1", f"--figures={tmp_path / 'figures'}")
    code, *_ = evaluated(f"--workdir={workdir}", *words)
    assert code == 0
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert names == {"samples", "ranked", "ged_by_samples", "calibration", "scales"}


def test_folders_without_pictures_have_figures_of_masks(evaluated, tmp_path):
    code, *_ = evaluated(*write_folders(tmp_path), f"--figures={tmp_path / 'figures'}")
    assert code == 0
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert names == {"samples", "ranked", "ged_by_samples", "calibration"}


def test_central_part_of_folders_is_scored(evaluated, tmp_path):
    folders = write_folders(tmp_path)
    out = tmp_path / "scores.json"
    assert evaluated(*folders, "--crop=4", "--num_samples=4", f"--out={out}")[0] == 0
    values = read(out)
    assert values["reading"]["crop"] == 4
    expected = np.mean(
        [
            metrics.ged(
                arrays["predictions"]["samples"][:, None, 2:6, 2:6],
                arrays["annotations"]["annotations"][:, None, 2:6, 2:6],
            )
            for arrays in read_folders(tmp_path)
        ]
    )
    assert values["groups"]["all"]["num_samples"]["4"]["ged"]["value"] == pytest.approx(expected)


def test_flat_folders_are_warned_of_because_patients_are_unknown(evaluated, tmp_path):
    for role, array in (("predictions", "samples"), ("annotations", "annotations")):
        (tmp_path / role).mkdir()
        for name in "ab":
            np.savez(tmp_path / role / f"{name}.npz", **{array: np.ones((2, 4, 4), np.uint8)})
    _, out, _ = evaluated(
        f"--predictions={tmp_path / 'predictions'}", f"--annotations={tmp_path / 'annotations'}"
    )
    assert "warning: the patients are unknown" in out


def test_data_that_a_run_did_not_learn_from_are_warned_of(workdir, evaluated):
    values = read(workdir / "config.json")
    (workdir / "config.json").write_text(json.dumps({**values, "data.checksum": "0123"}))
    _, _, err = evaluated(f"--workdir={workdir}", "--num_samples=1", "--num_images=1")
    assert "warning: the network was trained on data with the checksum 0123" in err


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
    assert "warning: not compared with published scores\n  - not the published test split" in out
