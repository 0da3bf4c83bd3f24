"""Samples in DICOM Segmentations are read as they were drawn, and scored."""

import json

import numpy as np
import pytest

from hpunet.evaluation.folders import open_folders
from hpunet.imaging.read import find_volumes
from hpunet.imaging.write_dicom import write_dicom
from hpunet.io.errors import UserError
from tests.imaging.drawn import draw_maps, maps_of

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

from hpunet.imaging.segmentation import open_segments, read_segments  # noqa: E402
from tests.imaging.dicom_phantom import write_enhanced  # noqa: E402
from tests.imaging.test_write_dicom import DESCRIBED, series  # noqa: E402

TURNED = {
    "as shown": [1, 0, 0, 0, 1, 0],
    "flipped": [-1, 0, 0, 0, -1, 0],
    "transposed": [0, 1, 0, 1, 0, 0],
    "transposed and flipped": [0, -1, 0, 1, 0, 0],
}


def written(tmp_path, maps, slices="all", **changes):
    """The folder in which samples of a series are written, and the scan."""
    series(tmp_path / "in" / "chest", num_slices=3, **changes)
    (scan,) = find_volumes([tmp_path / "in"], slices).volumes
    folder = tmp_path / "out" / scan.name
    folder.mkdir(parents=True)
    write_dicom(folder, scan, maps, DESCRIBED)
    return folder, scan


@pytest.mark.parametrize("orientation", TURNED.values(), ids=TURNED.keys())
def test_samples_come_back_as_they_were_shown(tmp_path, orientation):
    series(tmp_path / "in", ImageOrientationPatient=orientation)
    (scan,) = find_volumes([tmp_path / "in"], "all").volumes
    size = scan.pictures[0].values.shape[:2]
    count = len(scan.pictures)
    maps = draw_maps(num_slices=count, size=size)
    write_dicom(tmp_path, scan, maps, DESCRIBED)
    np.testing.assert_array_equal(read_segments(tmp_path / "samples.dcm"), maps.samples)


def test_classes_and_empty_samples_and_slices_come_back(tmp_path):
    maps = draw_maps(num_classes=4, num_slices=3)
    samples = maps.samples.copy()
    samples[1] = 0
    samples[:, 1] = 0
    folder, _ = written(tmp_path, maps_of(samples, 4))
    np.testing.assert_array_equal(read_segments(folder / "samples.dcm"), samples)


def test_samples_that_are_all_empty_come_back(tmp_path):
    samples = np.zeros((2, 3, 7, 9), np.uint8)
    folder, _ = written(tmp_path, maps_of(samples, 2))
    np.testing.assert_array_equal(read_segments(folder / "samples.dcm"), samples)


def test_samples_without_a_position_in_the_patient_are_shown_as_stored(tmp_path):
    maps = draw_maps(num_slices=3)
    folder, _ = written(tmp_path, maps)
    dataset = pydicom.dcmread(folder / "samples.dcm")
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    dataset.save_as(folder / "samples.dcm")
    np.testing.assert_array_equal(read_segments(folder / "samples.dcm"), maps.samples)


@pytest.mark.parametrize("record", [True, False])
def test_samples_of_a_series_are_scored(tmp_path, record):
    maps = draw_maps(num_slices=3)
    _, scan = written(tmp_path, maps)
    if record:
        pictures = [{"slice": number} for number in scan.numbers]
        entry = {"name": scan.name, "files": [f"{scan.name}/samples.dcm"], "pictures": pictures}
        content = {"format": "hpunet-samples-1", "images": [entry]}
        (tmp_path / "out" / "results.json").write_text(json.dumps(content))
    masks = tmp_path / "gt" / "anna" / f"{scan.name}.npy"
    masks.parent.mkdir(parents=True)
    np.save(masks, maps.samples[0])
    cases = list(open_folders(tmp_path / "out", tmp_path / "gt"))
    assert [case.name for case in cases] == [f"{scan.name}/slice_{k}" for k in range(3)]
    for k, case in enumerate(cases):
        np.testing.assert_array_equal(case.samples, maps.samples[:, k])
        np.testing.assert_array_equal(case.annotations, maps.samples[:1, k])


def test_only_the_slices_that_were_drawn_are_scored(tmp_path):
    maps = draw_maps(num_slices=2)
    _, scan = written(tmp_path, maps, "0,2")
    entry = {
        "name": scan.name,
        "files": [f"{scan.name}/samples.dcm"],
        "pictures": [{"slice": 0}, {"slice": 2}],
    }
    content = {"format": "hpunet-samples-1", "images": [entry]}
    (tmp_path / "out" / "results.json").write_text(json.dumps(content))
    masks = tmp_path / "gt" / "anna" / f"{scan.name}.npy"
    masks.parent.mkdir(parents=True)
    np.save(masks, np.zeros((3, 7, 9), np.uint8))
    cases = list(open_folders(tmp_path / "out", tmp_path / "gt"))
    assert [case.name for case in cases] == [f"{scan.name}/slice_{k}" for k in (0, 2)]
    for k, case in enumerate(cases):
        np.testing.assert_array_equal(case.samples, maps.samples[:, k])


def test_other_objects_and_sources_of_several_frames_are_refused(tmp_path):
    folder, _ = written(tmp_path, draw_maps(num_slices=3))
    with pytest.raises(UserError, match=r"mean\.dcm: holds Mean of the samples; allowed are"):
        open_segments(folder / "mean.dcm")
    with pytest.raises(UserError, match=r"0\.dcm: not a readable DICOM Segmentation"):
        open_segments(tmp_path / "in" / "chest" / "0.dcm")
    cut = folder / "samples.dcm"
    cut.write_bytes(cut.read_bytes()[:400])
    with pytest.raises(UserError, match=r"samples\.dcm: not a readable DICOM Segmentation"):
        open_segments(cut)


def test_samples_of_a_file_of_several_frames_are_refused(tmp_path):
    path = write_enhanced(tmp_path / "in" / "e.dcm", np.zeros((3, 7, 9), np.int16), (0, 2, 4))
    image = pydicom.dcmread(path)
    image.StudyInstanceUID, image.FrameOfReferenceUID = "1.2.3", "1.2.3.9"
    image.SOPClassUID = pydicom.uid.EnhancedCTImageStorage
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.save_as(path)
    (scan,) = find_volumes([path], "all").volumes
    write_dicom(tmp_path, scan, draw_maps(num_slices=3), DESCRIBED)
    with pytest.raises(UserError, match=r"samples\.dcm: its source is a file of several frames"):
        open_segments(tmp_path / "samples.dcm")
