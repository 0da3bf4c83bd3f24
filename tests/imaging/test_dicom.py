import itertools
import sys
from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from hpunet.imaging.formats import open_file
from hpunet.imaging.read import find_volumes
from hpunet.imaging.volume import MASK
from hpunet.io.errors import UserError
from tests.imaging.dicom_phantom import AXIAL, ct_header, distinct, write_ct, write_enhanced

# The patient's axial slice: front at the top, the right side on the left.
SHOWN = distinct(4, 6)
HEIGHTS = (-7.5, 10, -10, 0, 2.5)
TURNS = list(itertools.product((False, True), repeat=3))


def read_one(path, slices=None):
    (scan,) = find_volumes([path], slices).volumes
    return scan


def values(picture):
    return picture.values[..., 0]


def write_series(folder, heights=HEIGHTS, **changes):
    """One file a height, whose pixels are 100 times its height in HU, in an order of its own."""
    for number, height in enumerate(heights):
        stored = np.full((2, 3), 100 * height + 1024, np.int16)
        position = {"ImagePositionPatient": [0, 0, height], "InstanceNumber": number}
        write_ct(folder / f"{number}.dcm", stored, **{**position, **changes})
    return folder


def test_values_are_in_hounsfield_units(tmp_path):
    path = write_ct(tmp_path / "ct.dcm", SHOWN, RescaleSlope=2, RescaleIntercept=-500)
    scan = read_one(path)
    (picture,) = scan.pictures
    np.testing.assert_array_equal(values(picture), SHOWN * 2 - 500)
    assert (picture.window, picture.quantity) == ((-1000, 400), "HU")
    assert picture.spacing == (0.7, 0.9)
    assert picture.values.dtype == np.float32
    assert (scan.name, scan.kind, scan.numbers) == ("ct", "dicom", None)
    assert scan.geometry.paths == (path,)
    assert scan.geometry.frames is None


