"""Images with channels in several files, and NaN in images."""

import numpy as np
import pytest

from hpunet.imaging.channels import join_numbered
from hpunet.imaging.missing import fill_volume
from hpunet.imaging.read import find_volumes
from hpunet.io.errors import UserError

REMEDY = "--nan helps"


def images(folder, names, shape=(3, 4)):
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 100 * number
        np.save(folder / f"{name}.npy", values)
    return find_volumes([folder], "all").volumes


def joined(volumes, count):
    failed = []
    found = join_numbered(volumes, count, lambda volume, error: failed.append(str(error)))
    return found, failed


def test_files_with_numbers_are_the_channels_of_an_image(tmp_path):
    volumes = images(tmp_path / "in", ["a_0000", "a_0001", "b", "sub_0000"])
    found, failed = joined(volumes, 2)
    assert [one.name for one in found] == ["a", "b", "sub_0000"]
    assert not failed
    values = found[0].pictures[0].values
    np.testing.assert_array_equal(values[..., 1] - values[..., 0], np.full((3, 4), 100))
    assert found[0].more_places == (tmp_path / "in/a_0001.npy",)
    assert found[0].notes == ("read from 2 files, one for each channel",)


@pytest.mark.parametrize(
    "names",
    [
        ["a_0000"],
        ["a_0000", "a_0002"],
        ["a_0000", "a_0001", "a_0002"],
        ["a_0000", "a_0001", "a"],
        ["a_001", "a_002"],
    ],
    ids=["one is missing", "number", "too many", "image of the name", "three digits"],
)
def test_other_numbers_are_no_channels(tmp_path, names):
    volumes = images(tmp_path / "in", names)
    assert joined(volumes, 2)[0] == volumes


def test_networks_of_one_channel_take_each_file_as_an_image(tmp_path):
    volumes = images(tmp_path / "in", ["a_0000", "b_0000"])
    assert joined(volumes, 1)[0] == volumes


def test_results_of_joined_images_are_no_folders_of_others(tmp_path):
    (tmp_path / "in/a").mkdir(parents=True)
    np.save(tmp_path / "in/a/b.npy", np.ones((3, 4)))
    volumes = images(tmp_path / "in", ["a_0000", "a_0001"])
    assert joined(volumes, 2)[0] == volumes


def test_channels_with_other_slices_fail_alone(tmp_path):
    images(tmp_path / "in", ["a_0000", "b_0000", "b_0001"], (2, 3, 8))
    volumes = images(tmp_path / "in", ["a_0001"], (3, 3, 8))
    found, (problem,) = joined(volumes, 2)
    assert [one.name for one in found] == ["b"]
    assert "a_0001.npy: has 3 slices, but" in problem


@pytest.mark.parametrize("nan", [-7.0, "min"])
def test_nan_is_replaced(tmp_path, nan):
    stored = np.arange(48, dtype=np.float32).reshape(2, 3, 8) - 5
    stored[1, 1, 2] = np.nan
    np.save(tmp_path / "a.npy", stored)
    # The least value is in the slice that is not chosen.
    (volume,) = find_volumes([tmp_path / "a.npy"], "1").volumes
    (picture,) = fill_volume(volume, nan, REMEDY).pictures
    expected = stored[1].copy()
    expected[1, 2] = -5 if nan == "min" else nan
    np.testing.assert_array_equal(picture.values[..., 0], expected)
    assert picture.filled == 1


def test_nan_without_a_replacement_is_refused_by_slice(tmp_path):
    stored = np.ones((2, 3, 8), np.float32)
    stored[1, 1, :2] = np.nan
    np.save(tmp_path / "a.npy", stored)
    (volume,) = find_volumes([tmp_path / "a.npy"], "all").volumes
    filled = fill_volume(volume, None, REMEDY)
    assert filled.pictures[0].filled == 0
    with pytest.raises(UserError, match=r"a\.npy: slice 1: 2 values are NaN; --nan helps"):
        list(filled.pictures)


def test_a_channel_of_nan_has_no_least_value(tmp_path):
    stored = np.ones((3, 4, 2), np.float32)
    stored[..., 1] = np.nan
    np.savez(tmp_path / "a.npz", image=stored)
    (volume,) = find_volumes([tmp_path / "a.npz"]).volumes
    with pytest.raises(UserError, match="a channel holds NaN only"):
        list(fill_volume(volume, "min", REMEDY).pictures)
    (picture,) = fill_volume(volume, 3.0, REMEDY).pictures
    np.testing.assert_array_equal(picture.values[..., 1], np.full((3, 4), 3))
