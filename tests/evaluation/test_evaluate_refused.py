"""A user's mistake ends in one line on stderr and exit code 2, and leaves nothing behind."""

import dataclasses
import json

import numpy as np
import pytest

from hpunet.weights.file import save_weights
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["exactly one of --workdir, --weights and --predictions"]),
        (["--workdir=a", "--weights=b"], ["--workdir and --weights"]),
        (["--workdir=nowhere"], ["--workdir=nowhere", "config.json is missing"]),
        (["--workdir=a", "--annotations=b"], ["--annotations", "--predictions only"]),
        (["--predictions=a"], ["--annotations is missing"]),
        (["--predictions=a", "--annotations=b"], ["--predictions=a"]),
        (
            ["--predictions=a", "--annotations=b", "--split=val"],
            ["--split", "not allowed with --predictions"],
        ),
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
        (["--workdir=a", "--crop=4"], ["--crop", "--predictions only"]),
        (
            ["--predictions=a", "--annotations=b", "--config=lidc"],
            ["data.name=lidc", "allowed with --predictions is folder"],
        ),
        (
            ["--predictions=a", "--annotations=b", "--config.data.crop=4"],
            ["--config.data.crop", "not allowed with --predictions"],
        ),
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
        (tiny_network.CONFIG, 3, 32, "takes images of 3 channels"),
        (
            tiny_network.CONFIG,
            1,
            64,
            "crops of 64 x 64 pixels (height x width), --config has data.crop=32",
        ),
        (dataclasses.replace(tiny_network.CONFIG, num_classes=3), 1, 32, "3 classes"),
        (tiny_network.CONFIG, 1, "32", "crop='32'"),
        (tiny_network.CONFIG, 1, 30, "30"),
    ],
    ids=["channels", "size", "classes", "text as crop", "crop"],
)
def test_weights_whose_network_does_not_fit_are_refused(
    refused, workdir, tmp_path, network, channels, crop, part
):
    path = tmp_path / "other.safetensors"
    params = tiny_network.parameters(network, channels=channels)
    save_weights(path, params, network, {"crop": crop})
    data = {
        k: v
        for k, v in json.loads((workdir / "config.json").read_text()).items()
        if k.startswith("data.s")
    }
    data["data.prepared_dir"] = json.loads((workdir / "config.json").read_text())[
        "data.prepared_dir"
    ]
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


def test_class_that_the_network_does_not_have_is_refused(refused, workdir):
    message = refused(f"--workdir={workdir}", "--classes=1,2")
    assert "--classes=1,2: there are 2 classes, allowed are 0 to 1" in message


@pytest.fixture
def folders(tmp_path):
    for role, array in (("predictions", "samples"), ("annotations", "annotations")):
        (tmp_path / role).mkdir()
        np.savez(tmp_path / role / "a.npz", **{array: np.ones((2, 4, 4), np.uint8)})
    return [f"--{role}={tmp_path / role}" for role in ("predictions", "annotations")]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--classes=2"], "--classes=2: there are 2 classes"),
        (["--num_samples=1,3"], "--num_samples=3: allowed is up to 2"),
        (["--crop=5"], "--crop=5: "),
        (["--figures=FILE"], "is not a writable folder"),
        (["--out=FILE/scores.json"], "is not a writable folder"),
    ],
)
def test_folders_that_do_not_fit_what_is_asked_are_refused(refused, folders, tmp_path, words, part):
    (tmp_path / "file").write_text("mine")
    message = refused(*folders, *(word.replace("FILE", str(tmp_path / "file")) for word in words))
    assert part in message
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("annotations", "file", "predictions")
    ]


def test_file_that_is_no_result_is_not_replaced(refused, workdir):
    before = (workdir / "config.json").read_bytes()
    message = refused(f"--workdir={workdir}", f"--out={workdir / 'config.json'}")
    assert "it holds something else" in message
    assert (workdir / "config.json").read_bytes() == before


def test_workdir_that_cannot_be_written_to_is_refused_before_anything_is_drawn(
    refused, workdir, tmp_path, monkeypatch
):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert f"--workdir={workdir}" in refused(f"--workdir={workdir}")