@pytest.mark.parametrize(("transpose", "flip_rows", "flip_columns"), TURNS)
def test_every_way_to_store_an_axial_slice_shows_the_same(
    tmp_path, transpose, flip_rows, flip_columns
):
    to_left, to_back = [1, 0.1, 0], [-0.1, 1, 0]
    along_row = [-x for x in to_left] if flip_columns else to_left
    along_column = [-x for x in to_back] if flip_rows else to_back
    stored = SHOWN[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    spacing = [0.7, 0.9]
    if transpose:
        stored, spacing = stored.T, spacing[::-1]
        along_row, along_column = along_column, along_row
    path = write_ct(
        tmp_path / "ct.dcm",
        np.ascontiguousarray(stored),
        ImageOrientationPatient=[*along_row, *along_column],
        PixelSpacing=spacing,
        RescaleIntercept=0,
    )
    scan = read_one(path)
    np.testing.assert_array_equal(values(scan.pictures[0]), SHOWN)
    assert scan.pictures[0].spacing == (0.7, 0.9)
    np.testing.assert_array_equal(scan.geometry.view.store(SHOWN), stored)


@pytest.mark.parametrize("orientation", [(0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)])
@pytest.mark.parametrize(("transpose", "flip_rows", "flip_columns"), TURNS)
def test_sagittal_and_coronal_images_are_shown_with_the_head_at_the_top(
    tmp_path, orientation, transpose, flip_rows, flip_columns
):
    along_row, along_column = np.reshape(orientation, (2, 3)).tolist()
    stored = SHOWN[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    along_row = [-x for x in along_row] if flip_columns else along_row
    along_column = [-x for x in along_column] if flip_rows else along_column
    if transpose:
        stored, along_row, along_column = stored.T, along_column, along_row
    path = write_ct(
        tmp_path / "ct.dcm",
        np.ascontiguousarray(stored),
        ImageOrientationPatient=[*along_row, *along_column],
        RescaleIntercept=0,
    )
    scan = read_one(path)
    np.testing.assert_array_equal(values(scan.pictures[0]), SHOWN)
    np.testing.assert_array_equal(scan.geometry.view.store(SHOWN), stored)


@pytest.mark.parametrize("orientation", [AXIAL, (1, 0, 0, 0, -1, 0)])
def test_a_series_begins_at_the_feet(tmp_path, orientation):
    folder = write_series(tmp_path / "chest", ImageOrientationPatient=list(orientation))
    scan = read_one(folder, "all")
    heights = [values(picture)[0, 0] / 100 for picture in scan.pictures]
    assert heights == sorted(HEIGHTS)
    assert scan.numbers == (0, 1, 2, 3, 4)
    assert [path.name for path in scan.geometry.paths] == [
        f"{HEIGHTS.index(height)}.dcm" for height in sorted(HEIGHTS)
    ]


def test_chosen_slices_come_with_their_own_files(tmp_path):
    scan = read_one(write_series(tmp_path / "chest"), "4,0:2")
    assert scan.numbers == (4, 0, 1)
    assert [path.name for path in scan.geometry.paths] == ["1.dcm", "2.dcm", "0.dcm"]
    assert [values(picture)[0, 0] for picture in scan.pictures] == [1000, -1000, -750]


def test_images_without_positions_follow_their_numbers(tmp_path):
    for number, name in enumerate("cab"):
        write_ct(
            tmp_path / "x" / name,
            np.full((2, 2), number, np.int16),
            InstanceNumber=10 * number,
            RescaleIntercept=0,
            ImagePositionPatient=None,
        )
    scan = read_one(tmp_path / "x", "all")
    assert [values(picture)[0, 0] for picture in scan.pictures] == [0, 1, 2]


def test_frames_of_one_file_are_a_volume_from_the_feet(tmp_path):
    path = write_enhanced(tmp_path / "ct.dcm", distinct(3, 2, 4), heights=(5, -5, 0))
    scan = read_one(path, "1:3")
    np.testing.assert_array_equal(values(scan.pictures[0]), distinct(3, 2, 4)[2] * 2 - 1000)
    np.testing.assert_array_equal(values(scan.pictures[1]), distinct(3, 2, 4)[0] * 2 - 1000)
    assert scan.geometry.frames == (3, 1)
    assert scan.geometry.paths == (path, path)
    assert (scan.pictures[0].spacing, scan.pictures[0].quantity) == ((0.5, 0.6), "HU")


def test_one_frame_in_a_classic_file_is_a_single_image(tmp_path):
    scan = read_one(write_series(tmp_path / "chest", NumberOfFrames=1), "all")
    assert len(scan.pictures) == len(HEIGHTS)
    assert scan.geometry.frames is None


def test_more_frames_than_a_file_can_hold_are_refused(tmp_path):
    path = write_ct(tmp_path / "x.dcm", SHOWN, NumberOfFrames=2**31 - 1)
    assert refusal(path, "0") == f"{path}: is too short for 2147483647 frames"


def test_frames_without_places_keep_their_order(tmp_path):
    changes = dict.fromkeys(("ImageOrientationPatient", "ImagePositionPatient"))
    path = write_ct(tmp_path / "us.dcm", distinct(3, 2, 4), NumberOfFrames=3, **changes)
    scan = read_one(path, "all")
    np.testing.assert_array_equal(values(scan.pictures[2]), distinct(3, 2, 4)[2] - 1024)


@pytest.mark.parametrize(
    "changes",
    [
        {"Modality": "MR"},
        {"RescaleIntercept": None},
        {"RescaleType": "US"},
    ],
)
def test_only_rescaled_ct_is_in_hounsfield_units(tmp_path, changes):
    (picture,) = read_one(write_ct(tmp_path / "x.dcm", SHOWN, **changes)).pictures
    assert (picture.window, picture.quantity) == (None, "intensity")


@pytest.mark.parametrize(
    ("dtype", "bits", "expected"),
    [(np.uint8, 8, 255), (np.uint16, 12, 4095), (np.int16, 16, -1), (np.int16, 12, -1)],
)
def test_monochrome1_is_turned_so_that_high_is_bright(tmp_path, dtype, bits, expected):
    stored = distinct(4, 6, dtype=dtype)
    path = write_ct(
        tmp_path / "x.dcm",
        stored,
        Modality="CR",
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=bits,
        HighBit=bits - 1,
        RescaleSlope=2,
        RescaleIntercept=7,
    )
    displayed = values(read_one(path).pictures[0])
    np.testing.assert_array_equal(displayed, (expected - stored.astype(float)) * 2 + 7)


def test_hounsfield_units_are_the_same_in_monochrome1(tmp_path):
    path = write_ct(tmp_path / "x.dcm", SHOWN, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(values(read_one(path).pictures[0]), SHOWN - 1024)


@pytest.mark.parametrize(
    "changes",
    [
        {"PixelSpacing": None},
        {"PixelSpacing": ""},
        {"PixelSpacing": [0, 0]},
        {"PixelSpacing": None, "ImagerPixelSpacing": [0.1, 0.1]},
    ],
)
def test_spacing_is_unknown_unless_it_is_that_of_the_patient(tmp_path, changes):
    (picture,) = read_one(write_ct(tmp_path / "x.dcm", SHOWN, **changes)).pictures
    assert picture.spacing is None


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_pixels_are_read(tmp_path, syntax):
    header = ct_header(tmp_path / "x.dcm", distinct(16, 16, dtype=np.uint16))
    header.PixelData = distinct(16, 16, dtype=np.uint16).tobytes()
    if syntax == RLELossless:
        header.compress(syntax)
    else:
        stream = BytesIO()
        picture = Image.fromarray(distinct(16, 16, dtype=np.uint16))
        picture.save(stream, format="JPEG2000", no_jp2=True, irreversible=False)
        header.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
        header.file_meta.TransferSyntaxUID = syntax
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    displayed = values(read_one(tmp_path / "x.dcm").pictures[0])
    np.testing.assert_array_equal(displayed, distinct(16, 16).astype(float) - 1024)


def test_deflated_files_are_read(tmp_path):
    header = ct_header(tmp_path / "x.dcm", SHOWN, DeflatedExplicitVRLittleEndian)
    header.PixelData = SHOWN.tobytes()
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(values(read_one(tmp_path / "x.dcm").pictures[0]), SHOWN - 1024)


@pytest.mark.parametrize("name", ["IM0001", "1.2.840.113", "x.dcm"])
@pytest.mark.parametrize("implicit", [False, True])
def test_files_without_preamble_are_read(tmp_path, name, implicit):
    header = ct_header(tmp_path / name, SHOWN, ImplicitVRLittleEndian)
    header.PixelData = SHOWN.tobytes()
    dataset = pydicom.Dataset(header)
    dataset.save_as(tmp_path / name, implicit_vr=implicit, little_endian=True)
    assert (tmp_path / name).read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(values(read_one(tmp_path / name).pictures[0]), SHOWN - 1024)


def test_a_folder_holds_one_scan_a_series(tmp_path):
    write_series(tmp_path / "p" / "a", heights=(0, 1, 2))
    write_series(tmp_path / "p" / "b", heights=(0, 1), SeriesInstanceUID="1.2.3")
    write_ct(tmp_path / "p" / "b" / "IM1", SHOWN, SeriesInstanceUID="1.2.4", SeriesNumber=9)
    scans = find_volumes([tmp_path / "p"], "all").volumes
    assert {scan.name: len(scan.pictures) for scan in scans} == {
        "a": 3,
        "b/series-7": 2,
        "b/IM1": 1,
    }
    assert scans[0].place == tmp_path / "p" / "a"


def test_radiographs_in_a_folder_are_called_by_their_files(tmp_path):
    for number, name in enumerate(("case/pa.dcm", "case/lateral.dcm", "other.dcm")):
        write_ct(tmp_path / "p" / name, SHOWN, SeriesInstanceUID=f"1.2.{number}")
    names = [scan.name for scan in find_volumes([tmp_path / "p"]).volumes]
    assert names == ["case/lateral", "case/pa", "other"]


def test_every_file_of_several_frames_is_a_scan(tmp_path):
    for name in ("one.dcm", "two.dcm"):
        write_enhanced(tmp_path / "p" / name, distinct(2, 2, 4), heights=(0, 1))
    assert [scan.name for scan in find_volumes([tmp_path / "p"], "all").volumes] == ["one", "two"]


def test_a_series_in_the_named_folder_is_called_like_it(tmp_path):
    assert read_one(write_series(tmp_path / "chest"), "all").name == "chest"


def test_files_given_by_name_are_pictures_of_their_own(tmp_path):
    folder = write_series(tmp_path / "chest")
    scans = find_volumes([folder / "2.dcm", folder / "0.dcm"]).volumes
    assert [scan.name for scan in scans] == ["2", "0"]


def no_images(folder):
    """Files that DICOM folders hold beside images."""
    return [
        write_ct(folder / "scout", SHOWN, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        write_ct(folder / "seg.dcm", distinct(2, 2, dtype=np.uint8), Modality="SEG"),
        write_ct(folder / "dose.dcm", SHOWN, Modality="RTDOSE"),
        write_ct(folder / "report.dcm", SHOWN, Modality="SR", Rows=None, Columns=None),
    ]


def test_what_is_no_image_is_left_out_of_folders_and_counted(tmp_path):
    write_series(tmp_path / "ct")
    others = no_images(tmp_path / "ct")
    found = find_volumes([tmp_path / "ct"], "all")
    assert [len(scan.pictures) for scan in found.volumes] == [len(HEIGHTS)]
    assert sorted(one.place for one in found.left_out) == sorted(map(str, others))
    assert {one.reason.partition(";")[0] for one in found.left_out} == {
        "is a localizer",
        *(f"holds no image ({kind})" for kind in ("SEG", "RTDOSE", "SR")),
    }


def check_all(path, slices):
    for scan in find_volumes([path], slices).volumes:
        list(scan.pictures)


def refusal(path, slices=None):
    with pytest.raises(UserError) as refused:
        check_all(path, slices)
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message


def test_what_is_no_image_is_refused_by_name(tmp_path):
    scout, *others = no_images(tmp_path)
    assert refusal(scout).startswith(f"{scout}: is a localizer")
    for path in others:
        assert refusal(path).startswith(f"{path}: holds no image")


@pytest.mark.parametrize("kind", ["RGB", "PALETTE COLOR", "YBR_FULL"])
def test_colours_are_refused(tmp_path, kind):
    path = write_ct(tmp_path / "x.dcm", SHOWN, PhotometricInterpretation=kind)
    assert refusal(path) == (
        f"{path}: has PhotometricInterpretation {kind}; allowed are MONOCHROME1 and MONOCHROME2"
    )


@pytest.mark.parametrize("keyword", ["Columns", "PhotometricInterpretation", "BitsStored"])
@pytest.mark.parametrize("is_empty", [False, True])
def test_element_that_an_image_lacks_is_named(tmp_path, keyword, is_empty):
    path = write_ct(
        tmp_path / "x.dcm", SHOWN, Modality="MR", PhotometricInterpretation="MONOCHROME1"
    )
    header = pydicom.dcmread(path)
    if is_empty:
        header[keyword].value = None
    else:
        del header[keyword]
    header.save_as(path, enforce_file_format=False)
    assert refusal(path) == f"{path}: lacks {keyword}, which a DICOM image needs"


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        (
            "size is 3, 2, and that of 2 other images of its series is 2, 3",
            {"Rows": 3, "Columns": 2},
        ),
        (
            "orientation is 0, 1, 0, 1, 0, 0, and that",
            {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]},
        ),
        ("spacing is 0.7, 0.8, and that", {"PixelSpacing": [0.7, 0.8]}),
        ("spacing is unknown, and that", {"PixelSpacing": None}),
        ("quantity in HU is False, and that", {"RescaleIntercept": None}),
        ("frame of reference is 1.2, and that", {"FrameOfReferenceUID": "1.2"}),
    ],
)
def test_an_image_unlike_its_series_is_left_out_with_the_reason(tmp_path, what, changes):
    write_series(tmp_path / "x", heights=(0, 1))
    odd = write_ct(
        tmp_path / "x" / "odd.dcm", distinct(2, 3), ImagePositionPatient=[0, 0, 5], **changes
    )
    found = find_volumes([tmp_path / "x"], "all")
    assert [len(scan.pictures) for scan in found.volumes] == [2]
    (left_out,) = found.left_out
    assert str(left_out).startswith(f"{odd}: its {what}")
    assert found.failed == []


def test_rounding_in_headers_is_no_difference(tmp_path):
    write_series(tmp_path / "x", heights=(0, 1))
    write_ct(
        tmp_path / "x" / "odd.dcm",
        distinct(2, 3),
        ImagePositionPatient=[0, 0, 5],
        PixelSpacing=[0.70000001, 0.9],
        ImageOrientationPatient=[1, 1e-6, 0, -1e-6, 1, 0],
    )
    assert len(read_one(tmp_path / "x", "all").pictures) == 3


def test_two_images_of_one_position_are_both_named(tmp_path):
    folder = write_series(tmp_path / "x", heights=(0, 2, 2, 0, 4, 4))
    message = refusal(folder, "all")
    assert f"{folder / '3.dcm'}: lies at 0, 0, 0 mm, as {folder / '0.dcm'}" in message
    assert "nothing in its header tells them apart" in message


def test_a_repeated_slice_is_left_out(tmp_path):
    folder = write_series(tmp_path / "x", heights=(0, 2, 4, 2))
    found = find_volumes([folder], "all")
    assert [path.name for path in found.volumes[0].geometry.paths] == ["0.dcm", "1.dcm", "2.dcm"]
    assert [str(one) for one in found.left_out] == [
        f"{folder / '3.dcm'}: lies at the position of 1.dcm"
    ]


def test_copies_of_files_are_left_out(tmp_path):
    folder = write_series(tmp_path / "x")
    (folder / "copy").mkdir()
    for path in list(folder.glob("*.dcm")):
        (folder / "copy" / path.name).write_bytes(path.read_bytes())
    found = find_volumes([folder], "all")
    assert [len(scan.pictures) for scan in found.volumes] == [len(HEIGHTS)]
    assert len(found.left_out) == len(HEIGHTS)
    assert found.left_out[0].reason == "is a copy of 0.dcm"


def test_an_image_without_position_among_others_is_left_out(tmp_path):
    folder = write_series(tmp_path / "x", heights=(0, 2))
    odd = write_ct(folder / "z.dcm", distinct(2, 3), ImagePositionPatient=None)
    found = find_volumes([folder], "all")
    assert [len(scan.pictures) for scan in found.volumes] == [2]
    assert [str(one) for one in found.left_out] == [
        f"{odd}: lacks ImagePositionPatient, which 2 other images of its series have"
    ]


ECHOES = {
    "EchoTime": (4.6, 9.2),
    "EchoNumbers": (1, 2),
    "TemporalPositionIdentifier": (1, 2),
    "AcquisitionNumber": (3, 4),
    "ImageType": (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]),
    "DiffusionBValue": (0, 800),
}


