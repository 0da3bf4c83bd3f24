"""Annotations are read in every layout and format in which training reads them."""

import io

import numpy as np
import pytest
from PIL import Image

from hpunet.config.data import FolderConfig
from hpunet.evaluation.folders import open_folders
from hpunet.io.errors import UserError
from tests.evaluation.folder_files import MASK, PREDICTIONS, SIZE, draw, npz, png, write

MASKS = {name: draw(seed) for seed, name in enumerate(("anna", "ben", "cleo"))}
NAMES = ("p/a", "p/b", "q/a")
PREDICTED = {f"{name}_s{k}.png": MASK for name in NAMES for k in range(2)}


def encoded(mask, suffix):
    """A file of a mask in a format that its suffix names."""
    file = io.BytesIO()
    if suffix in (".png", ".tif", ".bmp", ".gif"):
        kind = {".tif": "tiff"}.get(suffix, suffix[1:])
        Image.fromarray(mask).save(file, kind)
    elif suffix == ".npy":
        np.save(file, mask)
    elif suffix == ".npz":
        np.savez(file, mask=mask)
    else:
        nibabel = pytest.importorskip("nibabel")
        # The affine of an axial slice that is stored with columns first and shown as it is.
        image = nibabel.Nifti1Image(mask.T[..., None], np.diag([-1.0, -1.0, 1.0, 1.0]))
        return image.to_bytes()
    return file.getvalue()


def by_annotator(name, suffix=".png", white=1):
    masks = MASKS.items()
    return {f"{who}/{name}{suffix}": encoded(m * np.uint8(white), suffix) for who, m in masks}


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".gif", ".npy", ".npz", ".nii"])
def test_masks_in_folders_of_annotators_are_read_in_every_format(opened, suffix, white):
    files = {}
    for name in NAMES:
        files |= by_annotator(name, suffix, white)
    cases = opened(PREDICTED, files)
    assert cases.names == sorted(NAMES)
    assert [case.patient for case in cases] == ["p", "p", "q"]
    for case in cases:
        expected = list(MASKS.values())
        if suffix == ".nii":
            # Shown with the patient's right on the left and the front above.
            assert case.annotations.shape == (3, *SIZE)
            assert case.annotations.sum() == np.sum(expected)
        else:
            np.testing.assert_array_equal(case.annotations, expected)


@pytest.mark.parametrize("suffix", [".tif", ".bmp", ".npy", ".nii"])
def test_numbered_masks_are_read_in_every_format(opened, suffix):
    files = {f"a_a{k}{suffix}": encoded(draw(k), suffix) for k in range(2)}
    (case,) = opened({"a_s0.png": MASK}, files)
    assert case.annotations.sum() == draw(0).sum() + draw(1).sum()
    assert len(case.annotations) == 2


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".tif"])
def test_planes_of_one_file_are_the_masks_of_several_annotators(opened, suffix):
    masks = np.stack(list(MASKS.values()))
    file = io.BytesIO()
    if suffix == ".tif":
        first, *rest = (Image.fromarray(mask) for mask in masks)
        first.save(file, "tiff", save_all=True, append_images=rest)
    elif suffix == ".npy":
        np.save(file, masks)
    else:
        np.savez(file, masks)
    (case,) = opened({"p/a_s0.png": MASK}, {f"p/a{suffix}": file.getvalue()})
    np.testing.assert_array_equal(case.annotations, masks)


