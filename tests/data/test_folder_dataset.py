"""A folder prepared and opened: whole or not at all, once, and as training and scoring need it."""

import numpy as np
import pytest
import tifffile

from hpunet.config.data import FolderConfig
from hpunet.data.crops import CropSampler
from hpunet.data.folder import builder
from hpunet.data.folder.listing import list_folder
from hpunet.data.pipeline import training_batches
from hpunet.io.errors import UserError
from tests.data.folder_files import mask, picture, write, write_folder

WINDOW = CropSampler((8, 8), "crop", augment=False)


def opened(root, window=WINDOW, **settings):
    config = FolderConfig(**settings)
    return builder.open_dataset(str(root), str(root.parent / "prepared"), config, window)


def examples(dataset):
    return [source[n] for source in dataset.splits.values() for n in range(len(source))]


def test_examples_are_those_of_the_files(tmp_path):
    root = write_folder(tmp_path / "own", suffix=".tif")
    dataset = opened(root)
    found = {example["name"]: example for example in examples(dataset)}
    assert set(found) == {f"p{p}/i{n}" for p in range(6) for n in range(2)}
    example = found["p3/i1"]
    np.testing.assert_array_equal(example["image"][..., 0], picture(31))
    expected = mask()
    np.testing.assert_array_equal(example["annotations"][0], expected)
    expected[2, 3] = 0
    np.testing.assert_array_equal(example["annotations"][1], expected)
    assert example["annotators"] == ["anna", "ben"]
    assert example["patient"] == "p3"


@pytest.mark.parametrize(
    "pixels",
    [
        picture(0, dtype=np.uint8),
        picture(0, dtype=np.uint16),
        picture(0, dtype=np.uint16).astype(np.int32) - 5,
        picture(0, dtype=np.uint16).astype(np.int32) + 1000,
        picture(0, dtype=np.float32) + np.float32(0.25),
    ],
    ids=["8-bit", "16-bit", "negative", "above 16 bits", "fractions"],
)
def test_values_come_back_exactly(tmp_path, pixels):
    root = write_folder(tmp_path / "own", patients=1, images=1, suffix=".npy")
    write(root / "images" / "p0" / "i0.npy", pixels)
    (example,) = examples(opened(root))
    assert example["image"].dtype == np.float32
    np.testing.assert_array_equal(example["image"][..., 0], pixels)


def test_second_opening_reads_no_image_and_changed_files_are_read_anew(tmp_path, monkeypatch):
    root = write_folder(tmp_path / "own")
    first = opened(root)
    real = builder.read_examples

    def refuse(*arguments):
        raise AssertionError("an image is read again")

    monkeypatch.setattr(builder, "read_examples", refuse)
    again = opened(root)
    assert (again.checksum, again.split_table) == (first.checksum, first.split_table)
    # What sees the records otherwise needs no other records.
    opened(root, annotator_weights="anna=3", sizes="resize")
    monkeypatch.setattr(builder, "read_examples", real)
    write(root / "images" / "p0" / "i0.png", picture(99))
    assert opened(root).checksum != first.checksum
    assert opened(root, split_seed=5).checksum != first.checksum


@pytest.mark.parametrize("broken", ["images/p5/i1.png", "annotations/ben/p5/i1.png"])
def test_a_broken_file_leaves_nothing_prepared(tmp_path, broken):
    root = write_folder(tmp_path / "own")
    (root / broken).write_bytes(b"broken")
    with pytest.raises(UserError, match=r"p5/i1\.png: not a readable") as refused:
        opened(root)
    assert "python -m hpunet.inspect lists all" in str(refused.value)
    assert list((tmp_path / "prepared").rglob("*.array_record*")) == []


def test_first_fault_of_names_is_raised_with_the_number_of_the_others(tmp_path):
    root = write_folder(tmp_path / "own")
    for name in ("x", "y", "z"):
        write(root / "annotations" / "anna" / f"{name}.png", mask())
    with pytest.raises(UserError, match=r"x\.png: belongs to no image.*2 more faults"):
        opened(root)
    assert not list((tmp_path / "prepared").rglob("*.array_record*"))


def test_intensities_are_those_of_the_training_split(tmp_path):
    dataset = opened(write_folder(tmp_path / "own"), intensities="range")
    source = dataset.splits["train"]
    values = np.stack([source[n]["image"] for n in range(len(source))])
    assert dataset.intensities.low == (values.min(),)
    assert dataset.intensities.high == (values.max(),)


def test_gray_image_among_coloured_ones_has_three_equal_channels(tmp_path):
    root = write_folder(tmp_path / "own")
    for path in (root / "images").rglob("*.png"):
        if path.name == "i0.png":
            write(path, picture(3, (9, 12, 3)))
    shapes = {example["image"].shape for example in examples(opened(root))}
    assert shapes == {(9, 12, 3)}


def test_two_and_three_channels_do_not_go_together(tmp_path):
    root = write_folder(tmp_path / "own", suffix=".npy")
    write(root / "images" / "p0" / "i0.npy", picture(0, (9, 12, 2)))
    write(root / "images" / "p1" / "i0.npy", picture(0, (9, 12, 3)))
    with pytest.raises(UserError, match="channels, but the images before it"):
        opened(root)


@pytest.mark.parametrize(
    ("annotators", "expected"),
    [(("anna",), "every image has a single annotation"), (("anna", "ben"), None)],
)
def test_single_annotations_are_told_plainly(tmp_path, annotators, expected):
    notes = opened(write_folder(tmp_path / "own", annotators)).notes
    assert [expected in note for note in notes] == ([] if expected is None else [True])