@pytest.mark.parametrize("keyword", ECHOES)
def test_volumes_at_the_same_positions_are_split_by_what_differs(tmp_path, keyword):
    for number, value in enumerate(ECHOES[keyword]):
        write_series(
            tmp_path / "mr" / str(number),
            heights=(0, 2, 4),
            Modality="MR",
            RescaleIntercept=-1024 + number,
            RescaleType="US",
            **{keyword: value},
        )
    found = find_volumes([tmp_path / "mr"], "all")
    assert found.left_out == []
    names = [scan.name for scan in found.volumes]
    assert len(set(names)) == 2
    assert all(name.startswith(f"mr/{keyword}-") for name in names)
    for scan in found.volumes:
        offset = values(scan.pictures[0])[0, 0]
        assert [values(picture)[0, 0] for picture in scan.pictures] == [
            offset,
            200 + offset,
            400 + offset,
        ]


def test_echoes_at_several_times_are_split_by_both(tmp_path):
    for echo, time in itertools.product((1, 2), (1, 2, 3)):
        write_series(
            tmp_path / "mr" / f"{echo}{time}",
            heights=(0, 2),
            EchoNumbers=echo,
            TemporalPositionIdentifier=time,
        )
        for path in (tmp_path / "mr" / f"{echo}{time}").iterdir():
            path.rename(tmp_path / "mr" / f"{echo}{time}{path.name}")
    found = find_volumes([tmp_path / "mr"], "all")
    assert [len(scan.pictures) for scan in found.volumes] == [2] * 6
    assert found.volumes[0].name == "mr/EchoNumbers-1-TemporalPositionIdentifier-1"


