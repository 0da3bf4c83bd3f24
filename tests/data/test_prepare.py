"""Preparing a data set: once, whole or not at all, whoever else is at it."""

import errno
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from hpunet.data.prepare import (
    LocalInfo,
    RecordSource,
    encode_png,
    example_features,
    is_whole,
    prepare,
)
from hpunet.io.errors import UserError
from tests.commands import TIME_LIMIT

NUM_EXAMPLES = 5

# A builder for processes of its own: it notes each generation in a file and can die in the middle.
SCRIPT = """
import os, signal, sys, time
import numpy as np
import tensorflow_datasets as tfds
from hpunet.data.prepare import LocalInfo, encode_png, example_features, prepare

class Stripes(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return LocalInfo(builder=self, features=example_features())

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        with open(sys.argv[2], "a") as notes:
            notes.write("generated\\n")
        for index in range(5):
            if sys.argv[3] == "die" and index == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.1 if sys.argv[3] == "slow" else 0)
            pixels = np.full((4, 6), index, np.uint8)
            yield str(index), {"image": encode_png(pixels), "annotations": [encode_png(pixels)],
                               "patient": "p", "name": str(index)}

prepare(Stripes(data_dir=sys.argv[1]))
"""


class Stripes(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    generated = 0
    failure: BaseException | None = None

    def _info(self):
        return LocalInfo(builder=self, features=example_features())

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(), "val": self._generate_examples()}

    def _generate_examples(self):
        type(self).generated += 1
        for index in range(NUM_EXAMPLES):
            if self.failure is not None and index == 3:
                raise self.failure
            image = np.full((4, 6), index, np.uint8)
            masks = [np.eye(4, 6, k=annotator, dtype=np.uint8) * 255 for annotator in range(3)]
            yield (
                str(index),
                {
                    "image": encode_png(image),
                    "annotations": [encode_png(mask) for mask in masks],
                    "patient": f"pätient {index}",
                    "name": f"name {index}",
                },
            )


@pytest.fixture
def stripes(monkeypatch):
    monkeypatch.setattr(Stripes, "generated", 0)
    monkeypatch.setattr(Stripes, "failure", None)
    return Stripes


def leftovers(folder: pathlib.Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if "incomplete" in path.name]


def start(folder: pathlib.Path, notes: pathlib.Path, manner: str) -> subprocess.Popen:
    arguments = [sys.executable, "-c", SCRIPT, str(folder), str(notes), manner]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_was_written_is_read_back(stripes, tmp_path):
    source = RecordSource(prepare(stripes(data_dir=tmp_path)), "train")
    examples = {example["name"]: example for example in (source[i] for i in range(len(source)))}
    assert sorted(examples) == [f"name {index}" for index in range(NUM_EXAMPLES)]
    example = examples["name 2"]
    assert example["patient"] == "pätient 2"
    np.testing.assert_array_equal(example["image"], np.full((4, 6, 1), 2, np.uint8))
    expected = np.stack([np.eye(4, 6, k=annotator, dtype=np.uint8) for annotator in range(3)])
    np.testing.assert_array_equal(example["annotations"], expected)
    assert example["image"].dtype == example["annotations"].dtype == np.uint8


def test_a_second_preparation_generates_nothing(stripes, tmp_path):
    prepare(stripes(data_dir=tmp_path))
    source = RecordSource(prepare(stripes(data_dir=tmp_path)), "val")
    assert stripes.generated == 2  # One for each split.
    assert len(source) == NUM_EXAMPLES


def test_a_builder_made_before_the_records_knows_them_afterwards(stripes, tmp_path):
    early = stripes(data_dir=tmp_path)
    prepare(stripes(data_dir=tmp_path))
    assert len(RecordSource(prepare(early), "train")) == NUM_EXAMPLES
    assert stripes.generated == 2


