import gzip
import itertools
import os
import sys

import nibabel
import numpy as np
import pytest

from hpunet.imaging.labels import open_masks
from hpunet.imaging.nifti import place_slices
from hpunet.imaging.read import find_volumes
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError

# float32 beside the same sum in float64.
ROUNDING = 1e-4
SIZES = (4, 5, 6)
SPACINGS = (0.7, 0.9, 2.5)
# All voxels differ; the axes run to the patient's right, front and head.
PATIENT = np.arange(np.prod(SIZES), dtype=np.int16).reshape(SIZES) - 500
ALL_ORIENTATIONS = list(
    itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3))
)


def stored_as(axes, signs, spacings=SPACINGS):
    """The patient in an array with other axes, and the affine that says so."""
    stored = PATIENT.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for stored_axis, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, stored_axis] = sign * spacings[axis]
        affine[axis, 3] = 10 if sign > 0 else 10 + (SIZES[axis] - 1) * spacings[axis]
    return stored, affine


def displayed(height):
    """The patient's slice, front at the top and the right side on the left."""
    return PATIENT[::-1, ::-1, height].T


def save(path, stored, affine=None):
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4) if affine is None else affine), path)
    return path


def save_raw(path, stored, affine, slope=1, intercept=0):
    """Writes what nibabel would not: stored integers with any slope, and any affine."""
    header = nibabel.Nifti1Header()
    header.set_data_shape(stored.shape)
    header.set_data_dtype(stored.dtype)
    header.set_sform(affine, "scanner")
    header["vox_offset"] = 352
    header["scl_slope"], header["scl_inter"] = slope, intercept
    path.write_bytes(header.binaryblock + b"\0\0\0\0" + stored.tobytes(order="F"))
    return path


def read_one(path, slices=None):
    (scan,) = find_volumes([path], slices).volumes
    return scan


@pytest.mark.parametrize(("axes", "signs"), ALL_ORIENTATIONS)
def test_every_stored_orientation_shows_the_same_slices(tmp_path, axes, signs):
    stored, affine = stored_as(axes, signs)
    scan = read_one(save(tmp_path / "ct.nii", stored, affine), "all")
    assert scan.numbers == tuple(range(6))
    to_head = signs[axes.index(2)] > 0
    for number, picture in enumerate(scan.pictures):
        height = number if to_head else 5 - number
        np.testing.assert_array_equal(picture.values[..., 0], displayed(height))
        assert picture.spacing == pytest.approx((0.9, 0.7))


@pytest.mark.parametrize(("axes", "signs"), ALL_ORIENTATIONS)
def test_placed_slices_lie_where_they_came_from(tmp_path, axes, signs):
    stored, affine = stored_as(axes, signs)
    scan = read_one(save(tmp_path / "ct.nii", stored, affine), "1,4")
    slices = np.stack([picture.values[..., 0] for picture in scan.pictures])
    placed = np.moveaxis(place_slices(scan.geometry, slices, scan.numbers), axes.index(2), 0)
    expected = np.moveaxis(stored, axes.index(2), 0)
    np.testing.assert_array_equal(placed[[1, 4]], expected[[1, 4]])
    assert not placed[[0, 2, 3, 5]].any()


# The patient's slices as people look at them: the head or the front at the top.
SLICES = {
    "sagittal": (0, lambda at: PATIENT[at, ::-1, ::-1].T),
    "coronal": (1, lambda at: PATIENT[::-1, at, ::-1].T),
    "axial": (2, displayed),
}


@pytest.mark.parametrize("plane", SLICES)
@pytest.mark.parametrize(("axes", "signs"), ALL_ORIENTATIONS)
def test_thick_slices_are_cut_and_placed_in_every_stored_orientation(tmp_path, plane, axes, signs):
    across, shown = SLICES[plane]
    spacings = [3.0 if axis == across else (0.7, 0.9, 0.8)[axis] for axis in range(3)]
    stored, affine = stored_as(axes, signs, spacings)
    scan = read_one(save(tmp_path / "mr.nii", stored, affine), "all")
    assert scan.geometry.plane == plane
    assert scan.numbers == tuple(range(SIZES[across]))
    forward = signs[axes.index(across)] > 0
    for number, picture in enumerate(scan.pictures):
        at = number if forward else SIZES[across] - 1 - number
        np.testing.assert_array_equal(picture.values[..., 0], shown(at))
        rows, columns = {0: (2, 1), 1: (2, 0), 2: (1, 0)}[across]
        assert picture.spacing == pytest.approx((spacings[rows], spacings[columns]))
    slices = np.stack([picture.values[..., 0] for picture in scan.pictures])
    np.testing.assert_array_equal(place_slices(scan.geometry, slices, scan.numbers), stored)
    places = scan.geometry.shown_affine
    bottom, right = np.array(scan.pictures[0].values.shape[:2]) - 1
    for corner in itertools.product((0, SIZES[across] - 1), (0, bottom), (0, right)):
        value = scan.pictures[corner[0]].values[corner[1], corner[2], 0]
        where = np.argwhere(value == PATIENT)[0]
        np.testing.assert_allclose((places @ (*corner, 1))[:3], 10 + where * spacings, rtol=1e-5)