def test_classes_may_have_values_or_colours_of_their_own_and_pixels_may_be_ignored(opened):
    values = np.array([[0, 128, 255, 7]], np.uint8)
    colours = np.array([[(0, 0, 0), (255, 0, 0), (0, 255, 0), (9, 9, 9)]], np.uint8)
    predicted = {"a_s0.png": png(np.array([[0, 1, 2, 0]], np.uint8))}
    for pixels, classes, ignore in (
        (values, "0,128=edema,255=core", "7"),
        (colours, "#000000,#ff0000=edema,#00ff00=core", "#090909"),
    ):
        config = FolderConfig(num_classes=3, classes=classes, ignore=ignore)
        files = {"anna/a.png": png(pixels)}
        (case,) = opened(predicted, files, num_classes=3, config=config)
        np.testing.assert_array_equal(case.annotations, [[[0, 1, 2, 0]]])
        np.testing.assert_array_equal(case.ignored, [[False, False, False, True]])
        np.testing.assert_array_equal(case.samples, [[[0, 1, 2, 0]]])


def test_an_annotator_may_have_skipped_images(opened):
    files = by_annotator("p/a") | {"anna/p/b.png": MASK, "ben/q/a.png": MASK}
    assert [len(case.annotations) for case in opened(PREDICTED, files)] == [3, 1, 1]


def test_images_that_only_annotators_know_are_counted(opened):
    files = by_annotator("a") | by_annotator("b")
    with pytest.raises(UserError) as caught:
        opened({"a_s0.png": MASK}, files)
    assert str(caught.value) == "1 image has annotations but no predictions: b"


def test_an_annotator_may_be_called_like_a_patient(opened):
    files = by_annotator("p/a") | {"p/p/a.png": MASK}
    (case,) = opened({"p/a_s0.png": MASK}, files)
    assert len(case.annotations) == 4


# Annotated folders.


def annotated(place, names=NAMES, suffix=".png", table=False):
    """An annotated folder of gray images."""
    files = {f"images/{name}.png": png(draw(7, most=255)) for name in names}
    for name in names:
        folder = "masks" if table else "annotations"
        masks = by_annotator(name, suffix)
        files |= {f"{folder}/{path}": contents for path, contents in masks.items()}
    if table:
        rows = ["image,annotator,mask,patient"]
        rows += [
            f"images/{name}.png,{who},masks/{who}/{name}{suffix},of {name[-1]}"
            for name in names
            for who in MASKS
        ]
        files["annotations.csv"] = "\n".join(rows).encode()
    write(place, files)
    return place


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npz"])
def test_an_annotated_folder_gives_annotations_patients_and_images(tmp_path, suffix, table):
    write(tmp_path / PREDICTIONS, PREDICTED)
    root = annotated(tmp_path / "own", suffix=suffix, table=table)
    cases = open_folders(tmp_path / PREDICTIONS, root)
    assert cases.names == sorted(NAMES)
    patients = ["of a", "of b", "of a"] if table else ["p", "p", "q"]
    assert [case.patient for case in cases] == patients
    for case in cases:
        np.testing.assert_array_equal(case.annotations, list(MASKS.values()))
        np.testing.assert_array_equal(case.image, draw(7, most=255))
    assert cases.notes == ()
    if table:
        named = open_folders(tmp_path / PREDICTIONS, root / "annotations.csv")
        assert named.names == cases.names
        assert named.checksums() == cases.checksums()


def test_images_of_an_annotated_folder_without_predictions_are_noted(tmp_path):
    write(tmp_path / PREDICTIONS, {"p/a_s0.png": MASK})
    cases = open_folders(tmp_path / PREDICTIONS, annotated(tmp_path / "own"))
    assert cases.names == ["p/a"]
    assert cases.notes == ("not scored: 2 images have annotations but no predictions: p/b, q/a",)


def test_predictions_of_images_without_annotations_in_an_annotated_folder_are_noted(tmp_path):
    write(tmp_path / PREDICTIONS, PREDICTED)
    root = annotated(tmp_path / "own", names=("p/a", "q/a"))
    write(root / "images", {"p/b.png": MASK})
    cases = open_folders(tmp_path / PREDICTIONS, root)
    assert cases.names == ["p/a", "q/a"]
    assert cases.notes == ("not scored: 1 image has predictions but no annotations: p/b",)


