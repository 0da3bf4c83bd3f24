import contextlib
import logging
import sys

import numpy as np
import pytest
from PIL import Image

from hpunet.imaging.dicom import DicomGeometry
from hpunet.imaging.read import find_volumes
from hpunet.imaging.volume import Orientation, Volume
from hpunet.imaging.write import check_formats, write_maps
from hpunet.imaging.write_dicom import check_sources, write_dicom
from hpunet.io.errors import UserError
from tests.imaging.drawn import STD_ROUNDING, draw_maps, maps_of, std_over

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

from tests.imaging.dicom_phantom import write_ct, write_enhanced  # noqa: E402

# Half a step of 8 bits, and of float32.
FRACTION = 0.501 / 255
DESCRIBED = {"version": "9.8", "weights": "made-up", "seed": "3"}
PATIENT = {
    "PatientName": "Doe^Jane",
    "PatientID": "42",
    "PatientBirthDate": "19500102",
    "PatientSex": "F",
    "StudyInstanceUID": "1.2.3",
    "StudyID": "5",
    "AccessionNumber": "7",
    "StudyDate": "20110203",
    "StudyTime": "040506",
    "ContentDate": "20110204",
    "ContentTime": "070809",
    "FrameOfReferenceUID": "1.2.3.9",
    "SliceThickness": 2,
}


def series(folder, num_slices=3, **changes):
    """Writes images of 7 rows and 9 columns, 2 mm apart; a change of None removes an element."""
    header = {key: value for key, value in {**PATIENT, **changes}.items() if value is not None}
    missing = {key: None for key, value in changes.items() if value is None and key not in PATIENT}
    return [
        write_ct(
            folder / f"{index}.dcm",
            np.zeros((7, 9), np.int16),
            **{"ImagePositionPatient": [-10, -20, 2 * index], **header, **missing},
        )
        for index in range(num_slices)
    ]


def scan_of(paths, frames=None, view=Orientation()):  # noqa: B008
    geometry = DicomGeometry(tuple(paths), frames, view)
    numbers = tuple(range(len(paths)))
    return Volume("chest", paths[0].parent, "dicom", [None] * len(paths), numbers, geometry)


def write(tmp_path, scan, maps, described=DESCRIBED, name="out"):
    folder = tmp_path / name
    folder.mkdir()
    return {path.stem: path for path in write_dicom(folder, scan, maps, described)}


@contextlib.contextmanager
def opened(read, path):
    """An object of highdicom, which leaves a database in memory open on its own."""
    made = read(path)
    try:
        yield made
    finally:
        made._db_con.close()


def masks_in(path, paths, **choices):
    """Pixels of every segment at the source's images, `[M, N, H, W]`."""
    uids = [pydicom.dcmread(source).SOPInstanceUID for source in paths]
    choices = {"assert_missing_frames_are_empty": True, **choices}
    with opened(highdicom.seg.segread, path) as made:
        return np.moveaxis(made.get_pixels_by_source_instance(uids, **choices), -1, 0)


def values_in(path, paths):
    uids = [pydicom.dcmread(source).SOPInstanceUID for source in paths]
    with opened(highdicom.pm.sop.pmread, path) as made:
        return made.get_pixels_by_source_instance(uids)


def labels_in(path):
    return [item.SegmentLabel for item in pydicom.dcmread(path).SegmentSequence]


def test_masks_come_back_at_their_slices(tmp_path):
    paths, maps = series(tmp_path), draw_maps(num_slices=3)
    written = write(tmp_path, scan_of(paths), maps)
    assert list(written) == ["samples", "mean", "std", "entropy"]
    np.testing.assert_array_equal(masks_in(written["samples"], paths), maps.samples)
    assert labels_in(written["samples"]) == ["Sample 1", "Sample 2", "Sample 3"]
    made = pydicom.dcmread(written["samples"])
    assert {item.SegmentAlgorithmType for item in made.SegmentSequence} == {"AUTOMATIC"}


def test_slices_in_any_order_go_to_their_own_images(tmp_path):
    paths, maps = series(tmp_path), draw_maps(num_slices=2)
    chosen = [paths[2], paths[0]]
    written = write(tmp_path, scan_of(chosen), maps)
    np.testing.assert_array_equal(masks_in(written["samples"], chosen), maps.samples)
    made = pydicom.dcmread(written["std"])
    places = [
        float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        for frame in made.PerFrameFunctionalGroupsSequence
    ]
    assert sorted(places) == [0, 4]
    found = values_in(written["std"], chosen)
    np.testing.assert_allclose(found, std_over(maps)[0], rtol=0, atol=STD_ROUNDING)