@pytest.mark.parametrize("in_turn", [False, True])
def test_volumes_without_any_trait_are_split_by_instance_number(tmp_path, in_turn):
    for time, place in itertools.product(range(2), range(3)):
        write_ct(
            tmp_path / "mr" / f"{time}{place}.dcm",
            np.full((2, 3), 10 * time + place, np.int16),
            ImagePositionPatient=[0, 0, 5 - place],
            InstanceNumber=2 * place + time if in_turn else 3 * time + place,
            RescaleIntercept=0,
        )
    found = find_volumes([tmp_path / "mr"], "all")
    shown = {scan.name: [values(one)[0, 0] for one in scan.pictures] for scan in found.volumes}
    assert shown == {"mr/part-1": [2, 1, 0], "mr/part-2": [12, 11, 10]}


def test_frames_of_several_echoes_are_split(tmp_path):
    path = write_enhanced(tmp_path / "mr.dcm", distinct(4, 2, 3), heights=(0, 0, 2, 2))
    header = pydicom.dcmread(path)
    for frame, groups in enumerate(header.PerFrameFunctionalGroupsSequence):
        echo = pydicom.Dataset()
        echo.EffectiveEchoTime = (5.0, 10.0)[frame % 2]
        groups.MREchoSequence = [echo]
    header.save_as(path)
    found = find_volumes([path], "all")
    assert [(scan.name, scan.geometry.frames) for scan in found.volumes] == [
        ("mr/EffectiveEchoTime-5.0", (1, 3)),
        ("mr/EffectiveEchoTime-10.0", (2, 4)),
    ]