@pytest.mark.parametrize(
    ("spacings", "plane"),
    [
        ((1, 1, 1), "axial"),
        ((4, 0.6, 0.6), "sagittal"),
        ((0.6, 4, 0.6), "coronal"),
        ((1.5, 1, 1), "sagittal"),
        ((1.4, 1, 1), "axial"),
        ((3, 0.5, 2.5), "axial"),
        ((2.5, 0.5, 3), "axial"),
        ((0.7, 0.9, 0.1), "axial"),
    ],
)
def test_the_plane_follows_the_spacing_unless_it_is_given(tmp_path, spacings, plane):
    path = save(tmp_path / "mr.nii", *stored_as((0, 1, 2), (1, 1, 1), spacings))
    assert read_one(path, "0").geometry.plane == plane
    for given in SLICES:
        (scan,) = find_volumes([path], "0", given).volumes
        assert scan.geometry.plane == given
        (mask,) = open_masks(path, ReadMode(mask=True, plane=given)).pictures[:1]
        np.testing.assert_array_equal(mask.values, scan.pictures[0].values[..., 0])


def test_oblique_thick_slices_are_found(tmp_path):
    stored, affine = stored_as((1, 2, 0), (1, -1, 1), (4.0, 0.6, 0.6))
    angle = np.radians(25)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    scan = read_one(save(tmp_path / "mr.nii", stored, turn @ affine), "all")
    assert (scan.geometry.plane, scan.geometry.axis) == ("sagittal", 2)
    np.testing.assert_array_equal(scan.pictures[1].values[..., 0], PATIENT[1, ::-1, ::-1].T)


@pytest.mark.parametrize(
    ("size", "spacings", "plane", "notes"),
    [
        ((8, 8, 8), (1, 1, 1), "auto", []),
        ((8, 8, 8), (1, 1, 4), "auto", []),
        ((8, 8, 8), (4, 1, 1), "auto", ["is cut into sagittal slices"]),
        ((8, 8, 8), (4, 1, 1), "axial", ["one side of its pixels is more than 2 times"]),
        ((8, 8, 8), (3, 1, 2.5), "auto", ["one side of its pixels is more than 2 times"]),
        ((9, 40, 40), (1, 1, 1), "auto", ["one side of its slices has more than 4 times"]),
        ((8, 8, 1), (4, 1, 1), "auto", []),
    ],
)
def test_odd_slices_are_noted(tmp_path, size, spacings, plane, notes):
    path = save(tmp_path / "mr.nii", np.zeros(size, np.int16), np.diag([*spacings, 1]))
    (scan,) = find_volumes([path], "all", plane).volumes
    assert len(scan.notes) == len(notes)
    for found, expected in zip(scan.notes, notes, strict=True):
        assert found.startswith(expected)


def test_oblique_volumes_are_cut_along_the_nearest_axis(tmp_path):
    stored, affine = stored_as((2, 0, 1), (-1, 1, 1))
    angle = np.radians(20)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    scan = read_one(save(tmp_path / "ct.nii", stored, turn @ affine), "0")
    np.testing.assert_array_equal(scan.pictures[0].values[..., 0], displayed(5))
    assert scan.pictures[0].spacing == pytest.approx((0.9, 0.7))


def test_slope_and_intercept_are_applied(tmp_path):
    stored, affine = stored_as((0, 1, 2), (1, 1, 1))
    path = save_raw(tmp_path / "ct.nii", stored, affine, slope=0.5, intercept=-900)
    picture = read_one(path, "2").pictures[0]
    expected = displayed(2) * 0.5 - 900
    np.testing.assert_allclose(picture.values[..., 0], expected, atol=ROUNDING)
    assert picture.values.dtype == np.float32
    assert picture.window == (-1000, 400)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr", ".img"])
def test_compressed_files_and_pairs_hold_the_same(tmp_path, suffix):
    stored, affine = stored_as((1, 0, 2), (1, -1, 1))
    kind = nibabel.Nifti1Image if suffix.startswith(".nii") else nibabel.Nifti1Pair
    nibabel.save(kind(stored, affine), tmp_path / f"ct{suffix}")
    scan = read_one(tmp_path / f"ct{suffix}", "3:5")
    assert scan.name == "ct"
    assert scan.kind == "nifti"
    np.testing.assert_array_equal(scan.pictures[1].values[..., 0], displayed(4))