def test_maps_are_fractions_and_exact_values(tmp_path):
    paths, maps = series(tmp_path), draw_maps(num_slices=3)
    written = write(tmp_path, scan_of(paths), maps)
    mean = masks_in(written["mean"], paths, rescale_fractional=True)
    np.testing.assert_allclose(mean, maps.mean, rtol=0, atol=FRACTION)
    std = values_in(written["std"], paths)
    np.testing.assert_allclose(std, std_over(maps)[0], rtol=0, atol=STD_ROUNDING)
    np.testing.assert_array_equal(values_in(written["entropy"], paths), maps.entropy)


def test_what_was_turned_for_display_is_turned_back(tmp_path):
    view = Orientation(transpose=True, flip_columns=True)
    stored = draw_maps(num_slices=1)
    displayed = np.stack([view.show(sample[0])[None] for sample in stored.samples])
    assert displayed.shape == (3, 1, 9, 7)
    paths = series(tmp_path, num_slices=1)
    written = write(tmp_path, scan_of(paths, view=view), maps_of(displayed, 2))
    np.testing.assert_array_equal(masks_in(written["samples"], paths), stored.samples)
    np.testing.assert_array_equal(values_in(written["entropy"], paths), stored.entropy)
    check_sources(scan_of(paths, view=view))


def test_several_classes_have_a_segment_each(tmp_path):
    paths, maps = series(tmp_path), draw_maps(num_classes=4, num_slices=3)
    written = write(tmp_path, scan_of(paths), maps)
    found = masks_in(written["samples"], paths).reshape(3, 3, *maps.samples.shape[1:])
    for label in (1, 2, 3):
        np.testing.assert_array_equal(found[:, label - 1], maps.samples == label)
    assert labels_in(written["samples"])[4] == "Sample 2, class 2"
    mean = masks_in(written["mean"], paths, rescale_fractional=True, combine_segments=False)
    np.testing.assert_allclose(mean, maps.mean, rtol=0, atol=FRACTION)
    std = values_in(written["std_class_3"], paths)
    np.testing.assert_allclose(std, std_over(maps)[2], rtol=0, atol=STD_ROUNDING)
    np.testing.assert_array_equal(values_in(written["entropy"], paths), maps.entropy)


def test_an_empty_sample_is_a_segment_without_frames(tmp_path):
    paths, maps = series(tmp_path), draw_maps(num_slices=3)
    samples = maps.samples.copy()
    samples[1] = 0
    written = write(tmp_path, scan_of(paths), maps_of(samples, 2))
    np.testing.assert_array_equal(masks_in(written["samples"], paths), samples)
    assert pydicom.dcmread(written["samples"]).NumberOfFrames == 6


def test_samples_that_are_all_empty_make_whole_files(tmp_path, caplog):
    paths = series(tmp_path)
    maps = maps_of(np.zeros((2, 3, 7, 9), np.uint8), 2)
    with caplog.at_level(logging.WARNING):
        written = write(tmp_path, scan_of(paths), maps)
    assert caplog.records == []
    assert not masks_in(written["samples"], paths).any()
    assert masks_in(written["samples"], paths).shape == maps.samples.shape
    assert not masks_in(written["mean"], paths).any()
    assert not values_in(written["entropy"], paths).any()
    for path in written.values():
        assert pydicom.dcmread(path).NumberOfFrames > 0
        assert pydicom.dcmread(path).pixel_array.size > 0


def test_same_maps_give_the_same_bytes(tmp_path):
    paths, maps = series(tmp_path), draw_maps(num_slices=3)
    first = write(tmp_path, scan_of(paths), maps, name="a")
    second = write(tmp_path, scan_of(paths), maps, name="b")
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes()