def test_stacks_of_similar_size_are_volumes_of_their_own(tmp_path):
    planes = [AXIAL, (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)]
    for number, orientation in enumerate(planes):
        normal = np.cross(orientation[:3], orientation[3:])
        for step in range(3):
            write_ct(
                tmp_path / "mr" / f"{number}{step}.dcm",
                distinct(2, 3),
                ImageOrientationPatient=list(orientation),
                ImagePositionPatient=[float(x) for x in 5 * step * normal],
            )
    found = find_volumes([tmp_path / "mr"], "all")
    assert [len(scan.pictures) for scan in found.volumes] == [3, 3, 3]
    assert [scan.geometry.plane for scan in found.volumes] == ["axial", "sagittal", "coronal"]
    assert [scan.name for scan in found.volumes] == [f"mr/stack-{n}" for n in (1, 2, 3)]


def test_images_of_which_no_two_are_parallel_are_left_out(tmp_path):
    for number, orientation in enumerate([AXIAL, (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)]):
        write_ct(tmp_path / f"{number}.dcm", distinct(2, 3), ImageOrientationPatient=[*orientation])
    message = refusal(tmp_path, "all")
    assert "contains no image (files: 3 .dcm)" in message
    assert "0.dcm: is one of 3 images of its series, no two of which are parallel" in message
    write_series(tmp_path / "ct", heights=(0, 1), SeriesInstanceUID="1.2.4")
    found = find_volumes([tmp_path], "all")
    assert [scan.name for scan in found.volumes] == ["ct"]
    assert len(found.left_out) == 3


