"""DICOM images and volumes with thick slices in annotated folders."""

import nibabel
import numpy as np
import pytest

from hpunet.config.data import PLANES, FolderConfig
from hpunet.data.folder.builder import digest
from hpunet.data.folder.channels import open_channels
from hpunet.data.folder.faults import Faults, Notes
from hpunet.data.folder.files import ImageFiles, MaskFile, find_by_name
from hpunet.data.folder.listing import list_folder
from hpunet.data.folder.reading import read_examples
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError
from tests.data.folder_files import write
from tests.imaging.dicom_phantom import AXIAL, distinct, write_ct

CONFIG = FolderConfig()
SAGITTAL, CORONAL = (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)


def examples_of(root, config=CONFIG):
    listing = list_folder(str(root), str(root.parent / "prepared"), config)
    faults = Faults(listing.faults)
    notes = Notes()
    found = [
        one for entry in listing.entries for one in read_examples(entry, config, faults, notes)
    ]
    return found, faults


def write_series(folder, orientation=AXIAL, step=2.0, slices=3):
    """A series whose pixels all differ; gives them with the affine to right, front and head."""
    stored = distinct(slices, 4, 5)
    normal = np.cross(orientation[:3], orientation[3:])
    origin = np.array([7.0, -3.0, 11.0])
    for number, plane in enumerate(stored):
        write_ct(
            folder / f"IM{slices - number}",
            plane,
            ImageOrientationPatient=list(orientation),
            ImagePositionPatient=(origin + step * number * normal).tolist(),
            RescaleIntercept=0,
        )
    affine = np.eye(4)
    # Indices are slice, row and column.
    affine[:3, 0] = step * normal
    affine[:3, 1] = 0.7 * np.array(orientation[3:])
    affine[:3, 2] = 0.9 * np.array(orientation[:3])
    affine[:3, 3] = origin
    return stored, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def save_mask(path, values, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.uint8), affine), path)


def turned(values, affine, axes, signs):
    """The same voxels at the same places, stored in another order of the axes."""
    affine = affine.copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            affine[:3, 3] += (values.shape[axis] - 1) * affine[:3, axis]
            affine[:3, axis] *= -1
    values = values[tuple(slice(None, None, sign) for sign in signs)].transpose(axes)
    affine[:, :3] = affine[:, list(axes)]
    return values, affine


@pytest.mark.parametrize("suffix", [".dcm", ".IMA", ""])
def test_single_dicom_images_are_read_with_masks_of_other_formats(tmp_path, suffix):
    root = tmp_path / "own"
    for patient in ("p0", "p1", "p2"):
        write_ct(root / "images" / patient / f"s0{suffix}", distinct(4, 5), RescaleIntercept=-7)
        write(root / "annotations" / "anna" / patient / "s0.png", np.eye(4, 5, dtype=np.uint8))
    (root / "images" / "README").write_text("text")
    examples, faults = examples_of(root)
    assert faults == []
    listing = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    assert listing.others == [root / "images" / "README"]
    assert [one["name"] for one in examples] == ["p0/s0", "p1/s0", "p2/s0"]
    np.testing.assert_array_equal(examples[0]["image"][..., 0], distinct(4, 5) - 7)
    np.testing.assert_array_equal(examples[0]["annotations"], np.eye(4, 5)[None])


ORDERS = [
    ((0, 1, 2), (1, 1, 1)),
    ((2, 1, 0), (1, 1, 1)),
    ((2, 1, 0), (-1, 1, -1)),
    ((1, 2, 0), (1, -1, -1)),
]


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL])
@pytest.mark.parametrize("step", [0.8, 2.0])
@pytest.mark.parametrize(("axes", "signs"), ORDERS)
def test_a_folder_of_a_series_is_one_image_with_a_mask_of_any_order(
    tmp_path, orientation, step, axes, signs
):
    root = tmp_path / "own"
    stored, affine = write_series(root / "images" / "p0", orientation, step)
    marked = stored % 3 == 1
    save_mask(root / "annotations/anna/p0.nii.gz", *turned(marked, affine, axes, signs))
    examples, faults = examples_of(root)
    assert faults == []
    assert [one["name"] for one in examples] == [f"p0/slice_{number}" for number in range(3)]
    for one in examples:
        expected = one["image"][..., 0] % 3 == 1
        assert expected.any()
        np.testing.assert_array_equal(one["annotations"][0], expected)