def test_every_object_has_its_own_uid(tmp_path):
    paths, maps = series(tmp_path), draw_maps(num_slices=3)
    other = maps.samples.copy()
    other[0, 0, 0, 0] ^= 1
    runs = [
        write(tmp_path, scan_of(paths), maps, name="a"),
        write(tmp_path, scan_of(paths), maps, described={**DESCRIBED, "seed": "4"}, name="b"),
        write(tmp_path, scan_of(paths), maps_of(other, 2), name="c"),
        write(tmp_path, scan_of(paths[:2]), draw_maps(num_slices=2), name="d"),
    ]
    made = [pydicom.dcmread(path) for run in runs for path in run.values()]
    assert len({image.SOPInstanceUID for image in made}) == 16
    # One series of segmentations and one of maps a run: a series has one modality.
    assert len({(image.SeriesInstanceUID, image.Modality) for image in made}) == 8
    assert len({image.SeriesInstanceUID for image in made}) == 8


def test_patient_study_and_time_are_the_sources(tmp_path):
    paths = series(tmp_path, PatientName="Jane")
    for path in write(tmp_path, scan_of(paths), draw_maps(num_slices=3)).values():
        made, source = pydicom.dcmread(path), pydicom.dcmread(paths[0])
        for keyword in (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "StudyInstanceUID",
            "StudyDate",
            "StudyTime",
            "ContentDate",
            "ContentTime",
            "FrameOfReferenceUID",
        ):
            assert made[keyword].value == source[keyword].value, keyword
        assert made.SoftwareVersions == "9.8"


def test_segments_say_how_they_came_about(tmp_path):
    written = write(tmp_path, scan_of(series(tmp_path)), draw_maps(num_slices=3))
    made = pydicom.dcmread(written["samples"])
    algorithm = made.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "hpunet"
    assert algorithm.AlgorithmVersion == "9.8"
    assert algorithm.AlgorithmParameters == "version=9.8,weights=made-up,seed=3"


def test_gaps_of_anonymised_files_stay_gaps(tmp_path):
    gaps = dict.fromkeys(set(PATIENT) - {"StudyInstanceUID"})
    paths, maps = series(tmp_path, **gaps), draw_maps(num_slices=3)
    check_sources(scan_of(paths))
    written = write(tmp_path, scan_of(paths), maps)
    np.testing.assert_array_equal(masks_in(written["samples"], paths), maps.samples)
    made = pydicom.dcmread(written["samples"])
    assert (made.PatientID, made.PatientName, made.StudyDate) == ("", "", "")
    assert made.ContentDate == "19000101"


def test_names_of_patients_raise_no_warnings(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        check_sources(scan_of(series(tmp_path, PatientName="LIDC-IDRI-0001", PatientSex="X")))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("letters", "name"),
    [("ISO_IR 192", "Müller"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう")],
)
def test_names_in_other_letters_stay_readable(tmp_path, letters, name):
    paths = series(tmp_path, SpecificCharacterSet=letters, PatientName=name)
    check_sources(scan_of(paths))
    for path in write(tmp_path, scan_of(paths), draw_maps(num_slices=3)).values():
        assert str(pydicom.dcmread(path).PatientName) == name


RADIOGRAPH = {
    "SOPClassUID": pydicom.uid.DigitalXRayImageStorageForPresentation,
    "Modality": "DX",
    "ImageOrientationPatient": None,
    "ImagePositionPatient": None,
    "FrameOfReferenceUID": None,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"FrameOfReferenceUID": ""},
        {"FrameOfReferenceUID": "1.2.9"},
        {"ImageOrientationPatient": "", "ImagePositionPatient": ""},
        {"PixelSpacing": None},
        {"SOPClassUID": pydicom.uid.CTImageStorage},
        {"SOPClassUID": pydicom.uid.ComputedRadiographyImageStorage},
        {"SOPClassUID": pydicom.uid.DigitalMammographyXRayImageStorageForPresentation},
    ],
)
def test_a_radiograph_gets_masks_without_a_place(tmp_path, changes):
    (path,) = series(tmp_path, 1, **{**RADIOGRAPH, **changes})
    scan, maps = scan_of([path]), draw_maps(num_slices=1)
    (note,) = check_formats(scan, ["dicom"])
    assert "segmentations without a frame of reference" in note
    written = write(tmp_path, scan, maps)
    names = [file.name for file in written.values()]
    assert names == ["samples.dcm", "mean.dcm", "std.png", "entropy.png"]
    np.testing.assert_array_equal(masks_in(written["samples"], [path]), maps.samples)
    mean = masks_in(written["mean"], [path], rescale_fractional=True)
    np.testing.assert_allclose(mean, maps.mean, rtol=0, atol=FRACTION)
    made, source = pydicom.dcmread(written["samples"]), pydicom.dcmread(path)
    assert made.get("FrameOfReferenceUID") == (changes.get("FrameOfReferenceUID") or None)
    referred = [item.value for item in made.iterall() if item.keyword == "ReferencedSOPClassUID"]
    assert set(referred) == {source.SOPClassUID}
    entropy = np.asarray(Image.open(written["entropy"])) / 65535 * np.log(2)
    np.testing.assert_allclose(entropy, maps.entropy[0], atol=1e-5)