def test_the_size_of_a_pair_is_that_of_its_second_file(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(np.zeros((100, 100, 50), "i2"), np.eye(4)), tmp_path / "ct.hdr")
    assert read_one(tmp_path / "ct.hdr", "49").numbers == (49,)
    (tmp_path / "ct.img").unlink()
    assert "not a readable NIfTI file" in refusal(tmp_path / "ct.hdr")


def test_nifti_2_and_one_volume_on_four_axes_are_read(tmp_path):
    stored, affine = stored_as((0, 1, 2), (1, 1, 1))
    nibabel.save(nibabel.Nifti2Image(stored[..., None], affine), tmp_path / "ct.nii")
    scan = read_one(tmp_path / "ct.nii", "0")
    np.testing.assert_array_equal(scan.pictures[0].values[..., 0], displayed(0))
    assert scan.geometry.shape == SIZES


@pytest.mark.parametrize("stored", [PATIENT[:, :, 0], PATIENT[:, :, :1]])
def test_a_single_plane_needs_no_slices(tmp_path, stored):
    scan = read_one(save(tmp_path / "ct.nii", stored, np.diag([0.7, 0.9, 2.5, 1])))
    assert scan.numbers is None
    np.testing.assert_array_equal(scan.pictures[0].values[..., 0], displayed(0))
    slices = scan.pictures[0].values[None, ..., 0]
    np.testing.assert_array_equal(place_slices(scan.geometry, slices, None), stored)


def test_a_plane_without_thickness_is_read(tmp_path):
    path = save_raw(tmp_path / "ct.nii", PATIENT[:, :, 0], np.diag([0.7, 0.9, 0, 1]))
    np.testing.assert_array_equal(read_one(path).pictures[0].values[..., 0], displayed(0))


def test_a_coronal_plane_is_shown_with_the_head_at_the_top(tmp_path):
    scan = read_one(save(tmp_path / "ct.nii", PATIENT[:, 2:3, :], np.diag([0.7, 0.9, 2.5, 1])))
    np.testing.assert_array_equal(scan.pictures[0].values[..., 0], PATIENT[::-1, 2, ::-1].T)
    assert scan.pictures[0].spacing == pytest.approx((2.5, 0.7))


@pytest.mark.parametrize(("units", "factor"), [("mm", 1), ("micron", 0.001), ("meter", 1000)])
def test_spacing_is_in_mm(tmp_path, units, factor):
    image = nibabel.Nifti1Image(PATIENT, np.diag([0.5, 0.5, 1, 1]))
    image.header.set_xyzt_units(units)
    nibabel.save(image, tmp_path / "ct.nii")
    scan = read_one(tmp_path / "ct.nii", "0")
    assert scan.pictures[0].spacing == pytest.approx((0.5 * factor, 0.5 * factor))
    assert scan.geometry.units[0] == units


def test_unknown_units_are_taken_for_mm(tmp_path):
    path = save(tmp_path / "ct.nii", PATIENT, np.diag([0.7, 0.9, 2.5, 1]))
    raw = bytearray(path.read_bytes())
    raw[123] = 255
    path.write_bytes(raw)
    assert read_one(path, "0").pictures[0].spacing == pytest.approx((0.9, 0.7))


def test_nan_in_one_slice_changes_no_window_of_others(tmp_path):
    values = PATIENT.astype(np.float32)
    values[0, 0, 3] = np.nan
    picture = read_one(save(tmp_path / "ct.nii", values), "0").pictures[0]
    assert picture.window == (-1000, 400)


def test_geometry_keeps_both_affines_and_their_codes(tmp_path):
    image = nibabel.Nifti1Image(PATIENT, None)
    image.header.set_sform(np.diag([1, 2, 3, 1]), "mni")
    image.header.set_qform(np.diag([2, 2, 2, 1]), "scanner")
    nibabel.save(image, tmp_path / "ct.nii")
    geometry = read_one(tmp_path / "ct.nii", "0").geometry
    assert (geometry.sform_code, geometry.qform_code) == (4, 1)
    np.testing.assert_array_equal(geometry.affine, np.diag([1, 2, 3, 1]))
    np.testing.assert_allclose(geometry.qform, np.diag([2, 2, 2, 1]), atol=1e-6)


