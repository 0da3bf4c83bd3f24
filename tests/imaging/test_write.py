import numpy as np
import pytest

from hpunet.imaging import write
from hpunet.imaging.maps import named_maps
from hpunet.imaging.volume import Volume
from hpunet.imaging.write import check_formats, formats_of, write_maps, write_npy
from hpunet.io.errors import UserError
from tests.imaging.drawn import STD_ROUNDING, draw_maps, std_over

TOLD = {"version": "9.8", "weights": "gewählt.safetensors"}


def scan_of(tmp_path, kind="picture", num_slices=1):
    return Volume("image", tmp_path / "image.tif", kind, [None] * num_slices)


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_medical_formats_are_kept_unless_asked_otherwise(kind):
    assert formats_of(kind) == (kind,)
    assert formats_of("picture") == ("png",)


@pytest.mark.parametrize(
    ("kind", "name", "allowed"),
    [
        ("picture", "nifti", "png, npy"),
        ("picture", "dicom", "png, npy"),
        ("nifti", "dicom", "nifti, png, npy"),
        ("dicom", "nifti", "dicom, png, npy"),
        ("picture", "gif", "png, npy"),
    ],
)
def test_a_format_that_does_not_fit_the_input_is_refused(tmp_path, kind, name, allowed):
    with pytest.raises(
        UserError, match=f"image.tif: --format={name} does not fit it; allowed are {allowed}$"
    ):
        check_formats(scan_of(tmp_path, kind), ["png", name])


def test_nothing_is_written_where_one_format_does_not_fit(tmp_path):
    with pytest.raises(UserError):
        write_maps(tmp_path, scan_of(tmp_path), draw_maps(), ["png", "nifti"], TOLD)
    assert list(tmp_path.iterdir()) == []


def test_sources_are_checked_once_and_not_again_when_written(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(write, "check_sources", tried.append)
    monkeypatch.setattr(write, "write_dicom", lambda *given: [])
    scan = scan_of(tmp_path, "dicom")
    check_formats(scan, ["dicom"])
    write_maps(tmp_path, scan, draw_maps(), ["dicom"], TOLD)
    assert tried == [scan]


def test_formats_lie_beside_each_other(tmp_path):
    written = write_maps(tmp_path, scan_of(tmp_path), draw_maps(), ["npy", "png"], TOLD)
    assert sorted(written) == sorted(tmp_path.iterdir())
    assert [path.name for path in written[:5]] == [
        "samples.npy",
        "mean.npy",
        "std.npy",
        "entropy.npy",
        "sample_001.png",
    ]


def test_same_maps_give_the_same_bytes(tmp_path):
    maps = draw_maps(num_classes=4)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_maps(tmp_path / folder, scan_of(tmp_path), maps, ["png", "npy"], TOLD)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_standard_deviation_is_made_when_asked_for_and_slice_by_slice():
    maps = draw_maps(num_classes=3, num_slices=2)
    found = {one.name: one for one in named_maps(maps)}
    std = found["std_class_2"]
    # Nothing but the mean lies in memory.
    assert np.shares_memory(std.source, maps.mean)
    assert std.of_slice(1).dtype == np.float32
    np.testing.assert_allclose(std.values, std_over(maps)[1], rtol=0, atol=STD_ROUNDING)
    np.testing.assert_array_equal(std.of_slice(1), std.values[1])
    np.testing.assert_array_equal(found["mean_class_2"].of_slice(1), maps.mean[1, 1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": np.zeros((1, 1, 7, 8), np.float32)},
        {"entropy": np.zeros((1, 7, 9), np.float64)},
        {"samples": np.zeros((3, 2, 7, 9), np.uint8)},
        {"num_classes": 3},
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="expected is"):
        write_maps(tmp_path, scan_of(tmp_path), draw_maps()._replace(**wrong), ["npy"], TOLD)
    assert list(tmp_path.iterdir()) == []


# npy files.


def arrays_of(tmp_path, maps, numbers=None):
    scan = Volume("image", tmp_path, "picture", [None] * maps.samples.shape[1], numbers)
    return {path.stem: np.load(path) for path in write_npy(tmp_path, scan, maps)}


def test_a_picture_has_no_axis_of_slices(tmp_path):
    maps = draw_maps()
    found = arrays_of(tmp_path, maps)
    assert list(found) == ["samples", "mean", "std", "entropy"]
    np.testing.assert_array_equal(found["samples"], maps.samples[:, 0])
    np.testing.assert_array_equal(found["mean"], maps.mean[0, 0])
    np.testing.assert_allclose(found["std"], std_over(maps)[0, 0], rtol=0, atol=STD_ROUNDING)
    np.testing.assert_array_equal(found["entropy"], maps.entropy[0])
    assert [values.dtype for values in found.values()] == [np.uint8, *[np.float32] * 3]


@pytest.mark.parametrize("numbers", [(4,), (4, 5)])
def test_slices_of_a_volume_have_an_axis_however_few(tmp_path, numbers):
    maps = draw_maps(num_slices=len(numbers))
    found = arrays_of(tmp_path, maps, numbers)
    np.testing.assert_array_equal(found["samples"], maps.samples)
    np.testing.assert_array_equal(found["mean"], maps.mean[0])
    np.testing.assert_array_equal(found["entropy"], maps.entropy)


def test_several_classes_have_an_axis(tmp_path):
    maps = draw_maps(num_classes=4)
    found = arrays_of(tmp_path, maps)
    np.testing.assert_array_equal(found["mean"], maps.mean[:, 0])
    np.testing.assert_allclose(found["std"], std_over(maps)[:, 0], rtol=0, atol=STD_ROUNDING)
    np.testing.assert_array_equal(found["entropy"], maps.entropy[0])


def test_samples_may_lie_in_a_file(tmp_path):
    maps = draw_maps()
    lying = np.lib.format.open_memmap(
        tmp_path / "drawn.npy", mode="w+", dtype=np.uint8, shape=maps.samples.shape
    )
    lying[:] = maps.samples
    found = arrays_of(tmp_path, maps._replace(samples=lying))
    np.testing.assert_array_equal(found["samples"], maps.samples[:, 0])