def test_maps_of_a_radiograph_are_listed_once(tmp_path):
    (path,) = series(tmp_path, 1, **RADIOGRAPH)
    scan = scan_of([path])._replace(numbers=None)
    written = write_maps(tmp_path, scan, draw_maps(num_slices=1), ["dicom", "png"], DESCRIBED)
    assert len(written) == len(set(written)) == 2 + 3 + 3


@pytest.mark.parametrize(
    "missing",
    [
        "SOPInstanceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "PixelSpacing",
        "ImageOrientationPatient",
        "ImagePositionPatient",
    ],
)
@pytest.mark.parametrize("is_empty", [False, True])
def test_missing_element_is_named_with_its_file(tmp_path, missing, is_empty):
    paths = series(tmp_path)
    image = pydicom.dcmread(paths[1])
    if is_empty:
        image[missing].value = None
    else:
        del image[missing]
    image.save_as(paths[1], enforce_file_format=False)
    with pytest.raises(UserError) as refused:
        check_sources(scan_of(paths))
    assert str(refused.value) == (
        f"{paths[1]}: lacks {missing}, which DICOM results need; choose --format=png or npy"
    )


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
@pytest.mark.parametrize("value", ["1.2.4", None])
def test_a_later_image_that_does_not_belong_to_the_others_is_refused(tmp_path, keyword, value):
    paths = series(tmp_path)
    odd = pydicom.dcmread(paths[2])
    odd.pop(keyword)
    if value:
        setattr(odd, keyword, value)
    odd.save_as(paths[2])
    with pytest.raises(UserError, match=rf"{keyword}.*--format=png or npy$"):
        check_sources(scan_of(paths))


def test_sources_are_checked_without_a_mask_of_the_whole_volume(tmp_path, monkeypatch):
    made = []
    segmentation = highdicom.seg.Segmentation

    def spied(**given):
        made.append((given["pixel_array"].shape, len(given["source_images"])))
        return segmentation(**given)

    monkeypatch.setattr(highdicom.seg, "Segmentation", spied)
    check_sources(scan_of(series(tmp_path)))
    assert made == [((1, 7, 9, 1), 1)]


def test_frames_whose_places_are_not_said_are_refused_as_masks_alone(tmp_path):
    film = write_ct(
        tmp_path / "film.dcm",
        np.zeros((3, 7, 9), np.uint8),
        **{**PATIENT, "Modality": "US", "NumberOfFrames": 3},
    )
    (scan,) = find_volumes([film], "0,2").volumes
    with pytest.raises(
        UserError, match=r"PerFrameFunctionalGroupsSequence.*png or npy$"
    ) as refused:
        check_formats(scan, ["dicom"])
    assert len(str(refused.value).splitlines()) == 1
    check_formats(scan, ["png", "npy"])
    written = write_maps(tmp_path, scan, draw_maps(num_slices=2), ["png", "npy"], DESCRIBED)
    assert all(path.is_file() for path in written)
    assert scan.pictures[1].values.shape == (7, 9, 1)


@pytest.mark.parametrize("sequence", ["PixelMeasuresSequence", "PlaneOrientationSequence"])
def test_missing_element_of_frames_is_named(tmp_path, sequence):
    path = write_enhanced(tmp_path / "x.dcm", np.zeros((2, 7, 9), np.uint16), [0, 2])
    header = pydicom.dcmread(path)
    header.StudyInstanceUID = "1.2.3"
    del header.SharedFunctionalGroupsSequence[0][sequence]
    header.save_as(path)
    (scan,) = find_volumes([path], "all").volumes
    with pytest.raises(UserError, match=rf"^{path}: lacks {sequence}, which DICOM results need"):
        check_sources(scan)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    scan = scan_of(series(tmp_path))
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(UserError, match=r"pip install 'hpunet\[medical\]'"):
        check_sources(scan)