@pytest.mark.parametrize(
    ("values", "window", "quantity"),
    [
        (np.int16([-1024, 300]), (-1000, 400), "HU"),
        (np.float32([-1024, 0.5]), (-1000, 400), "HU"),
        (np.int16([-150, 300]), None, "intensity"),
        (np.int16([-1024, 4095]), (-1000, 400), "HU"),
        (np.int16([-1024, 4096]), None, "intensity"),
        (np.int16([-2048, 300]), (-1000, 400), "HU"),
        (np.int16([-2049, 300]), None, "intensity"),
        (np.int16([-3024, 3071]), (-1000, 400), "HU"),
        (np.int16([-3142, 3142]), None, "intensity"),
        (np.int16([-4096, 4094]), None, "intensity"),
        (np.uint16([0, 300]), None, "intensity"),
        (np.uint8([0, 200]), (0, 255), "8-bit"),
        (np.float32([0, 1]), (0, 1), "intensity"),
        (np.float32([0, 1.5]), None, "intensity"),
    ],
)
def test_window_follows_from_all_values_of_the_volume(tmp_path, values, window, quantity):
    path = save(tmp_path / "ct.nii", np.broadcast_to(values, (3, 2, 2)).copy())
    for picture in read_one(path, "all").pictures:
        assert (picture.window, picture.quantity) == (window, quantity)


def test_files_that_change_are_read_anew(tmp_path):
    # Compressed: an array that is not has its file mapped, and changes with it.
    path = save(tmp_path / "ct.nii.gz", PATIENT)
    before = read_one(path, "0").pictures[0].values
    save(path, PATIENT + np.int16(1))
    os.utime(path, (0, 0))
    assert (read_one(path, "0").pictures[0].values == before + 1).all()


def refusal(path, slices="all"):
    with pytest.raises(UserError) as refused:
        list(read_one(path, slices).pictures)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert len(message.splitlines()) == 1
    return message


def test_colours_complex_numbers_and_several_volumes_are_refused(tmp_path):
    rgb = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "holds colours" in refusal(save(tmp_path / "rgb.nii", rgb))
    assert "complex64" in refusal(save(tmp_path / "complex.nii", np.zeros((2, 2, 2), "c8")))
    four = save(tmp_path / "four.nii", np.zeros((2, 2, 2, 5), np.uint8))
    assert "holds 5 volumes; allowed is one" in refusal(four)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncated_files_are_refused(tmp_path, suffix):
    path = save(tmp_path / f"ct{suffix}", np.random.default_rng(0).normal(size=(8, 8, 8)))
    path.write_bytes(path.read_bytes()[:-100])
    assert "not a readable NIfTI file" in refusal(path)


def test_a_header_that_claims_more_than_a_file_can_hold_is_refused(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 100))
    assert "too short for an array of shape [30000, 30000, 30000]" in refusal(path)


def test_text_and_other_formats_are_refused(tmp_path):
    (tmp_path / "text.nii").write_text("not an image")
    assert "not a readable NIfTI file" in refusal(tmp_path / "text.nii")
    nibabel.save(nibabel.Spm99AnalyzeImage(PATIENT, None), tmp_path / "old.img")
    assert "allowed are NIfTI-1 and NIfTI-2" in refusal(tmp_path / "old.hdr")


def test_values_that_are_not_finite_are_counted(tmp_path):
    values = PATIENT.astype(np.float32)
    values[0, 0, 3] = -np.inf
    values[1, 0, 3] = np.inf
    path = save(tmp_path / "ct.nii", values)
    assert "slice 3: 2 values are infinite" in refusal(path)


def test_an_affine_that_says_nothing_is_refused(tmp_path):
    path = save_raw(tmp_path / "ct.nii", PATIENT, np.diag([1, 0, 1, 1]))
    assert "does not say how the patient lies" in refusal(path)


def test_without_nibabel_the_line_says_what_to_install(tmp_path, monkeypatch):
    path = save(tmp_path / "ct.nii", PATIENT)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    assert "reading NIfTI needs nibabel: pip install 'hpunet[medical]'" in refusal(path)


def test_nothing_is_said_of_what_nibabel_repairs(tmp_path, caplog):
    path = save(tmp_path / "ct.nii", PATIENT)
    raw = bytearray(path.read_bytes())
    # pixdim[1] is negative, which nibabel logs.
    raw[80:84] = np.float32(-1).tobytes()
    path.write_bytes(raw)
    list(read_one(path, "0").pictures)
    assert caplog.records == []


def test_a_negative_number_of_slices_is_refused(tmp_path):
    path = tmp_path / "ct.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 3), "i2"), np.eye(4)), path)
    contents = bytearray(path.read_bytes())
    contents[46:48] = (-3).to_bytes(2, "little", signed=True)  # dim[3] of the header.
    path.write_bytes(contents)
    assert "allowed are 2 or 3 axes" in refusal(path)