def test_predictions_of_images_that_an_annotated_folder_lacks_are_refused(tmp_path):
    write(tmp_path / PREDICTIONS, PREDICTED)
    root = annotated(tmp_path / "own", names=("p/a",))
    with pytest.raises(UserError, match="2 images have predictions but no annotations: p/b, q/a"):
        open_folders(tmp_path / PREDICTIONS, root)


def test_one_damaged_file_of_an_annotated_folder_does_not_stop_the_others(tmp_path):
    write(tmp_path / PREDICTIONS, PREDICTED)
    root = annotated(tmp_path / "own")
    (root / "annotations/ben/p/b.png").write_bytes(MASK[:50])
    cases = open_folders(tmp_path / PREDICTIONS, root)
    with pytest.raises(UserError, match=r"ben/p/b\.png: "):
        cases[1]
    assert [cases[n].name for n in (0, 2)] == ["p/a", "q/a"]


def test_a_mask_that_fits_no_image_of_an_annotated_folder_is_refused(tmp_path):
    write(tmp_path / PREDICTIONS, PREDICTED)
    root = annotated(tmp_path / "own")
    write(root / "annotations", {"ben/q/z.png": MASK})
    with pytest.raises(UserError, match=r"ben/q/z\.png: "):
        open_folders(tmp_path / PREDICTIONS, root)


def test_a_refusal_of_masks_inside_an_annotated_folder_names_the_folder(tmp_path):
    write(tmp_path / PREDICTIONS, PREDICTED)
    root = annotated(tmp_path / "own")
    write(root / "annotations", {"seg.png": MASK})
    with pytest.raises(UserError, match=rf"; --annotations={root} reads it as an annotated folder"):
        open_folders(tmp_path / PREDICTIONS, root / "annotations")


def test_a_configuration_names_the_table_and_the_values_of_classes(tmp_path):
    write(tmp_path / PREDICTIONS, {"a_s0.png": png(np.array([[0, 1, 2]], np.uint8))})
    files = {
        "images/a.png": png(np.array([[9, 9, 9]], np.uint8)),
        "m.png": png(np.array([[0, 40, 80]], np.uint8)),
        "list.csv": b"image,annotator,mask\nimages/a.png,anna,m.png\n",
    }
    write(tmp_path / "own", files)
    config = FolderConfig(num_classes=3, classes="0,40,80", table="list.csv", slices="annotated")
    (case,) = open_folders(tmp_path / PREDICTIONS, tmp_path / "own", num_classes=3, config=config)
    np.testing.assert_array_equal(case.annotations, case.samples)


# One image that cannot be read.


def test_an_image_that_cannot_be_opened_raises_when_it_is_read(opened):
    predicted = {"a.npz": npz(samples=draw(0, 2)), "b.npz": npz(samples=draw(0, 2))[:40]}
    cases = opened(predicted, {f"{name}_a0.png": MASK for name in "ab"})
    assert cases.names == ["a", "b"]
    assert cases.num_samples == 2
    assert cases[0].name == "a"
    with pytest.raises(UserError, match=r"predictions/b\.npz"):
        cases[1]


def test_where_no_image_can_be_opened_the_first_problem_is_named(opened):
    predicted = {f"{name}.npz": npz(samples=draw(0, 2))[:40] for name in "ab"}
    with pytest.raises(UserError, match=r"predictions/a\.npz"):
        opened(predicted, {f"{name}_a0.png": MASK for name in "ab"})


def test_pictures_may_have_other_formats(opened):
    picture = draw(3, most=255)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "tiff")
    (case,) = opened({"a_s0.png": MASK}, {"a_a0.png": MASK}, {"a.tif": file.getvalue()})
    np.testing.assert_array_equal(case.image, picture)


def test_folders_of_annotators_are_told_from_numbers(opened):
    files = {"anna/a_s0.png": MASK, "ben/a_s0.png": MASK}
    (case,) = opened({"a_s0_s0.png": MASK}, files)
    assert (case.name, len(case.annotations)) == ("a_s0", 2)
