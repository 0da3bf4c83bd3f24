"""Which files are skipped, and which errors of libraries become one line."""

import zlib

import numpy as np
import pytest
from PIL import Image

from hpunet.config.data import FolderConfig
from hpunet.data.folder.listing import list_folder
from hpunet.data.lidc.source import load_split
from hpunet.evaluation.folders.files import ANNOTATIONS, list_masks
from hpunet.imaging.formats import READERS, open_file, suffix_of
from hpunet.imaging.read import find_volumes
from hpunet.imaging.reading import reading
from hpunet.io.errors import UserError
from hpunet.io.listing import is_stray

STRAY = [".hidden.png", ".DS_Store", "Thumbs.db", "desktop.ini", ".git/a.png", "__MACOSX/a.png"]


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.fromarray(np.eye(3, dtype=np.uint8)).save(file, "png")


def test_hidden_files_and_those_of_operating_systems_are_stray():
    assert all(map(is_stray, [".a.png", ".git", "Thumbs.db", "desktop.ini", "__MACOSX"]))
    assert not any(map(is_stray, ["a.png", "thumbs", "a.ini", "MACOSX"]))


def test_every_search_of_a_folder_skips_stray_files(tmp_path):
    names = [f"{top}/{name}" for top in ("images", "gt", "annotations") for name in STRAY]
    for name in (*names, "images/x.png", "annotations/x_a0.png", "gt/x_l0.png"):
        save(tmp_path / name)
    found = find_volumes([tmp_path / "images"])
    assert [volume.name for volume in found.volumes] == ["x"]
    assert found.left_out == []
    listing = list_folder(str(tmp_path), str(tmp_path / "prepared"), FolderConfig())
    assert [entry.name for entry in listing.entries] == ["x"]
    assert listing.others == []
    assert list(list_masks(tmp_path / "annotations", ANNOTATIONS)) == ["x"]
    assert set(load_split("train", tmp_path).contents) == {"images/x.png", "gt/x_l0.png"}


def test_a_file_of_an_unknown_format_is_refused_with_those_that_are_read(tmp_path):
    (tmp_path / "a.mha").write_text("ObjectType = Image")
    with pytest.raises(UserError, match=r"a\.mha: unknown format; allowed are \.png, \.tif"):
        open_file(tmp_path / "a.mha")


@pytest.mark.parametrize("suffix", READERS)
def test_suffixes_are_known_in_any_case(tmp_path, suffix):
    assert suffix_of(tmp_path / f"a{suffix.upper()}") == suffix
    assert suffix_of(tmp_path / f"a{suffix}.bak") == ""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("Rows"), "it lacks Rows, or has an unknown value in its place"),
        (KeyError("no item named 'a' in the archive"), "no item named 'a' in the archive"),
        (KeyError(), "its contents are damaged"),
        (EOFError(), "it ends too early"),
        (ValueError(""), "its contents are damaged"),
        (ValueError("cannot identify image file '{path}'"), "cannot identify image file"),
        (ValueError("bad {path}: 3 bytes"), "bad : 3 bytes"),
        (OSError("file PosixPath('{path}') is short"), "file is short"),
    ],
)
def test_messages_of_libraries_give_the_cause_and_name_the_file_once(tmp_path, error, text):
    path = tmp_path / "a file.png"
    error.args = tuple(str(each).format(path=path) for each in error.args)
    with pytest.raises(UserError) as refused, reading(path, "PNG"):
        raise error
    assert str(refused.value) == f"{path}: not a readable PNG ({text})"


@pytest.mark.parametrize("error", [ValueError("broken"), KeyError("key"), zlib.error("bad\ndata")])
def test_errors_of_a_library_become_one_line(tmp_path, error):
    with (
        pytest.raises(UserError, match=r"a\.png: not a readable PNG") as refused,
        reading(tmp_path / "a.png", "PNG"),
    ):
        raise error
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [UserError("--slices: wrong"), AssertionError(), ZeroDivisionError()]
)
def test_our_own_errors_are_not_taken_for_those_of_a_file(tmp_path, error):
    with pytest.raises(type(error)) as raised, reading(tmp_path / "a.png", "PNG"):
        raise error
    assert raised.value is error


def test_a_file_that_may_not_be_opened_is_no_broken_one(tmp_path):
    path = tmp_path / "a.png"
    with (
        pytest.raises(UserError, match=r"a\.png: cannot be read: Permission denied"),
        reading(path, "PNG"),
    ):
        raise PermissionError(13, "Permission denied", str(path))