def test_radiographs_of_several_sizes_are_pictures_of_their_own(tmp_path):
    bare = {"ImageOrientationPatient": None, "ImagePositionPatient": None, "Modality": "DX"}
    for number in (2, 3):
        write_ct(tmp_path / "chest" / f"{number}.dcm", distinct(number, 3), **bare)
    found = find_volumes([tmp_path / "chest"])
    assert [scan.name for scan in found.volumes] == ["chest/stack-1", "chest/stack-2"]


def test_one_odd_series_does_not_stop_a_study(tmp_path):
    write_series(tmp_path / "study" / "a", heights=(0, 1))
    bad = write_series(tmp_path / "study" / "b", heights=(0, 0), SeriesInstanceUID="1.2.4")
    colour = write_ct(
        tmp_path / "study" / "c.dcm", SHOWN, PhotometricInterpretation="RGB", SeriesInstanceUID="1"
    )
    found = find_volumes([tmp_path / "study"], "all")
    assert [scan.name for scan in found.volumes] == ["a"]
    assert [one.place for one in found.failed] == [str(colour), str(bad)]


def test_series_in_one_folder_are_told_apart_in_messages(tmp_path):
    for series in (3, 4):
        for height in (0, 2):
            write_ct(
                tmp_path / "flat" / f"{series}-{height}",
                SHOWN,
                SeriesInstanceUID=f"1.{series}",
                SeriesNumber=series,
                ImagePositionPatient=[0, 0, height],
            )
    single = write_ct(tmp_path / "flat" / "one", SHOWN, SeriesInstanceUID="1.5", SeriesNumber=5)
    folder = tmp_path / "flat"
    found = find_volumes([folder], "all")
    assert [scan.shown_place for scan in found.volumes] == [
        f"{folder} (flat/series-3)",
        f"{folder} (flat/series-4)",
        str(single),
    ]


