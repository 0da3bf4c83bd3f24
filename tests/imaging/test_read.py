import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpunet.imaging.naming import distinct_names
from hpunet.imaging.read import find_volumes
from hpunet.imaging.volume import Excluded
from hpunet.io.errors import UserError
from hpunet.io.listing import natural_key
from tests.imaging.dicom_phantom import distinct, write_ct

GRAY = np.arange(24, dtype=np.uint8).reshape(4, 6)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(GRAY).save(path)
    return path


def volume(path, slices=5):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros((slices, 8, 8), np.uint8))
    return path


def names(*paths, slices=None):
    return [scan.name for scan in find_volumes(paths, slices).volumes]


def natural(names):
    return sorted(names, key=natural_key)


def refusal(*paths, slices=None):
    with pytest.raises(UserError) as refused:
        find_volumes(paths, slices)
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message


def test_scans_come_in_the_order_of_the_files(tmp_path):
    paths = [picture(tmp_path / name) for name in ("b.png", "a.tif", "c.jpg")]
    scans = find_volumes([str(path) for path in paths]).volumes
    assert [(scan.name, scan.place) for scan in scans] == list(zip("bac", paths, strict=True))


def test_a_folder_is_read_with_its_folders_in_natural_order(tmp_path):
    for name in ("x10.png", "x2.png", "x².png", "sub/b.tif", "sub/deep/a.npy.png", "x2b.JPG"):
        picture(tmp_path / name)
    expected = ["sub/b", "sub/deep/a.npy", "x2", "x2b", "x10", "x²"]
    assert names(tmp_path) == expected


def test_stray_and_hidden_files_are_left_out(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / ".hidden.png")
    picture(tmp_path / ".git" / "b.png")
    strays = ["labels.csv", "notes.txt", "meta.xml", "README", "empty", "data.zip"]
    for name in strays:
        (tmp_path / name).write_bytes(b"" if name == "empty" else b"PK\x03\x04 text")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0")
    picture(tmp_path / "__MACOSX" / "a.png")
    found = find_volumes([tmp_path])
    assert [scan.name for scan in found.volumes] == ["a"]
    assert found.left_out == [
        Excluded(str(tmp_path / name), "unknown format") for name in natural(strays)
    ]