def test_a_mask_that_lies_elsewhere_than_its_series_is_a_fault(tmp_path):
    root = tmp_path / "own"
    stored, affine = write_series(root / "images" / "p0")
    affine[2, 3] += 2
    save_mask(root / "annotations/anna/p0.nii.gz", stored % 3 == 1, affine)
    examples, faults = examples_of(root)
    assert examples == []
    assert "lies elsewhere in the patient" in faults[0].problem


def test_all_files_of_a_series_decide_on_its_checksum_and_none_is_skipped(tmp_path):
    root = tmp_path / "own"
    stored, affine = write_series(root / "images" / "p0")
    save_mask(root / "annotations/anna/p0.nii.gz", stored % 3 == 1, affine)
    before = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    assert before.others == []
    (root / "images/p0/IM2").write_bytes((root / "images/p0/IM3").read_bytes())
    after = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    assert before.checksums != after.checksums


def test_a_table_may_name_the_folder_of_a_series(tmp_path):
    root = tmp_path / "own"
    stored, affine = write_series(root / "scans" / "1.2.840")
    save_mask(root / "masks/a.nii.gz", stored % 3 == 1, affine)
    (root / "annotations.csv").write_text(
        "image,annotator,mask\nscans\\1.2.840,anna,masks/a.nii.gz\nmasks,anna,masks/a.nii.gz\n"
    )
    listing = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    assert [problem for _, problem in listing.faults] == [
        f"is not a file ({root / 'annotations.csv'}, line 3)"
    ]
    (root / "annotations.csv").write_text(
        "image,annotator,mask\nscans\\1.2.840,anna,masks/a.nii.gz\n"
    )
    examples, faults = examples_of(root)
    assert not faults
    assert [example["name"] for example in examples] == [
        f"scans/1.2.840/slice_{n}" for n in range(3)
    ]
    read = np.stack([example["annotations"][0] for example in examples])
    np.testing.assert_array_equal(read, stored % 3 == 1)


def test_other_files_beside_the_files_of_a_series_are_not_skipped_in_silence(tmp_path):
    root = tmp_path / "own"
    stored, affine = write_series(root / "images" / "p0")
    save_mask(root / "annotations/anna/p0.nii.gz", stored % 3 == 1, affine)
    write(root / "images/p0/photo.png", stored[0].astype(np.uint8))
    (root / "images/p0/notes.doc").write_text("")
    listing = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    left_out, unknown = listing.notes([1, 1, 1])[-2:]
    assert left_out == "skipped because they have no annotation: 1 of 4 images"
    assert unknown.startswith("skipped because of an unknown format: 1 file, such as")


def test_slices_with_their_own_masks_are_not_combined(tmp_path):
    root = tmp_path / "own"
    write_series(root / "images" / "p0")
    for path in list((root / "images" / "p0").iterdir()):
        path.rename(path.with_suffix(".dcm"))
        write(root / "annotations" / f"p0/{path.name}_a1.png", np.eye(4, 5, dtype=np.uint8))
    found = find_by_name(root / "images", root / "annotations", CONFIG, Faults())
    assert [entry.name for entry in found.entries] == ["p0/IM1", "p0/IM2", "p0/IM3"]


PATIENT = distinct(4, 9, 8)
THICK = np.diag([4.0, 0.6, 0.6, 1.0])


@pytest.mark.parametrize(("plane", "shape"), [("auto", (8, 9)), ("axial", (9, 4))])
@pytest.mark.parametrize(("axes", "signs"), ORDERS)
def test_thick_volumes_are_cut_along_one_axis_with_their_masks(tmp_path, plane, shape, axes, signs):
    image, mask = tmp_path / "x.nii.gz", tmp_path / "m.nii.gz"
    nibabel.save(nibabel.Nifti1Image(PATIENT, THICK), image)
    save_mask(mask, *turned(PATIENT % 3 == 1, THICK, axes, signs))
    faults = Faults()
    entry = ImageFiles("x", image, {"anna": (MaskFile(mask),)}, None)
    examples = list(read_examples(entry, FolderConfig(plane=plane), faults, Notes()))
    assert faults == []
    assert {one["image"].shape[:2] for one in examples} == {shape}
    for one in examples:
        np.testing.assert_array_equal(one["annotations"][0], one["image"][..., 0] % 3 == 1)