@pytest.mark.parametrize("keyword", ["PatientID", "StudyInstanceUID"])
def test_patients_whose_series_have_one_identifier_are_volumes_of_their_own(tmp_path, keyword):
    for number in "12":
        write_series(tmp_path / "all" / number, heights=(0, 2), **{keyword: number})
    found = find_volumes([tmp_path / "all"], "all")
    assert [scan.name for scan in found.volumes] == ["1", "2"]


def test_patients_without_any_identifier_are_told_apart_by_folder(tmp_path):
    for name in ("ann", "bob"):
        write_series(tmp_path / "all" / name, heights=(0, 2))
    found = find_volumes([tmp_path / "all"], "all")
    assert [scan.name for scan in found.volumes] == ["all/ann", "all/bob"]


def test_pixels_that_pydicom_cannot_decode_are_refused(tmp_path):
    header = ct_header(tmp_path / "x.dcm", SHOWN, JPEGLosslessSV1)
    header.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    if pydicom.pixels.get_decoder(JPEGLosslessSV1).is_available:
        pytest.skip("a package that decodes this is installed")
    assert "compressed as JPEG Lossless" in refusal(tmp_path / "x.dcm")


def test_truncated_files_are_refused(tmp_path):
    path = write_ct(tmp_path / "x.dcm", SHOWN)
    path.write_bytes(path.read_bytes()[:-10])
    assert "not a readable DICOM image" in refusal(path)
    path.write_bytes(path.read_bytes()[:140])
    assert refusal(path).startswith(f"{path}: ")


def test_malformed_numbers_are_refused(tmp_path):
    path = write_ct(tmp_path / "x.dcm", SHOWN, ImagePositionPatient=[1, 2])
    assert "3 numbers expected" in refusal(path)


