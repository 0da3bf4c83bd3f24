"""What the files of an entry hold, and what is wrong with them."""

import struct
import zlib

import numpy as np
import pytest

from hpunet.config.data import FolderConfig
from hpunet.data.folder.faults import Faults, Notes
from hpunet.data.folder.files import ImageFiles, MaskFile
from hpunet.data.folder.reading import read_examples
from hpunet.data.labels import IGNORED
from tests.data.folder_files import HEIGHT, WIDTH, mask, picture, write

THREE = FolderConfig(num_classes=3)


def entry_of(image, **masks):
    return ImageFiles("x", image, {name: (MaskFile(path),) for name, path in masks.items()}, None)


def read(entry, config=THREE):
    faults = Faults()
    return list(read_examples(entry, config, faults, Notes())), faults


def problem_of(entry, config=THREE):
    examples, faults = read(entry, config)
    assert examples == []
    ((file, problem),) = faults
    return file, problem


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        (suffix, dtype)
        for suffix in (".png", ".tif", ".npy", ".npz", ".nii", ".nii.gz")
        for dtype in (np.uint8, np.uint16, np.float32)
        if (suffix, dtype) != (".png", np.float32)
    ],
)
def test_values_of_an_image_are_those_of_its_file(tmp_path, suffix, dtype):
    pixels = picture(dtype=dtype)
    labels = mask(2)
    if suffix.startswith(".nii"):
        # Shown from the patient's right to left and anterior to posterior.
        stored, masks = (x[::-1, ::-1].T[..., None] for x in (pixels, labels))
    else:
        stored, masks = pixels, labels
    image = write(tmp_path / f"x{suffix}", stored)
    anna = write(tmp_path / f"m{suffix}", masks)
    (example,), faults = read(entry_of(image, anna=anna))
    assert faults == []
    np.testing.assert_array_equal(example["image"][..., 0], pixels)
    np.testing.assert_array_equal(example["annotations"], labels[None])


def test_colour_image_keeps_its_three_channels(tmp_path):
    pixels = picture(size=(HEIGHT, WIDTH, 3))
    image, anna = write(tmp_path / "x.png", pixels), write(tmp_path / "m.png", mask())
    (example,), _ = read(entry_of(image, anna=anna))
    np.testing.assert_array_equal(example["image"], pixels)