def test_masks_of_series_may_have_more_in_their_names(tmp_path):
    root = tmp_path / "own"
    for patient in ("p0", "p1", "p2"):
        stored, affine = write_series(root / "images" / patient)
        save_mask(root / f"annotations/anna/{patient}_seg.nii.gz", stored % 3 == 1, affine)
    listing = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    assert listing.faults == []
    assert listing.others == []
    assert [(e.name, list(e.masks)) for e in listing.entries] == [
        (patient, ["anna"]) for patient in ("p0", "p1", "p2")
    ]
    assert [path.name for path in listing.entries[0].files.values()][:3] == ["IM1", "IM2", "IM3"]


def test_slices_whose_masks_have_more_in_their_names_are_not_combined(tmp_path):
    root = tmp_path / "own"
    for patient in ("p0", "p1", "p2"):
        write_ct(root / "images" / patient / "s.dcm", distinct(4, 5))
        write(root / f"annotations/anna/{patient}/s_seg.png", np.eye(4, 5, dtype=np.uint8))
    listing = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    assert listing.faults == []
    assert [entry.name for entry in listing.entries] == ["p0/s", "p1/s", "p2/s"]


def test_series_below_folders_of_splits_have_these_splits(tmp_path):
    root = tmp_path / "own"
    for split in ("train", "val", "test"):
        stored, affine = write_series(root / "images" / split / "p0")
        save_mask(root / f"annotations/anna/{split}/p0.nii.gz", stored % 3 == 1, affine)
    listing = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    assert listing.faults == []
    assert [(entry.name, entry.split) for entry in listing.entries] == [
        (f"{split}/p0", split) for split in ("test", "train", "val")
    ]


def test_a_mask_in_no_folder_of_an_annotator_is_cut_as_its_volume(tmp_path):
    root = tmp_path / "own"
    thick = np.diag([4.0, 0.6, 0.6, 1.0])
    values = distinct(1, 9, 8)
    save_mask(root / "annotations/x.nii.gz", values % 3 == 1, thick)
    (root / "images").mkdir()
    nibabel.save(nibabel.Nifti1Image(values, thick), root / "images/x.nii.gz")
    (one,), faults = examples_of(root)
    assert faults == []
    assert one["annotators"] == ("1",)
    np.testing.assert_array_equal(one["annotations"][0], one["image"][..., 0] % 3 == 1)


@pytest.mark.parametrize(("axes", "signs"), ORDERS)
def test_channels_in_any_order_of_their_axes_are_put_together(tmp_path, axes, signs):
    affine = np.diag([0.7, 0.6, 0.8, 1.0])
    paths = [tmp_path / f"x_000{number}.nii.gz" for number in range(2)]
    nibabel.save(nibabel.Nifti1Image(PATIENT, affine), paths[0])
    nibabel.save(nibabel.Nifti1Image(*turned(PATIENT + 7, affine, axes, signs)), paths[1])
    for picture in open_channels(paths, ReadMode()).pictures:
        np.testing.assert_array_equal(picture.values[..., 1], picture.values[..., 0] + 7)


def test_channels_that_lie_at_different_positions_are_refused(tmp_path):
    paths = [tmp_path / f"x_000{number}.nii.gz" for number in range(2)]
    moved = THICK.copy()
    moved[2, 3] = 5
    for path, affine in zip(paths, (THICK, moved), strict=True):
        nibabel.save(nibabel.Nifti1Image(PATIENT, affine), path)
    with pytest.raises(UserError, match=r"x_0001\.nii\.gz: .* lies elsewhere in the patient"):
        open_channels(paths, ReadMode())


def test_the_plane_of_volumes_is_part_of_the_checksum(tmp_path):
    root = tmp_path / "own"
    stored, affine = write_series(root / "images" / "p0")
    save_mask(root / "annotations/anna/p0.nii.gz", stored % 3 == 1, affine)
    listing = list_folder(str(root), str(tmp_path / "prepared"), CONFIG)
    checksums = {digest(listing, FolderConfig(plane=plane)) for plane in PLANES}
    assert len(checksums) == len(PLANES)


@pytest.mark.parametrize(("shift", "problem"), [(0, None), (5, "lies elsewhere in the patient")])
def test_a_single_slice_and_its_mask_may_differ_in_thickness(tmp_path, shift, problem):
    root = tmp_path / "own"
    stored, affine = write_series(root / "images" / "p0", slices=1)
    affine[:3, 0] *= 5
    affine[2, 3] += shift
    save_mask(root / "annotations/anna/p0.nii.gz", stored % 3 == 1, affine)
    examples, faults = examples_of(root)
    assert len(examples) == (problem is None)
    assert [problem in fault.problem for fault in faults] == ([] if problem is None else [True])