def test_lookup_tables_are_refused(tmp_path):
    path = write_ct(tmp_path / "x.dcm", SHOWN, ModalityLUTSequence=[pydicom.Dataset()])
    assert "allowed is a linear rescaling" in refusal(path)


def test_without_pydicom_the_line_says_what_to_install(tmp_path, monkeypatch):
    path = write_ct(tmp_path / "x.dcm", SHOWN)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    expected = f"{path}: reading DICOM needs pydicom: pip install 'hpunet[medical]'"
    assert refusal(path) == expected


def test_nothing_is_printed_of_what_pydicom_finds_odd(tmp_path, capfd):
    path = write_ct(tmp_path / "x.dcm", SHOWN)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.5.1.4.1.x.2"))
    list(read_one(path).pictures)
    assert capfd.readouterr() == ("", "")


def test_slices_are_described_as_viewers_name_them(tmp_path):
    write_series(tmp_path / "ct")
    (scan,) = find_volumes([tmp_path / "ct"], "all").volumes
    lowest = min(HEIGHTS)
    assert f"{lowest:g} mm" in scan.geometry.places[0]
    assert scan.geometry.places[0].startswith("instance ")
    assert len(set(scan.geometry.places)) == len(HEIGHTS)


@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({"WindowCenter": 600, "WindowWidth": 1600}, (-200, 1400)),
        ({"WindowCenter": [600, 40], "WindowWidth": [1600, 400]}, (-200, 1400)),
        ({"WindowCenter": 600}, None),
        ({"WindowCenter": 600, "WindowWidth": 0}, None),
    ],
)
def test_the_window_of_the_header_is_suggested_but_not_taken(tmp_path, changes, window):
    path = write_ct(tmp_path / "mr.dcm", SHOWN, Modality="MR", **changes)
    (picture,) = read_one(path).pictures
    assert (picture.window, picture.suggested) == (None, window)


def test_the_suggested_window_follows_the_inversion(tmp_path):
    path = write_ct(
        tmp_path / "cr.dcm",
        distinct(4, 6, dtype=np.uint8),
        Modality="CR",
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope=2,
        RescaleIntercept=7,
        WindowCenter=100,
        WindowWidth=50,
    )
    (picture,) = read_one(path).pictures
    # The stored value (75 - 7) / 2 is shown at one end, (125 - 7) / 2 at the other.
    assert picture.suggested == ((255 - 59) * 2 + 7, (255 - 34) * 2 + 7)


def test_extended_jpeg_of_12_bits_names_the_package_that_decodes_it(tmp_path):
    if {"pylibjpeg", "gdcm"} & set(pydicom.pixels.get_decoder(JPEGExtended12Bit).available_plugins):
        pytest.skip("a package that decodes this is installed")
    header = ct_header(tmp_path / "x.dcm", distinct(4, 6, dtype=np.uint16), JPEGExtended12Bit)
    header.BitsStored, header.HighBit = 12, 11
    header.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    header["PixelData"].is_undefined_length = True
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    message = refusal(tmp_path / "x.dcm")
    assert "is compressed as JPEG Extended" in message
    assert "pip install pylibjpeg pylibjpeg-libjpeg" in message


def test_an_annotated_folder_reads_one_series_as_one_image(tmp_path):
    write_series(tmp_path / "ct", heights=(2, 0))
    volume = open_file(tmp_path / "ct")
    assert [values(picture)[0, 0] for picture in volume.pictures] == [0, 200]
    write_ct(
        tmp_path / "ct" / "odd.dcm", distinct(2, 3), ImageOrientationPatient=[0, 1, 0, 0, 0, -1]
    )
    with pytest.raises(UserError, match=r"ct: holds images that are not parallel \(.*odd\.dcm"):
        open_file(tmp_path / "ct")
    with pytest.raises(UserError, match="DICOM is read as images only"):
        open_file(tmp_path / "ct" / "0.dcm", MASK)
