"""Arrays in npy and npz files."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from hpunet.imaging.read import find_volumes
from hpunet.io.errors import UserError

LEVELS = np.arange(24, dtype=np.uint8).reshape(4, 6)


def save(path, array):
    np.save(path, array)
    return path


def read_one(path, slices=None):
    (scan,) = find_volumes([path], slices).volumes
    return scan


def refusal(path, slices=None):
    with pytest.raises(UserError) as refused:
        list(read_one(path, slices).pictures)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    ("dtype", "window", "quantity"),
    [
        ("u1", (0, 255), "8-bit"),
        ("<u2", None, "16-bit"),
        (">u2", None, "16-bit"),
        ("i2", None, "intensity"),
        ("u4", None, "intensity"),
        ("f2", None, "intensity"),
        (">f4", None, "intensity"),
        ("f8", None, "intensity"),
    ],
)
def test_values_are_kept_and_the_type_gives_the_window(tmp_path, dtype, window, quantity):
    (picture,) = read_one(save(tmp_path / "a.npy", LEVELS.astype(dtype))).pictures
    np.testing.assert_array_equal(picture.values, LEVELS[..., None])
    assert picture.values.dtype == np.float32
    assert (picture.window, picture.quantity, picture.spacing) == (window, quantity, None)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_fractions_have_their_window(tmp_path, dtype):
    (picture,) = read_one(save(tmp_path / "a.npy", (LEVELS / 23).astype(dtype))).pictures
    assert picture.window == (0, 1)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
@pytest.mark.parametrize(
    ("values", "window"),
    [([0, 4095], None), ([0, 16383], None), ([0, 16384], (0, 65535)), ([32000, 36000], None)],
)
def test_16_bits_have_a_window_only_if_values_span_them(tmp_path, dtype, values, window):
    (picture,) = read_one(save(tmp_path / "a.npy", np.array([values], dtype))).pictures
    assert (picture.window, picture.quantity) == (window, "16-bit")


def test_one_wide_slice_gives_all_of_16_bits_their_window(tmp_path):
    stored = np.zeros((3, 4, 6), np.uint16)
    stored[2, 0, 0] = 60000
    (picture,) = read_one(save(tmp_path / "a.npy", stored), "0").pictures
    assert picture.window == (0, 65535)


def test_arrays_in_fortran_order_are_the_same(tmp_path):
    (picture,) = read_one(save(tmp_path / "a.npy", np.asfortranarray(LEVELS))).pictures
    np.testing.assert_array_equal(picture.values[..., 0], LEVELS)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_up_to_4_entries_of_a_third_axis_are_channels(tmp_path, channels):
    stored = np.dstack([LEVELS] * channels)
    scan = read_one(save(tmp_path / "a.npy", stored))
    np.testing.assert_array_equal(scan.pictures[0].values, stored)
    assert scan.numbers is None


def test_other_third_axes_make_a_volume(tmp_path):
    stored = np.arange(3 * 4 * 6, dtype=np.float32).reshape(3, 4, 6)
    stored[0] = 0
    scan = read_one(save(tmp_path / "a.npy", stored), "0,2")
    assert scan.numbers == (0, 2)
    np.testing.assert_array_equal(scan.pictures[1].values[..., 0], stored[2])
    # Its first slice alone would pass for fractions.
    assert {picture.window for picture in scan.pictures} == {None}


def test_nan_in_one_slice_changes_no_window_of_others(tmp_path):
    stored = np.zeros((4, 4, 6))
    stored[2, 0, 0] = np.nan
    stored[3] = np.nan
    assert read_one(save(tmp_path / "a.npy", stored), "0").pictures[0].window == (0, 1)


def test_no_file_stays_open(tmp_path):
    scan = read_one(save(tmp_path / "a.npy", LEVELS.astype(np.float32)))
    kept = [scan, scan.pictures[0]]
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("open files are listed on Linux only")
    opened = {str(link.readlink()) for link in descriptors.iterdir() if link.is_symlink()}
    assert kept
    assert str(tmp_path / "a.npy") not in opened


def test_pickles_are_never_opened(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[print]], dtype=object), allow_pickle=True)
    assert "not a readable npy file" in refusal(path)
    path.write_bytes(b"\x80\x04N.")
    assert "not a readable npy file" in refusal(path)


@pytest.mark.parametrize("dtype", ["c8", "U3", "M8[s]"])
def test_other_types_are_refused(tmp_path, dtype):
    path = save(tmp_path / "a.npy", np.zeros((2, 2), dtype))
    assert "allowed are integers and real floats" in refusal(path)


@pytest.mark.parametrize("shape", [(5,), (), (2, 3, 4, 5), (0, 4), (4, 0), (0, 5, 5), (3, 0, 5)])
def test_other_shapes_are_refused(tmp_path, shape):
    path = save(tmp_path / "a.npy", np.zeros(shape))
    assert refusal(path)


def test_truncated_files_and_archives_are_refused(tmp_path):
    path = save(tmp_path / "a.npy", LEVELS)
    path.write_bytes(path.read_bytes()[:-1])
    assert "not a readable npy file" in refusal(path)
    np.savez(tmp_path / "b.npz", LEVELS)
    path = (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    assert "not a readable npy file" in refusal(path)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_values_beyond_float32_are_counted(tmp_path, value):
    stored = LEVELS / 23
    stored[1, 1] = value
    path = save(tmp_path / "a.npy", stored)
    assert "1 values are infinite; allowed are finite numbers" in refusal(path)


# Arrays in npz files.


def values(path, slices=None):
    return [picture.values[..., 0] for picture in read_one(path, slices).pictures]


@pytest.mark.parametrize("arrays", [{"anything": LEVELS}, {"image": LEVELS, "other": LEVELS[:2]}])
def test_array_alone_or_called_image_is_the_picture(tmp_path, arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    (found,) = values(tmp_path / "x.npz")
    np.testing.assert_array_equal(found, LEVELS)


def test_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("notes.txt", "text")
    with pytest.raises(UserError, match=r"x\.npz: holds files that are not arrays"):
        values(tmp_path / "x.npz")


def test_slices_of_a_volume_are_read(tmp_path):
    volume = np.stack([LEVELS, LEVELS[::-1], LEVELS + 1] * 2)
    np.savez_compressed(tmp_path / "x.npz", volume)
    np.testing.assert_array_equal(values(tmp_path / "x.npz", "1:3"), volume[1:3])


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"a": LEVELS, "b": LEVELS}, "holds a, b; allowed is one array, or one named image"),
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
