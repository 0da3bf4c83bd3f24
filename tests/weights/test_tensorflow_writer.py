"""How a checkpoint takes the place of another; a stand-in saves it in TensorFlow's stead."""

import types
from pathlib import Path

import numpy as np
import pytest

from hpunet.io.errors import UserError
from hpunet.weights.tensorflow import writer as tensorflow_writer
from hpunet.weights.tensorflow.tensor_bundle import read_bundle
from tests.weights.bundle_writer import write_bundle

OLD, NEW = ({"v": np.full(2, x, np.float32), "w": np.ones(3, np.float32)} for x in (1, 2))
STATE = "checkpoint"


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    module = types.SimpleNamespace(errors=types.SimpleNamespace(OpError=OSError))
    monkeypatch.setattr(tensorflow_writer, "_import_tensorflow", lambda: module)
    monkeypatch.setattr(tensorflow_writer, "_save", lambda _, *given: write_bundle(*given))


@pytest.fixture
def prefix(tmp_path):
    """Of a checkpoint in two data files, which TensorFlow's file beside it names."""
    (tmp_path / STATE).write_text("old")
    return write_bundle(tmp_path / "model.ckpt", OLD, num_shards=2)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_old_checkpoint_is_replaced_and_none_of_its_data_files_stay(prefix):
    tensorflow_writer.write_checkpoint(prefix, NEW)
    names = [STATE, "model.ckpt.data-00000-of-00001", "model.ckpt.index"]
    assert sorted(contents(prefix.parent)) == names
    assert read_bundle(prefix)["v"].tolist() == [2, 2]
    assert '"model.ckpt"' in (prefix.parent / STATE).read_text()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(7))
def test_failure_at_any_move_leaves_the_old_checkpoint(prefix, monkeypatch, error, when, number):
    old = contents(prefix.parent)
    moved = []
    move = Path.replace

    def replace(path, target):
        moved.append(path)
        if len(moved) - 1 != number:
            return move(path, target)
        if when == "after":
            move(path, target)
        raise error

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises((KeyboardInterrupt, UserError)):
        tensorflow_writer.write_checkpoint(prefix, NEW)
    assert contents(prefix.parent) == old


def test_failure_without_an_old_checkpoint_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UserError, match=r"model\.ckpt: cannot be written: No space left"):
        tensorflow_writer.write_checkpoint(tmp_path / "model.ckpt", NEW)
    assert contents(tmp_path) == {}