def test_unknown_patients_and_images_left_out_are_told(tmp_path):
    root = tmp_path / "own"
    for name in "abcd":
        write(root / "images" / f"{name}.png", picture())
    for name in "abc":
        for annotator in ("anna", "ben"):
            write(root / "annotations" / annotator / f"{name}.png", mask())
    dataset = opened(root)
    assert not dataset.patients_known
    notes = " ".join(dataset.notes)
    assert "the patients of the images are unknown" in notes
    assert "they have no annotation: 1 of 4 images" in notes


def test_classes_that_no_mask_contains_are_named(tmp_path):
    dataset = opened(write_folder(tmp_path / "own"), num_classes=3, classes="0,1=core,2=edema")
    (note,) = dataset.notes
    assert note.startswith("classes that no mask contains: edema; --config.data.folder.classes ")


def drawn_labels(dataset, count=200):
    batches = training_batches(dataset.splits["train"], 20, 0, crop_sampler=dataset.crop_sampler)
    return np.concatenate([next(batches).labels for _ in range(count // 20)])


def test_training_draws_annotators_as_often_as_their_weights_say(tmp_path):
    root = write_folder(tmp_path / "own", ("anna", "ben"))
    whole = CropSampler((16, 16), "crop", augment=False)
    is_anna = (drawn_labels(opened(root, whole))[:, :, :] == 1).sum(axis=(1, 2)) == mask().sum()
    assert 0.4 < is_anna.mean() < 0.6
    weighted = opened(root, whole, annotator_weights="anna=0")
    assert not ((drawn_labels(weighted) == 1).sum(axis=(1, 2)) == mask().sum()).any()


def test_batches_are_the_same_from_reading_processes(tmp_path):
    dataset = opened(write_folder(tmp_path / "own"), CropSampler((8, 8), "annotated", augment=True))
    here = training_batches(dataset.splits["train"], 4, 0, crop_sampler=dataset.crop_sampler)
    there = training_batches(
        dataset.splits["train"], 4, 0, num_workers=1, crop_sampler=dataset.crop_sampler
    )
    for _ in range(3):
        for own, other in zip(next(here), next(there), strict=True):
            np.testing.assert_array_equal(own, other)


def test_files_of_other_formats_are_told_of(tmp_path):
    root = write_folder(tmp_path / "own")
    (root / "annotations" / "ben" / "p0" / "i0.nrrd").write_bytes(b"NRRD")
    (root / "images" / ".hidden").write_bytes(b"")
    (note,) = opened(root).notes
    assert "1 file, such as" in note
    assert "i0.nrrd (1 .nrrd; formats that are read: .png, " in note


def test_notes_are_the_same_when_the_data_are_opened_again(tmp_path, monkeypatch):
    root = write_folder(tmp_path / "own", ("anna", "ben", "copy"), suffix=".tif")
    for path in (root / "annotations" / "anna").rglob("*.png"):
        write(root / "annotations" / "copy" / path.relative_to(path.parents[1]), 1 - mask())
        write(path, 1 - mask())
    for path in (root / "images").rglob("*.tif"):
        tifffile.imwrite(path, picture(1), photometric="miniswhite")
    notes = opened(root).notes
    assert [note.split(",")[0] for note in notes] == [
        "images: stored with 0 as white (PhotometricInterpretation 0) and read as stored; some "
        "programs read such files inverted: 12 files",
        "class 1 covers most pixels",
        "the masks of some annotators are identical throughout: anna and copy (12 images with "
        "marks); if they are copies",
    ]
    monkeypatch.setattr(builder, "read_examples", None)
    assert opened(root).notes == notes


def test_checksum_of_a_folder_is_that_of_earlier_versions_so_that_runs_resume(tmp_path):
    root = tmp_path / "own"
    for patient in range(6):
        for n in range(2):
            name = f"p{patient}/i{n}.npy"
            write(root / "images" / name, np.full((9, 12), 10 * patient + n, np.uint8))
            for k, annotator in enumerate(("anna", "ben")):
                write(root / "annotations" / annotator / name, mask(k))
    config = FolderConfig()
    listing = list_folder(str(root), str(tmp_path / "prepared"), config)
    # Computed by the version before the key data.folder.nan.
    earlier = "43753604095055c12576cdf5435249f2628b3e13060ebedc583533418094fb95"
    assert builder.digest(listing, config) == earlier
    assert builder.digest(listing, FolderConfig(nan=0)) != earlier


def test_all_faults_of_pixels_are_counted_before_the_first_is_raised(tmp_path):
    root = write_folder(tmp_path / "own", suffix=".npy")
    for path in (root / "images").rglob("*.npy"):
        pixels = np.load(path).astype(np.float32)
        pixels[0, 0] = np.nan
        write(path, pixels)
    with pytest.raises(
        UserError, match=r"data\.folder\.nan says .*\(11 more faults, all of this kind"
    ):
        opened(root)
    assert len(examples(opened(root, nan="min"))) == 12


def test_channels_raters_and_parts_are_prepared_as_they_are_read(tmp_path):
    root = tmp_path / "own"
    for n in range(6):
        for channel in range(2):
            write(root / "images" / f"c{n}_{channel:04}.png", picture(10 * n + channel))
        write(root / "annotations" / f"c{n}.npy", np.stack([mask(), mask() * 0]))
    dataset = opened(root)
    found = {example["name"]: example for example in examples(dataset)}
    assert found["c3"]["annotators"] == ["1", "2"]
    np.testing.assert_array_equal(found["c3"]["image"][..., 1], picture(31))
    np.testing.assert_array_equal(found["c3"]["annotations"], np.stack([mask(), mask() * 0]))
    notes = " ".join(dataset.notes)
    assert "12 files with numbers such as _0000 are taken as the channels of 6 images" in notes
    assert "6 files of annotations with the name of an image" in notes
    assert dataset.split_table.count("\nc3,") == 1