def test_a_source_reads_the_same_after_pickling(stripes, tmp_path):
    source = RecordSource(prepare(stripes(data_dir=tmp_path)), "train")
    first = source[1]
    copy = pickle.loads(pickle.dumps(source))
    assert copy[1]["name"] == first["name"]
    assert copy[-1]["name"] == source[NUM_EXAMPLES - 1]["name"]
    with pytest.raises(IndexError, match="example 5 of 5"):
        copy[NUM_EXAMPLES]


def test_no_temporary_folder_is_left_behind(stripes, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    prepare(stripes(data_dir=tmp_path / "prepared"))
    assert not list((tmp_path / "temporary").iterdir())


def test_preparing_prints_nothing(stripes, tmp_path, capfd):
    RecordSource(prepare(stripes(data_dir=tmp_path)), "train")[0]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("failure", [UserError("z.png: is bad"), KeyboardInterrupt()])
def test_a_failed_preparation_leaves_nothing(stripes, tmp_path, monkeypatch, failure):
    monkeypatch.setattr(stripes, "failure", failure)
    with pytest.raises(type(failure)):
        prepare(stripes(data_dir=tmp_path))
    assert not leftovers(tmp_path)
    assert not is_whole(tmp_path / "stripes" / "1.0.0")
    monkeypatch.setattr(stripes, "failure", None)
    assert len(RecordSource(prepare(stripes(data_dir=tmp_path)), "train")) == NUM_EXAMPLES


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError(f"write() failed: {os.strerror(errno.ENOSPC)}; Failed to close chunk_writer"),
    ],
    ids=["python", "array_record"],
)
def test_a_full_disk_is_named_in_one_line(stripes, tmp_path, monkeypatch, failure):
    monkeypatch.setattr(stripes, "failure", failure)
    with pytest.raises(UserError, match=r"stripes/1\.0\.0: .*disk is full$"):
        prepare(stripes(data_dir=tmp_path))


def test_a_folder_that_cannot_be_written_is_named_in_one_line(stripes, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^\S*/file\S*: cannot be written: [^\n]*$"):
        prepare(stripes(data_dir=tmp_path / "file"))


@pytest.mark.parametrize("lost", ["stripes-val.array_record-00000-of-00001", "dataset_info.json"])
def test_a_copy_with_a_file_missing_is_prepared_again(stripes, tmp_path, lost):
    prepare(stripes(data_dir=tmp_path))
    (tmp_path / "stripes" / "1.0.0" / lost).unlink()
    source = RecordSource(prepare(stripes(data_dir=tmp_path)), "val")
    assert source[0]["image"].shape == (4, 6, 1)
    assert stripes.generated == 4


@pytest.mark.parametrize("contents", ["[]", "3", '{"name": "a", "splits": 3}', '{"splits": [1]}'])
def test_a_description_of_something_else_is_not_taken_for_whole(tmp_path, contents):
    (tmp_path / "dataset_info.json").write_text(contents)
    assert not is_whole(tmp_path)


def test_an_emptied_file_is_not_taken_for_whole(stripes, tmp_path):
    prepare(stripes(data_dir=tmp_path))
    folder = tmp_path / "stripes" / "1.0.0"
    assert is_whole(folder)
    (folder / "stripes-val.array_record-00000-of-00001").write_bytes(b"")
    assert not is_whole(folder)


def test_a_killed_preparation_is_cleared_away_and_done_again(stripes, tmp_path):
    process = start(tmp_path, tmp_path / "notes", "die")
    process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == -signal.SIGKILL
    assert leftovers(tmp_path)
    assert len(RecordSource(prepare(stripes(data_dir=tmp_path)), "train")) == NUM_EXAMPLES
    assert not leftovers(tmp_path)


def test_of_two_preparations_at_once_one_works_and_the_other_waits(tmp_path):
    notes = tmp_path / "notes"
    processes = [start(tmp_path, notes, "slow") for _ in range(2)]
    for process in processes:
        output = process.communicate(timeout=TIME_LIMIT)
        assert (process.returncode, *output) == (0, "", "")
    assert notes.read_text() == "generated\n"
    assert is_whole(tmp_path / "stripes" / "1.0.0")