def test_broken_pictures_in_a_folder_fail_and_the_others_are_read(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("text")
    (tmp_path / "c.dcm").write_text("text, and more of it than a header takes " * 10)
    found = find_volumes([tmp_path])
    assert [scan.name for scan in found.volumes] == ["a"]
    assert [Path(one.place).name for one in found.failed] == ["b.png", "c.dcm"]
    for one in found.failed:
        assert str(one).startswith(f"{one.place}: not a readable")
        assert str(one).count(one.place) == 1
    (tmp_path / "a.png").unlink()
    assert refusal(tmp_path) == f"{found.failed[0]} (1 more fail)"


def test_a_nifti_pair_in_a_folder_is_one_scan(tmp_path):
    import nibabel

    nibabel.save(nibabel.Nifti1Pair(np.zeros((3, 3, 3), "i2"), np.eye(4)), tmp_path / "ct.hdr")
    assert names(tmp_path, slices="all") == ["ct"]


def test_a_folder_without_images_is_refused_with_the_formats(tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}: contains no image (files: 1 .txt); allowed are PNG")
    assert "NIfTI" in message
    assert "DICOM" in message


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.nii.gz", "a.dcm", "a"])
def test_missing_and_empty_files_are_refused(tmp_path, name):
    assert refusal(tmp_path / name) == f"{tmp_path / name}: no such file or folder"
    (tmp_path / name).touch()
    assert refusal(tmp_path / name) == f"{tmp_path / name}: is empty"


@pytest.mark.parametrize("name", ["a.png", "a.dcm"])
def test_empty_images_in_a_folder_are_refused(tmp_path, name):
    (tmp_path / name).touch()
    assert refusal(tmp_path) == f"{tmp_path / name}: is empty"


def test_text_called_dicom_is_refused(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_text("text, and more of it than a header takes " * 10)
    assert refusal(path).startswith(f"{path}: not a readable DICOM file")
    assert refusal(tmp_path).startswith(f"{path}: not a readable DICOM file")


def test_other_formats_are_refused_with_the_ones_that_are_read(tmp_path):
    (tmp_path / "scan.mha").write_text("ObjectType = Image")
    assert "unknown format; allowed are PNG, TIFF" in refusal(tmp_path / "scan.mha")


def test_devices_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert "is neither a file nor a folder" in refusal(tmp_path / "a.png")


def test_names_that_no_file_can_have_are_refused():
    assert refusal("a\0.png").endswith("no such file or folder")
    assert refusal("") == "'': no such file or folder"
    assert refusal("a" * 5000).endswith("no such file or folder")


def test_no_file_at_all_is_refused():
    assert refusal(slices="3") == "no image is given; name files or folders"


@pytest.mark.parametrize("name", [".png", "..png", "...png"])
def test_files_that_are_all_suffix_keep_it_and_are_not_hidden(tmp_path, name):
    path = picture(tmp_path / "a.png").rename(tmp_path / name)
    assert names(path) == [f"{tmp_path.name}/{name}"]


def test_pictures_called_like_the_commands_own_files_have_another_name(tmp_path):
    picture(tmp_path / "index.html.png")
    picture(tmp_path / "Results.json.png")
    assert names(tmp_path) == ["Results.json.png", "index.html.png"]


def test_folders_that_cannot_be_read_are_refused(tmp_path, monkeypatch):
    picture(tmp_path / "sub" / "a.png")
    scandir = os.scandir

    def locked(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert refusal(tmp_path) == f"{tmp_path / 'sub'}: cannot be read: Permission denied"
    picture(tmp_path / "b.png")
    found = find_volumes([tmp_path])
    assert [scan.name for scan in found.volumes] == ["b"]
    assert found.failed == [Excluded(str(tmp_path / "sub"), "cannot be read: Permission denied")]


def test_a_file_given_twice_is_refused(tmp_path):
    path = picture(tmp_path / "a.png")
    assert refusal(path, tmp_path) == f"{path}: is given twice"
    (tmp_path / "link").symlink_to(tmp_path)
    message = refusal(path, tmp_path / "link" / "a.png")
    assert message == f"{tmp_path / 'link' / 'a.png'}: is given twice"


def test_slices_apply_to_the_volumes_of_a_mixed_folder(tmp_path):
    picture(tmp_path / "a.png")
    volume(tmp_path / "b.npy")
    scans = find_volumes([tmp_path], "1:3").volumes
    assert [(scan.name, scan.numbers) for scan in scans] == [("a", None), ("b", (1, 2))]


def test_slices_of_single_pictures_are_refused_unless_all(tmp_path):
    path = picture(tmp_path / "a.png")
    assert refusal(path, slices="0") == (
        f"--slices=0: {path} has a single slice; leave --slices out"
    )
    assert names(path, slices="all") == ["a"]


def test_mistaken_slices_are_refused_before_any_file_is_opened(tmp_path):
    assert refusal(tmp_path / "missing.png", slices="x").startswith("--slices=x")


def test_every_header_is_checked_before_any_pixel_is_read(tmp_path):
    good, bad = volume(tmp_path / "a.npy"), tmp_path / "b.npy"
    np.save(bad, np.zeros((2, 2), complex))
    found = find_volumes([good, bad], slices="0")
    assert [scan.place for scan in found.volumes] == [good]
    assert [one.place for one in found.failed] == [str(bad)]


def test_volumes_without_the_slices_fail_alone(tmp_path):
    long, short = volume(tmp_path / "a.npy", 5), volume(tmp_path / "b.npy", 3)
    found = find_volumes([long, short, picture(tmp_path / "c.png")], slices="3:5")
    assert [scan.name for scan in found.volumes] == ["a", "c"]
    assert [str(one) for one in found.failed] == [
        f"{short}: has no slice 4 (--slices=3:5); allowed are 0 to 2"
    ]
    found = find_volumes([long, tmp_path / "c.png"])
    assert [scan.name for scan in found.volumes] == ["c"]
    assert "is a volume of 5 slices: select some with --slices=2" in str(found.failed[0])


def test_a_plane_without_a_volume_to_cut_is_refused(tmp_path):
    path = volume(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"^--plane=coronal: allowed are NIfTI volumes; .*a\.npy"):
        find_volumes([path], "all", "coronal")


def test_pixels_are_read_when_asked_for(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[1, np.inf]]))
    (scan,) = find_volumes([path]).volumes
    with pytest.raises(UserError, match="1 values are infinite"):
        list(scan.pictures)


def test_same_names_keep_their_suffix(tmp_path):
    paths = [picture(tmp_path / name) for name in ("a.png", "a.tif", "b.png")]
    assert names(*paths) == ["a.png", "a.tif", "b"]
    assert names(tmp_path) == ["a.png", "a.tif", "b"]


def test_same_files_of_two_folders_are_called_by_folder(tmp_path):
    paths = [picture(tmp_path / name) for name in ("one/a.png", "two/a.png")]
    assert names(*paths) == ["one/a", "two/a"]
    assert names(tmp_path / "one", tmp_path / "two") == ["one/a", "two/a"]


def test_the_folder_at_hand_is_called_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "chest").mkdir()
    for number in range(2):
        write_ct(
            tmp_path / "chest" / f"{number}.dcm",
            distinct(2, 2),
            ImagePositionPatient=[0, 0, number],
        )
    monkeypatch.chdir(tmp_path / "chest")
    (scan,) = find_volumes(["."], "all").volumes
    assert (scan.name, scan.place.name) == ("chest", "chest")


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([("a",), ("b",)], ["a", "b"]),
        ([("a", "a.png"), ("a", "a.tif")], ["a.png", "a.tif"]),
        ([("a", "x/a"), ("A", "y/A")], ["x/a", "y/A"]),
        ([("a", "a.png"), ("a/b", "a/b.png")], ["a.png", "a/b"]),
        ([("a",), ("a",), ("a-2",)], ["a-3", "a", "a-2"]),
        ([("a", "b"), ("a", "c"), ("b", "d")], ["b", "c", "d"]),
        ([("Index.HTML", "Index.HTML.png")], ["Index.HTML.png"]),
        (
            [("results.json",), ("results.json/a", "x/results.json/a")],
            ["image-results.json", "x/results.json/a"],
        ),
        (
            [("samples.scratch",), ("Samples.Scratch-2",)],
            ["image-samples.scratch", "image-Samples.Scratch-2"],
        ),
        ([(".a",), ("image-.a",), ("b/.a",)], ["image-.a-2", "image-.a", "b/.a"]),
    ],
)
def test_no_name_is_another_its_folder_or_one_of_the_commands_own(candidates, expected):
    assert distinct_names(candidates) == expected


def test_results_of_earlier_commands_are_no_images(tmp_path):
    picture(tmp_path / "a.png")
    earlier = tmp_path / "out"
    picture(earlier / "a" / "mean.png")
    for name in ("results.json", "index.html"):
        (earlier / name).touch()
    assert names(tmp_path) == ["a"]
    (earlier / "index.html").unlink()
    assert len(names(tmp_path)) == 2
