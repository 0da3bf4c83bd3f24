"""Pictures in npz files."""

import zipfile

import numpy as np
import pytest

from hpunet.imaging.read import read_volumes
from hpunet.io.errors import UserError

LEVELS = np.arange(24, dtype=np.uint8).reshape(4, 6)


def values(path, slices=None):
    (scan,) = read_volumes([path], slices)
    return [picture.values[..., 0] for picture in scan.pictures]


@pytest.mark.parametrize("arrays", [{"anything": LEVELS}, {"image": LEVELS, "other": LEVELS[:2]}])
def test_array_alone_or_called_image_is_the_picture(tmp_path, arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    (found,) = values(tmp_path / "x.npz")
    np.testing.assert_array_equal(found, LEVELS)


def test_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("notes.txt", "text")
    with pytest.raises(UserError, match=r"x\.npz: holds other files; allowed are arrays"):
        values(tmp_path / "x.npz")


def test_slices_of_a_volume_are_read(tmp_path):
    volume = np.stack([LEVELS, LEVELS[::-1], LEVELS + 1] * 2)
    np.savez_compressed(tmp_path / "x.npz", volume)
    np.testing.assert_array_equal(values(tmp_path / "x.npz", "1:3"), volume[1:3])


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"a": LEVELS, "b": LEVELS}, "holds a, b; allowed is one array, or one called image"),
        ({}, "holds nothing"),
        ({"a": np.array([None])}, "not a readable npz file"),
        ({"a": LEVELS.astype(str)}, "allowed are integers and real floats"),
        ({"a": LEVELS[0]}, "has shape"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_line(tmp_path, arrays, expected):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UserError, match=expected) as refused:
        values(tmp_path / "x.npz")
    assert str(refused.value).startswith(f"{tmp_path / 'x.npz'}: ")
    assert len(str(refused.value).splitlines()) == 1
