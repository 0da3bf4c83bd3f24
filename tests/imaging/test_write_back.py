"""What is read, marked as it is seen and written lies where its source lies."""

import itertools

import numpy as np
import pytest

from hpunet.imaging.read import find_volumes
from hpunet.imaging.write import check_formats, write_maps
from tests.imaging.drawn import maps_of

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

from tests.imaging.dicom_phantom import distinct, write_ct, write_enhanced  # noqa: E402

# Affines are float32 in the file, and a qform a quaternion.
QUATERNION = 1e-5
ORIENTATIONS = list(
    itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3))
)
TOLD = {"version": "9.8"}


def write_bright(folder, scan, most):
    """Marks what is brighter than `most` in each picture and writes that as the only sample."""
    seen = np.stack([picture.values[..., 0] > most for picture in scan.pictures])
    folder.mkdir()
    check_formats(scan, [scan.kind])
    return write_maps(folder, scan, maps_of(seen[None].astype(np.uint8), 2), [scan.kind], TOLD)


@pytest.mark.parametrize("across", range(3))
@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_bright_voxels_of_nifti_keep_their_place(tmp_path, axes, signs, across):
    stored = distinct(4, 5, 6)
    affine = np.zeros((4, 4))
    affine[:, 3] = 10, 20, 30, 1
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, column] = sign * (2.5 if axis == across else (0.7, 0.9, 0.8)[axis])
    nibabel.save(nibabel.Nifti1Image(stored, affine), tmp_path / "head.nii.gz")
    (scan,) = find_volumes([tmp_path / "head.nii.gz"], "1,3").volumes
    assert axes[scan.geometry.axis] == across
    write_bright(tmp_path / "out", scan, 60)
    found = nibabel.load(tmp_path / "out" / "sample_001.nii.gz")
    chosen = np.moveaxis(np.zeros(stored.shape, bool), scan.geometry.axis, 0)
    chosen[[1, 3]] = True
    expected = (stored > 60) & np.moveaxis(chosen, 0, scan.geometry.axis)
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)
    np.testing.assert_allclose(found.affine, affine, rtol=0, atol=QUATERNION)


def test_a_plane_of_nifti_without_a_third_direction_can_be_written(tmp_path):
    stored = distinct(4, 5)
    header = nibabel.Nifti1Header()
    header.set_data_shape(stored.shape)
    header.set_data_dtype(stored.dtype)
    affine = np.array([[0.7, 0, 0, 1], [0, 0.9, 0, 2], [0, 0, 0, 0], [0, 0, 0, 1.0]])
    header.set_sform(affine, "scanner")
    header["vox_offset"] = 352
    content = header.binaryblock + bytes(4) + stored.tobytes(order="F")
    (tmp_path / "plane.nii").write_bytes(content)
    (scan,) = find_volumes([tmp_path / "plane.nii"]).volumes
    write_bright(tmp_path / "out", scan, 11)
    found = nibabel.load(tmp_path / "out" / "sample_001.nii.gz")
    np.testing.assert_array_equal(np.asarray(found.dataobj), stored > 11)
    np.testing.assert_allclose(
        found.affine[:, [0, 1, 3]], affine[:, [0, 1, 3]], rtol=0, atol=QUATERNION
    )


def pixels_of(path, uids):
    made = highdicom.seg.segread(path)
    try:
        return made.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    finally:
        made._db_con.close()


@pytest.mark.parametrize(
    "orientation",
    [
        (1, 0, 0, 0, 1, 0),
        (0, -1, 0, 1, 0, 0),
        (-1, 0, 0, 0, 1, 0),
        (0, 1, 0, 0, 0, -1),
        (0, 0, 1, 0, -1, 0),
        (-1, 0, 0, 0, 0, 1),
    ],
    ids=["axial", "turned", "mirrored", "sagittal", "turned sagittal", "coronal feet up"],
)
def test_bright_pixels_of_a_series_keep_their_place(tmp_path, orientation):
    stored = distinct(3, 5, 4)
    normal = np.cross(orientation[:3], orientation[3:])
    for index, plane in enumerate(stored):
        write_ct(
            tmp_path / "ct" / f"{index}.dcm",
            plane,
            StudyInstanceUID="1.2.3",
            ImageOrientationPatient=list(orientation),
            ImagePositionPatient=[float(value) for value in 2.5 * index * normal],
            RescaleIntercept=0,
        )
    (scan,) = find_volumes([tmp_path / "ct"], "1,2").volumes
    written = write_bright(tmp_path / "out", scan, 30)
    headers = [pydicom.dcmread(path) for path in scan.geometry.paths]
    found = pixels_of(written[0], [header.SOPInstanceUID for header in headers])
    expected = np.stack([header.pixel_array > 30 for header in headers])
    np.testing.assert_array_equal(found[..., 0], expected)
    assert expected.any()
    assert not expected.all()


@pytest.mark.parametrize("shared", [True, False])
def test_bright_pixels_of_frames_keep_their_place(tmp_path, shared):
    stored = distinct(3, 5, 4)
    path = write_enhanced(tmp_path / "volume.dcm", stored, (5.0, 0.0, 2.5), intercept=0)
    header = pydicom.dcmread(path)
    header.StudyInstanceUID = "1.2.3"
    if not shared:
        for keyword in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
            items = header.SharedFunctionalGroupsSequence[0].pop(keyword)
            for frame in header.PerFrameFunctionalGroupsSequence:
                frame.add(items)
    header.SOPClassUID = pydicom.uid.EnhancedCTImageStorage
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.save_as(path)
    (scan,) = find_volumes([path], "0,2").volumes
    written = write_bright(tmp_path / "out", scan, 2 * 13)
    made = highdicom.seg.segread(written[0])
    found = made.get_pixels_by_source_frame(header.SOPInstanceUID, [2, 1])
    made._db_con.close()
    np.testing.assert_array_equal(found[..., 0], stored[[1, 0]] > 13)