def test_empty_mask_is_an_annotation_and_an_absent_one_is_none(tmp_path):
    image = write(tmp_path / "x.png", picture())
    empty = write(tmp_path / "m.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    (example,), _ = read(entry_of(image, anna=empty))
    assert example["annotators"] == ("anna",)
    assert not example["annotations"].any()
    assert read(entry_of(image)) == ([], [])


def test_volumes_are_read_slice_by_slice_and_may_be_those_annotated_only(tmp_path):
    volume = np.stack([picture(n) for n in range(3)])
    masks = np.stack([mask(0), mask(1), mask(0)])
    image, anna = write(tmp_path / "x.npy", volume), write(tmp_path / "m.npy", masks)
    examples, _ = read(entry_of(image, anna=anna))
    assert [example["name"] for example in examples] == [f"x/slice_{n}" for n in range(3)]
    assert {example["patient"] for example in examples} == {"x"}
    for n, example in enumerate(examples):
        np.testing.assert_array_equal(example["image"][..., 0], volume[n])
    marked = FolderConfig(num_classes=3, slices="annotated")
    assert [e["name"] for e in read(entry_of(image, anna=anna), marked)[0]] == ["x/slice_1"]
    file, problem = problem_of(entry_of(image, anna=write(tmp_path / "n.npy", masks[:2])))
    assert file.endswith("n.npy")
    assert "has 2 slices, but its image" in problem


def test_classes_are_given_as_values_and_ignored_pixels_are_marked(tmp_path):
    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    numbers[0, :4] = (128, 200, 7, 0)
    image, anna = write(tmp_path / "x.png", picture()), write(tmp_path / "m.png", numbers)
    config = FolderConfig(num_classes=3, classes="0,128=edema,200=core", ignore="7")
    (example,), _ = read(entry_of(image, anna=anna), config)
    assert example["annotations"][0, 0, :4].tolist() == [1, 2, IGNORED, 0]
    assert config.class_table.names == ("class 0", "edema", "core")


@pytest.mark.parametrize("palette", [False, True])
def test_classes_are_given_as_colours(tmp_path, palette):
    from PIL import Image

    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[1, 1], colours[2, 2], colours[3, 3] = (255, 0, 0), (0, 0, 255), (255, 255, 255)
    drawn = Image.fromarray(colours)
    path = tmp_path / "m.png"
    (drawn.quantize(4) if palette else drawn).save(path)
    image = write(tmp_path / "x.png", picture())
    config = FolderConfig(num_classes=3, classes="#000000,#ff0000,#0000FF", ignore="#ffffff")
    (example,), faults = read(entry_of(image, anna=path), config)
    assert faults == []
    labels = example["annotations"][0]
    assert [labels[n, n] for n in range(4)] == [0, 1, 2, IGNORED]


def test_black_and_white_are_two_classes_and_a_palettes_indices_are_labels(tmp_path):
    from PIL import Image

    image = write(tmp_path / "x.png", picture())
    white = write(tmp_path / "w.png", mask(255))
    (example,), _ = read(entry_of(image, anna=white), FolderConfig())
    np.testing.assert_array_equal(example["annotations"][0], mask(1))
    indexed = Image.fromarray(mask(2)).convert("P")
    indexed.putpalette([9, 9, 9, 90, 0, 0, 0, 0, 90])
    indexed.save(tmp_path / "p.png")
    (example,), _ = read(entry_of(image, anna=tmp_path / "p.png"))
    np.testing.assert_array_equal(example["annotations"][0], mask(2))


def test_gray_levels_of_few_bits_are_labels(tmp_path):
    # Four pixels of two bits each: 0, 1, 2, 1.
    (tmp_path / "m.png").write_bytes(png(4, 1, 2, 0, bytes([0, 0b00011001])))
    image = write(tmp_path / "x.png", picture(size=(1, 4)))
    (example,), _ = read(entry_of(image, anna=tmp_path / "m.png"))
    assert example["annotations"][0, 0].tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("name", "pixels", "expected"),
    [
        ("m.png", mask(3), "holds 3, which is not a class; allowed are 0 to 2"),
        ("m.png", picture(), "as photographs do"),
        ("m.jpg", mask(1), "JPEG alters values"),
        ("m.png", picture(size=(HEIGHT, WIDTH, 3)), "colours, but classes are integers"),
        ("m.npy", mask(1) / 2, "fractions"),
        ("m.npy", np.full((HEIGHT, WIDTH), np.nan), "holds nan to nan; allowed are whole numbers"),
        ("m.npy", np.full((HEIGHT, WIDTH), np.inf), "holds inf to inf; allowed are whole numbers"),
        ("m.npy", np.full((HEIGHT, WIDTH), 2**63, np.uint64), "holds 9.22337e+18"),
        ("m.npy", mask(1).astype(np.int16) - 1, "holds -1, which is not a class"),
        ("m.npy", mask(1).astype(str), "allowed are whole numbers"),
        (
            "m.png",
            mask(1, (HEIGHT, WIDTH + 1)),
            f"has {HEIGHT} x {WIDTH + 1} pixels (height x width), but its image",
        ),
    ],
)
def test_mask_that_is_none_is_a_fault_of_its_file(tmp_path, name, pixels, expected):
    image = write(tmp_path / "x.png", picture())
    file, problem = problem_of(entry_of(image, anna=write(tmp_path / name, pixels)))
    assert file == str(tmp_path / name)
    assert expected in problem


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".npz", ".nii.gz"])
@pytest.mark.parametrize("which", ["image", "mask"])
def test_file_cut_short_is_a_fault_of_that_file(tmp_path, suffix, which):
    large = (64, 64)
    pixels = picture(size=large), mask(1, large)
    files = [write(tmp_path / f"{n}{suffix}", p) for n, p in zip("xm", pixels, strict=True)]
    broken = files[which == "mask"]
    contents = broken.read_bytes()
    broken.write_bytes(contents[: len(contents) // 2])
    file, problem = problem_of(entry_of(files[0], anna=files[1]))
    assert file == str(broken)
    assert "readable" in problem


def test_image_with_values_that_are_not_finite_is_a_fault(tmp_path):
    pixels = picture(dtype=np.float32)
    pixels[0, 0] = np.nan
    image, anna = write(tmp_path / "x.npy", pixels), write(tmp_path / "m.png", mask())
    _, problem = problem_of(entry_of(image, anna=anna))
    assert "1 value is NaN; data.folder.nan says" in problem
    pixels[0, 0] = np.inf
    _, problem = problem_of(entry_of(write(image, pixels), anna=anna))
    assert "1 values are infinite" in problem


def with_nan(*places, size=(HEIGHT, WIDTH)):
    pixels = picture(size=size, dtype=np.float32) + 5
    for place in places:
        pixels[place] = np.nan
    return pixels


@pytest.mark.parametrize(
    ("nan", "expected"), [(0, 0), (-1000, -1000), (2.5, 2.5), ("min", 5), ("ignore", 5)]
)
@pytest.mark.parametrize("suffix", [".npy", ".tif", ".nii.gz", ".npz"])
def test_nan_becomes_what_the_key_says(tmp_path, nan, expected, suffix):
    pixels = with_nan(np.s_[:2], np.s_[5, 5])
    pixels[3, 3] = 5
    shape = np.s_[..., None] if suffix == ".nii.gz" else np.s_[...]
    image = write(tmp_path / f"x{suffix}", pixels[shape])
    anna = write(tmp_path / f"m{suffix}", mask()[shape])
    config = FolderConfig(nan=nan)
    notes, faults = Notes(), Faults()
    (example,) = read_examples(entry_of(image, anna=anna), config, faults, notes)
    assert faults == []
    values, labels = example["image"], example["annotations"][0]
    assert np.isfinite(values).all()
    assert values.dtype == np.float32
    assert (values == expected).sum() == 2 * WIDTH + 1 + (expected == 5)
    assert (labels == IGNORED).sum() == (2 * WIDTH + 1 if nan == "ignore" else 0)
    (note,) = notes
    assert note.startswith(f"NaN in images is replaced (data.folder.nan={nan}): 1 file, ")


def test_least_value_is_that_of_the_volume_and_channel(tmp_path):
    volume = np.stack([with_nan(np.s_[0]) + 10 * n for n in range(3)])
    volume[1] = np.nan
    image = write(tmp_path / "x.npy", volume)
    anna = write(tmp_path / "m.npy", np.stack([mask()] * 3))
    examples, faults = read(entry_of(image, anna=anna), FolderConfig(nan="min"))
    assert faults == []
    assert len(examples) == 3
    assert {float(e["image"][0, 0, 0]) for e in examples} == {np.nanmin(volume)}
    examples, _ = read(entry_of(image, anna=anna), FolderConfig(nan="ignore"))
    assert [example["name"] for example in examples] == ["x/slice_0", "x/slice_2"]
    colours = with_nan(np.s_[0], size=(HEIGHT, WIDTH, 3)) + np.arange(3) * 1000
    image = write(tmp_path / "y.npy", colours.astype(np.float32))
    anna = write(tmp_path / "n.png", mask())
    (example,), _ = read(entry_of(image, anna=anna), FolderConfig(nan="min"))
    np.testing.assert_array_equal(example["image"][0, 0], np.nanmin(colours, axis=(0, 1)))


def test_nan_is_refused_once_for_each_file_with_the_key(tmp_path):
    image = write(tmp_path / "x.npy", np.stack([with_nan(np.s_[0])] * 4))
    anna = write(tmp_path / "m.npy", np.stack([mask()] * 4))
    file, problem = problem_of(entry_of(image, anna=anna))
    assert file == str(image)
    assert problem == (
        f"slice 0: {WIDTH} values are NaN; data.folder.nan says what NaN becomes: a number, min or "
        "ignore"
    )


def test_images_of_nan_only_are_faults_whatever_the_key_is(tmp_path):
    image = write(tmp_path / "x.npy", np.full((HEIGHT, WIDTH), np.nan, np.float32))
    anna = write(tmp_path / "m.png", mask())
    for nan in ("min", "ignore"):
        _, problem = problem_of(entry_of(image, anna=anna), FolderConfig(nan=nan))
        assert "holds NaN only" in problem


@pytest.mark.parametrize("nan", ["max", "nan", np.nan, np.inf, True, ""])
def test_other_values_of_the_key_are_refused(nan):
    with pytest.raises(ValueError, match="nan="):
        FolderConfig(nan=nan)


def test_notes_of_readers_are_collected_by_kind(tmp_path):
    import tifffile

    notes = Notes()
    for n in range(5):
        image, anna = tmp_path / f"x{n}.tif", write(tmp_path / f"m{n}.png", mask())
        tifffile.imwrite(image, picture(n), photometric="miniswhite")
        list(read_examples(entry_of(image, anna=anna), THREE, Faults(), notes))
    (note,) = notes
    assert note.startswith("images: stored with 0 as white")
    assert f": 5 files, such as {tmp_path / 'x0.tif'}, " in note
    assert note.count(".tif") == 3


def chunk(kind, data):
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, kind, rows):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def test_colours_of_16_bits_are_read_in_full(tmp_path):
    image = tmp_path / "x.png"
    levels = (np.arange(12).reshape(1, 4, 3) * 1001).astype(">u2")
    image.write_bytes(png(4, 1, 16, 2, b"\0" + levels.tobytes()))
    anna = write(tmp_path / "m.png", np.zeros((1, 4), np.uint8))
    ((example,), _) = read(entry_of(image, anna=anna))
    np.testing.assert_array_equal(example["image"], levels)


@pytest.mark.parametrize("changed", [(0, 3, 40.0), (0, 0, -1.0), (2, 2, -1.0)])
def test_nifti_mask_that_lies_elsewhere_than_its_image_is_a_fault(tmp_path, changed):
    import nibabel

    image = write(tmp_path / "x.nii.gz", np.zeros((WIDTH, HEIGHT, 3), np.float32))
    row, column, value = changed
    affine = np.eye(4)
    affine[row, column] = value
    path = tmp_path / "m.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((WIDTH, HEIGHT, 3), np.uint8), affine), path)
    file, problem = problem_of(entry_of(image, anna=path))
    assert file == str(path)
    assert "has another affine than its image" in problem


def test_mask_that_ignores_everything_and_an_empty_file_are_faults(tmp_path):
    image = write(tmp_path / "x.png", picture())
    everything = write(tmp_path / "m.png", np.full((HEIGHT, WIDTH), 9, np.uint8))
    config = FolderConfig(ignore="9")
    assert "ignores all" in problem_of(entry_of(image, anna=everything), config)[1]
    everything.write_bytes(b"")
    assert problem_of(entry_of(image, anna=everything), config)[1] == "is empty"


def test_all_faults_of_an_entry_are_found(tmp_path):
    image = write(tmp_path / "x.png", picture())
    masks = {
        "anna": write(tmp_path / "a.png", mask(9)),
        "ben": write(tmp_path / "b.png", mask(1, (8, 12))),
        "cleo": tmp_path / "c.png",
    }
    masks["cleo"].write_bytes(b"no picture")
    examples, faults = read(entry_of(image, **masks))
    assert examples == []
    assert {fault.file for fault in faults} >= {str(masks["anna"]), str(masks["cleo"])}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"classes": "0,1"}, "has 2 classes, but model.num_classes=3"),
        ({"classes": "0,1,1"}, "each value is allowed once"),
        ({"classes": "0,1,red"}, "allowed are values such as"),
        ({"classes": "0,1,#ff0000"}, "allowed are values for all of them, or colours"),
        ({"ignore": "1"}, "each value is allowed once"),
        ({"ignore": "#ffffff"}, "allowed are values for all of them, or colours"),
        ({"patient": "("}, "patient="),
        ({"patient": "p"}, "with a group"),
        ({"split_shares": (0.5, 0.5)}, "three numbers that sum to 1"),
        ({"split_shares": (0.0, 0.5, 0.5)}, "above 0"),
        ({"percentiles": (5.0, 5.0)}, "the lower one first"),
        ({"annotator_weights": "anna"}, "allowed are names with numbers"),
        ({"annotator_weights": "anna=-1"}, "allowed are names with numbers"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings, expected):
    with pytest.raises(ValueError, match=expected) as refused:
        FolderConfig(num_classes=3, **settings)
    assert next(iter(settings)) in str(refused.value)
