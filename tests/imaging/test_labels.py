"""Masks are read by the readers of images, as numbers."""

import numpy as np
import pytest
from PIL import Image

from hpunet.imaging.formats import (
    DICOM_SUFFIXES,
    IMAGE_SUFFIXES,
    LOSSY_SUFFIXES,
    MASK_SUFFIXES,
    open_file,
)
from hpunet.imaging.labels import labels_of, open_masks
from hpunet.imaging.volume import IMAGE, MASK, ReadMode
from hpunet.io.errors import UserError

LABELS = np.array([[0, 1, 2, 1], [3, 0, 1, 0]], np.uint8)
COLOURS = ReadMode(mask=True, colours=True)
STRICT = ReadMode(mask=True, strict=True)


def save(path, pixels):
    """Writes pixels so that a reader shows them in their orientation."""
    if path.name.endswith((".nii", ".nii.gz")):
        nibabel = pytest.importorskip("nibabel")
        nibabel.save(nibabel.Nifti1Image(pixels[::-1, ::-1].T[..., None], np.eye(4)), path)
    elif path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".npz":
        np.savez(path, pixels)
    else:
        Image.fromarray(pixels).save(path)
    return path


EIGHT_BITS = (".bmp", ".gif")


@pytest.mark.parametrize("suffix", MASK_SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_format_of_masks_is_one_of_images_with_the_same_numbers(tmp_path, suffix, dtype):
    if suffix in EIGHT_BITS:
        dtype = np.uint8
    path = save(tmp_path / f"a{suffix}", LABELS.astype(dtype))
    np.testing.assert_array_equal(labels_of(open_masks(path)), LABELS[None])
    (picture,) = open_file(path, IMAGE).pictures
    np.testing.assert_array_equal(picture.values[..., 0], LABELS)
    (mask,) = open_file(path, MASK).pictures
    assert (mask.window, mask.quantity) == (None, "labels")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".npz"])
def test_values_of_masks_keep_their_type(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", LABELS.astype(np.uint16))
    (mask,) = open_file(path, MASK).pictures
    assert (mask.values.dtype, mask.values.shape) == (np.uint16, LABELS.shape)


def test_masks_of_fewer_entries_than_channels_are_slices(tmp_path):
    path = save(tmp_path / "a.npy", np.stack([LABELS] * 3, axis=-1))
    assert labels_of(open_masks(path)).shape == (2, 4, 3)
    assert len(open_file(path, IMAGE).pictures) == 1


def test_one_bit_is_0_and_1(tmp_path):
    path = save(tmp_path / "a.png", LABELS > 0)
    np.testing.assert_array_equal(labels_of(open_masks(path))[0], LABELS > 0)
    (picture,) = open_file(path).pictures
    np.testing.assert_array_equal(picture.values[..., 0], LABELS > 0)
    assert picture.window == (0, 1)


def test_masks_are_turned_as_images_are(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(LABELS).save(tmp_path / "a.png", exif=exif)
    turned = np.rot90(LABELS, -1)
    np.testing.assert_array_equal(labels_of(open_masks(tmp_path / "a.png"))[0], turned)
    np.testing.assert_array_equal(open_file(tmp_path / "a.png").pictures[0].values[..., 0], turned)


def test_colours_are_numbers_of_red_green_and_blue(tmp_path):
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[0, 1], colours[1, 2] = (1, 2, 3), (255, 0, 0)
    path = save(tmp_path / "a.png", colours)
    expected = np.zeros((1, 2, 3))
    expected[0, 0, 1], expected[0, 1, 2] = 0x010203, 0xFF0000
    np.testing.assert_array_equal(labels_of(open_masks(path, COLOURS)), expected)
    with pytest.raises(UserError, match=r"a\.png: has 3 colours"):
        labels_of(open_masks(path))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".nii.gz"])
def test_arrays_have_no_colours(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", LABELS)
    with pytest.raises(UserError, match="has no colours, but classes are given as colours"):
        open_masks(path, COLOURS)


def test_pages_of_masks_are_slices_of_one_size(tmp_path):
    first, *others = (Image.fromarray(page) for page in (LABELS, LABELS[::-1], LABELS))
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    found = labels_of(open_masks(tmp_path / "a.tif"))
    np.testing.assert_array_equal(found, [LABELS, LABELS[::-1], LABELS])
    first.save(tmp_path / "b.tif", save_all=True, append_images=[Image.fromarray(LABELS[:1])])
    with pytest.raises(UserError, match="its pages differ in size"):
        labels_of(open_masks(tmp_path / "b.tif"))


def test_damage_that_changes_no_pixel_is_refused_only_if_asked_for(tmp_path):
    path = save(tmp_path / "a.png", LABELS)
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(labels_of(open_masks(path))[0], LABELS)
    with pytest.raises(UserError, match=r"a\.png: is a truncated PNG"):
        labels_of(open_masks(path, STRICT))


def test_files_that_hold_no_masks_are_refused_by_their_suffix(tmp_path):
    assert set(IMAGE_SUFFIXES) - set(MASK_SUFFIXES) == {
        *LOSSY_SUFFIXES,
        *DICOM_SUFFIXES,
    }
    with pytest.raises(UserError, match="not a format for masks \\(JPEG alters values\\)"):
        open_masks(tmp_path / "a.jpg")
    with pytest.raises(UserError, match="not a format for masks; allowed are PNG, TIFF, BMP"):
        open_masks(tmp_path / "a.webp")


@pytest.mark.parametrize(
    ("contents", "said"), [(None, "cannot be read: No such file"), (b"", "is empty")]
)
def test_missing_and_empty_files_are_named(tmp_path, contents, said):
    if contents is not None:
        (tmp_path / "a.npy").write_bytes(contents)
    with pytest.raises(UserError, match=rf"a\.npy: {said}"):
        open_masks(tmp_path / "a.npy")
