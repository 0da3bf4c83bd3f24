import os
import shutil

import numpy as np
import pytest

from hpunet.evaluation.store import PredictionStore
from hpunet.io.errors import UserError

SAMPLES = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
REBUILT = SAMPLES[:1]


def test_predictions_come_back_as_written(tmp_path):
    PredictionStore(tmp_path / "kept", {"seed": 0}).write("p1/z-1", SAMPLES, REBUILT)
    store = PredictionStore(tmp_path / "kept", {"seed": 0})
    assert "p1/z-1" in store
    assert "p1/z-2" not in store
    samples, rebuilt = store.read("p1/z-1")
    assert (samples == SAMPLES).all()
    assert (rebuilt == REBUILT).all()


def test_predictions_without_reconstructions_come_back_without(tmp_path):
    store = PredictionStore(tmp_path / "kept", {})
    store.write("z-1", SAMPLES, None)
    samples, rebuilt = store.read("z-1")
    assert (samples == SAMPLES).all()
    assert rebuilt is None


def test_predictions_of_something_else_are_removed_where_they_may_be(tmp_path):
    PredictionStore(tmp_path / "kept", {"seed": 0}).write("z-1", SAMPLES, REBUILT)
    assert "z-1" not in PredictionStore(tmp_path / "kept", {"seed": 1}, may_replace=True)
    assert not (tmp_path / "kept" / "z-1.npz").exists()


def test_predictions_of_something_else_are_refused_and_kept_where_they_are_to_stay(tmp_path):
    PredictionStore(tmp_path / "kept", {"seed": 0}).write("z-1", SAMPLES, REBUILT)
    with pytest.raises(UserError, match="holds something else"):
        PredictionStore(tmp_path / "kept", {"seed": 1})
    assert "z-1" in PredictionStore(tmp_path / "kept", {"seed": 0})


def test_prediction_whose_writing_was_cut_short_is_not_there(tmp_path, monkeypatch):
    store = PredictionStore(tmp_path / "kept", {})

    def stop(*paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        store.write("z-1", SAMPLES, REBUILT)
    assert "z-1" not in store


@pytest.mark.parametrize("may_replace", [False, True])
def test_folder_of_something_else_is_refused_and_kept(tmp_path, may_replace):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("all of it")
    with pytest.raises(UserError, match="holds something else"):
        PredictionStore(folder, {}, may_replace=may_replace)
    assert (folder / "thesis.txt").read_text() == "all of it"


def test_damaged_prediction_is_named(tmp_path):
    store = PredictionStore(tmp_path / "kept", {})
    (tmp_path / "kept" / "z-1.npz").write_bytes(b"PK\3\4 no more")
    with pytest.raises(UserError, match=r"z-1\.npz: not a readable npz file"):
        store.read("z-1")


@pytest.mark.parametrize("may_replace", [False, True])
def test_store_whose_start_was_cut_short_is_started_again(tmp_path, may_replace):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "made_of.json.part").write_text('{"se')
    store = PredictionStore(tmp_path / "kept", {"seed": 0}, may_replace=may_replace)
    store.write("z-1", SAMPLES, REBUILT)
    assert "z-1" in PredictionStore(tmp_path / "kept", {"seed": 0})


def test_removal_that_was_cut_short_is_no_hindrance_and_is_finished(tmp_path, monkeypatch):
    store = PredictionStore(tmp_path / "kept", {"seed": 0})
    store.write("z-1", SAMPLES, REBUILT)

    def stop(folder, ignore_errors=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            store.remove()
    assert "z-1" not in PredictionStore(tmp_path / "kept", {"seed": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_removed_store_leaves_nothing(tmp_path):
    store = PredictionStore(tmp_path / "kept", {})
    store.write("p/z-1", SAMPLES, REBUILT)
    store.remove()
    assert not (tmp_path / "kept").exists()
