"""Common arrangements of files: affixes of masks, channels and annotators in files, links."""

import numpy as np
import pytest

from hpunet.config.data import FolderConfig
from hpunet.data.folder.affixes import Affix, common_affix
from hpunet.data.folder.faults import Faults, Notes, by_kind
from hpunet.data.folder.listing import list_folder
from hpunet.data.folder.matching import match_masks
from hpunet.data.folder.reading import read_examples
from hpunet.io.errors import UserError
from tests.data.folder_files import mask, picture, write, write_folder

NAMES = [f"p{n // 2:02}_s{n % 2}" for n in range(12)]


def listed(root, **settings):
    return list_folder(str(root), str(root.parent / "prepared"), FolderConfig(**settings))


def examples(listing, **settings):
    faults, config = Faults(), FolderConfig(**settings)
    found = [x for e in listing.entries for x in read_examples(e, config, faults, Notes())]
    assert faults == []
    return found


def notes_of(listing):
    return " | ".join(listing.warnings)


def write_images(root, names=NAMES, suffix=".png"):
    for seed, name in enumerate(names):
        write(root / "images" / f"{name}{suffix}", picture(seed))
    return root


def write_masks(root, form, annotators=("anna", "ben"), names=NAMES):
    for annotator in annotators:
        for name in names:
            folder, slash, base = name.rpartition("/")
            file = form.format(a=annotator, name=name, folder=folder + slash, base=base)
            write(root / "annotations" / f"{file}.png", mask())
    return root


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{a}/seg_{name}", "all 24 masks begin with seg_"),
        ("{a}/SEG-{name}", "all 24 masks begin with SEG-"),
        ("{a}/mask{name}", "all 24 masks begin with mask"),
        ("{a}/{name}_mask", "all 24 masks end with _mask"),
        ("{a}/{name}_gmseg-manual-ucl", "all 24 masks end with _gmseg-manual-ucl"),
        ("{a}/{name}_1stHO", "all 24 masks end with _1stHO"),
        ("{a}/{name}_00_mask", "all 24 masks end with _00_mask"),
        ("{a}/{name}.seg", "all 24 masks end with .seg"),
        ("{a}/{name} Kopie", "all 24 masks end with  Kopie"),
        ("{a}/masks/{name}", "all 24 masks begin with masks/"),
        ("{a}/m_{name}_seg", "all 24 masks begin with m_ and end with _seg"),
        ("{a}/{name}_{a}", "all 12 masks of anna end with _anna"),
        ("{a}/{a}_{name}", "all 12 masks of ben begin with ben_"),
    ],
)
def test_what_masks_have_in_common_is_left_out_with_a_note(tmp_path, form, text):
    listing = listed(write_masks(write_images(tmp_path / "own"), form))
    assert listing.faults == []
    assert {tuple(entry.masks) for entry in listing.entries} == {("anna", "ben")}
    assert text in notes_of(listing)
    assert "of 24 fit" in notes_of(listing) or "12 of 12 fit" in notes_of(listing)


@pytest.mark.parametrize("form", ["{a}/{folder}seg_{base}", "{a}/{name}_seg", "{a}/x/{name}"])
def test_affixes_stand_in_the_last_part_of_the_path_or_are_its_first_folder(tmp_path, form):
    names = [f"p{n // 2}/s{n % 2}" for n in range(6)]
    listing = listed(write_masks(write_images(tmp_path / "own", names), form, names=names))
    assert listing.faults == []
    assert all(len(entry.masks) == 2 for entry in listing.entries)


@pytest.mark.parametrize(
    ("image", "form", "text"),
    [
        (
            "{name}_image",
            "{a}/{name}_mask",
            "end with _mask and belong to images that end with _im",
        ),
        (
            "img_{name}",
            "{a}/seg_{name}",
            "begin with seg_ and belong to images that begin with img_",
        ),
        (
            "{name}_image",
            "{a}/{name}",
            "all 24 masks belong to images that end with _image; without",
        ),
        (
            "Train/{name}",
            "{a}/{name}",
            "all 24 masks lack the folders of their images; without these",
        ),
        (
            "f/{name}",
            "{a}/seg_{name}",
            "begin with seg_ and lack the folders of their images; with",
        ),
        ("{name}", "{a}/f/{name}", "masks begin with f/; without it 24 of 24 fit an image"),
        ("f/{name}", "f/{a}/{name}", "the folders anna, ben below other folders are taken to name"),
    ],
)
def test_names_of_images_may_have_more_than_those_of_masks(tmp_path, image, form, text):
    root = tmp_path / "own"
    for seed, name in enumerate(NAMES):
        write(root / "images" / f"{image.format(name=name)}.png", picture(seed))
    listing = listed(write_masks(root, form))
    assert listing.faults == []
    assert {tuple(entry.masks) for entry in listing.entries} == {("anna", "ben")}
    assert text in notes_of(listing)
    for entry in listing.entries:
        assert all(
            any(n in str(m[0].path) for n in NAMES if n in entry.name) for m in entry.masks.values()
        )


def test_folders_that_only_masks_have_are_left_out(tmp_path):
    root = write_images(tmp_path / "own")
    for name in NAMES:
        write(root / "annotations" / "anna" / name[:3] / f"{name}.png", mask())
    listing = listed(root)
    assert listing.faults == []
    assert "all 12 masks are in folders that their images lack; without these 12" in notes_of(
        listing
    )


@pytest.mark.parametrize(
    ("images", "stems"),
    [
        # The same name in two folders.
        (["p0/a", "p1/a", "p1/b"], ["a", "b"]),
        (["a", "b", "c"], ["p0/a", "p1/a", "p1/b"]),
        # The texts that images have in common hold a digit, or nothing sets them off.
        (["case1_a", "case1_b", "case1_c"], ["case2_a", "case2_b", "case2_c"]),
        (["a1", "a2", "a3"], ["b1", "b2", "b3"]),
    ],
)
def test_names_that_could_be_of_other_images_are_not_guessed(images, stems):
    assert match_masks([f"anna/{stem}" for stem in stems], images).found == {}


def test_one_annotator_may_have_an_affix_and_the_other_none(tmp_path):
    root = write_masks(write_images(tmp_path / "own"), "{a}/{name}", ("anna",))
    listing = listed(write_masks(root, "{a}/seg_{name}", ("ben",)))
    assert listing.faults == []
    assert all(set(entry.masks) == {"anna", "ben"} for entry in listing.entries)
    assert "all 12 masks of ben begin with seg_" in notes_of(listing)


def test_masks_that_lack_the_affix_or_their_image_stay_faults(tmp_path):
    root = write_masks(write_images(tmp_path / "own"), "{a}/seg_{name}", ("anna",))
    write(root / "annotations" / "anna" / "seg_lost.png", mask())
    ((file, problem),) = listed(root).faults
    assert file.endswith("seg_lost.png")
    assert "belongs to no image" in problem
    assert "annotations.csv" in problem
    assert "all 13 masks begin with seg_; without it 12 of 13 fit" in notes_of(listed(root))


@pytest.mark.parametrize(
    ("form", "annotators"),
    [
        ("{name}_{a}", ("1stHO", "2ndHO")),
        ("{a}-{name}", ("reader1", "reader2")),
        ("manual/{name}_{a}", ("r1", "r2")),
        ("{name}_{a}_mask", ("Expert A", "Expert B")),
        ("{name}_gt_{a}", ("ann1", "ann2")),
        ("{name}_{a}", ("only",)),
    ],
)
def test_annotators_are_named_by_what_stands_around_the_names_of_images(tmp_path, form, annotators):
    listing = listed(write_masks(write_images(tmp_path / "own"), form, annotators))
    assert listing.faults == []
    (found,) = {tuple(entry.masks) for entry in listing.entries}
    assert len(found) == len(annotators)
    assert all(own in name for own, name in zip(annotators, found, strict=True))
    assert "taken to name annotators" in notes_of(listing)


@pytest.mark.parametrize("parts", [("disc", "cup"), ("nodule1", "nodule2"), ("A", "B"), ("0", "1")])
@pytest.mark.parametrize("form", ["{name}_{a}", "anna/{name}_{a}", "{a}_{name}"])
def test_endings_that_may_name_classes_or_findings_are_no_annotators(tmp_path, parts, form):
    listing = listed(write_masks(write_images(tmp_path / "own"), form, parts))
    assert not any(entry.masks for entry in listing.entries)
    (kind,) = by_kind(listing.faults)
    assert kind.number == 24
    assert "with the column class parts of it" in kind.problem


@pytest.mark.parametrize(
    ("stems", "images", "expected"),
    [
        (["seg_1", "seg_2", "seg_11", "seg_12"], ["1", "2", "11", "12"], Affix("seg_")),
        (["a1", "a11", "a111"], ["1", "11", "111"], Affix("a")),
        (["seg_x1"], ["x1", "1"], Affix("seg_")),
        # One mask could be of either image.
        (["seg_x_1"], ["x_1", "1"], None),
        (["m_1_1", "m_1_2", "m_1_3"], ["1_1", "1_2", "1_3", "1", "2", "3"], None),
        (["alpha"], ["a"], None),
        (["ax", "by", "cz"], ["x", "y", "z"], None),
        (["seg_x"], ["x"], Affix("seg_")),
        (["segx"], ["x"], None),
        (["q1", "q2"], ["p1", "p2"], None),
    ],
)
def test_affixes_are_only_taken_if_they_are_clear(stems, images, expected):
    assert common_affix(stems, set(images)) == expected


def test_many_masks_of_no_image_are_one_kind_that_names_the_table(tmp_path):
    root = write_images(tmp_path / "own")
    for n in range(36):
        write(root / "annotations" / "anna" / f"other{n}.png", mask())
    faults = listed(root).faults
    kinds = by_kind(faults)
    assert [kind.number for kind in kinds] == [36]
    assert all("annotations.csv (image,annotator,mask)" in kind.problem for kind in kinds)
    assert kinds[0].problem.count("other") == 3
    with pytest.raises(UserError, match=r"35 more faults, all of this kind; .* lists all"):
        faults.refuse()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".tif"])
@pytest.mark.parametrize("names", [NAMES, ["p0/a", "p0/b", "p1/a"], ["a"]])
def test_masks_of_all_annotators_may_be_in_one_file(tmp_path, suffix, names):
    root = write_images(tmp_path / "own", names, ".npy")
    masks = np.stack([mask(), mask() * 0, mask()[::-1]])
    for name in names:
        if suffix == ".tif":
            import tifffile

            path = root / "annotations" / f"{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, masks, photometric="minisblack")
        else:
            write(root / "annotations" / f"{name}{suffix}", masks)
    listing = listed(root)
    assert listing.faults == []
    for example in examples(listing):
        assert example["annotators"] == ("1", "2", "3")
        np.testing.assert_array_equal(example["annotations"], masks)
    assert "taken as those of the annotators 1 to 3" in notes_of(listing)


def test_different_numbers_of_annotators_and_single_masks_in_files(tmp_path):
    root = write_images(tmp_path / "own", ["a", "b"])
    write(root / "annotations" / "a.npy", np.stack([mask(), mask()]))
    write(root / "annotations" / "b.png", mask())
    listing = listed(root)
    assert listing.faults == []
    assert {e.name: list(e.masks) for e in listing.entries} == {"a": ["1", "2"], "b": ["1"]}


def test_masks_of_all_annotators_do_not_go_with_volumes_or_other_sizes(tmp_path):
    root = tmp_path / "own"
    write(root / "images" / "x.npy", np.stack([picture(n) for n in range(3)]))
    write(root / "annotations" / "x.npy", np.stack([mask()] * 3))
    (fault, *_) = listed(root).faults
    assert "has 3 slices" in fault.problem
    assert "<annotator>/<name>" in fault.problem
    root = write_images(tmp_path / "other", ["x"])
    write(root / "annotations" / "x.npy", np.stack([mask()] * 3, axis=-1))
    faults = Faults()
    (entry,) = listed(root).entries
    assert list(read_examples(entry, FolderConfig(), faults, Notes())) == []
    ((_, problem),) = faults
    assert "has 12 x 3 pixels" in problem
    assert "are [G, H, W]" in problem


def test_several_annotators_in_the_folder_of_one_are_a_fault_that_says_where_they_belong(tmp_path):
    root = write_images(tmp_path / "own", ["x"])
    write(root / "annotations" / "all" / "x.npy", np.stack([mask()] * 3))
    (entry,), faults = listed(root).entries, Faults()
    assert list(read_examples(entry, FolderConfig(), faults, Notes())) == []
    assert "has 3 slices" in faults[0].problem
    assert "annotations/<name>" in faults[0].problem


@pytest.mark.parametrize(
    ("suffix", "count"), [(".npy", 2), (".tif", 4), (".nii.gz", 2), (".png", 3), (".nii", 1)]
)
def test_numbered_files_are_the_channels_of_an_image(tmp_path, suffix, count):
    root = tmp_path / "own"
    for n in range(3):
        for channel in range(count):
            pixels = picture(10 * n + channel)
            if suffix.startswith(".nii"):
                pixels = np.stack([pixels, pixels + np.uint8(1)], axis=-1)
            write(root / "images" / f"case{n}_{channel:04}{suffix}", pixels)
        masks = np.stack([mask()] * 2, axis=-1) if suffix.startswith(".nii") else mask()
        write(root / "annotations" / "anna" / f"case{n}{suffix}", masks)
    listing = listed(root)
    assert listing.faults == []
    assert [entry.name for entry in listing.entries] == ["case0", "case1", "case2"]
    found = examples(listing)
    assert {example["image"].shape[-1] for example in found} == {count}
    if suffix == ".npy":
        for channel in range(count):
            np.testing.assert_array_equal(found[2]["image"][..., channel], picture(20 + channel))
    assert ("channels of 3 images" in notes_of(listing)) == (count > 1)


@pytest.mark.parametrize("form", ["{a}/seg_{name}", "{a}/{name}_seg", "{name}_a1", "p/{a}/{name}"])
def test_channels_are_found_where_masks_have_more_in_their_names(tmp_path, form):
    root = tmp_path / "own"
    names = [f"case{n}" for n in range(4)]
    folder = "p/" if form.startswith("p/") else ""
    for name in names:
        for channel in range(2):
            write(root / "images" / f"{folder}{name}_{channel:04}.png", picture(channel))
    listing = listed(write_masks(root, form, ("anna",), names))
    assert listing.faults == []
    assert [entry.name for entry in listing.entries] == [f"{folder}{name}" for name in names]
    assert all(len(entry.masks) == 1 for entry in listing.entries)


def test_numbered_slices_with_masks_of_their_own_are_no_channels(tmp_path):
    names = [f"p0_{n:04}" for n in range(3)]
    for n, form in enumerate(("{a}/{name}", "{a}/{name}_seg", "{a}/m_{name}")):
        root = write_images(tmp_path / str(n) / "own", names)
        listing = listed(write_masks(root, form, names=names))
        assert [entry.name for entry in listing.entries] == names
        assert listing.faults == []


@pytest.mark.parametrize("missing", ["a_0001", "b_0000"])
def test_a_missing_channel_is_a_fault(tmp_path, missing):
    root = tmp_path / "own"
    for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
        if name != missing:
            write(root / "images" / f"{name}.png", picture())
    for name in "ab":
        write(root / "annotations" / "anna" / f"{name}.png", mask())
    ((_, problem),) = listed(root).faults
    assert f"lacks the channels {missing!r}" in problem


def test_channels_that_do_not_fit_are_faults(tmp_path):
    root = tmp_path / "own"
    for name, pixels in (("a_0000", picture()), ("a_0001", picture(1, (9, 13)))):
        write(root / "images" / f"{name}.png", pixels)
    for n in range(5):
        write(root / "images" / f"b_{n:04}.png", picture(n))
    for name in "ab":
        write(root / "annotations" / "anna" / f"{name}.png", mask())
    faults = Faults()
    for entry in list_folder(str(root), str(tmp_path / "prepared"), FolderConfig()).entries:
        assert list(read_examples(entry, FolderConfig(), faults, Notes())) == []
    assert "differ in size" in faults[0].problem
    assert "5 channels in all" in faults[1].problem


def test_linked_folders_are_followed(tmp_path):
    store = write_folder(tmp_path / "store")
    root = tmp_path / "own"
    root.mkdir()
    (root / "images").symlink_to(store / "images")
    (root / "annotations").mkdir()
    (root / "annotations" / "anna").symlink_to("../../store/annotations/anna")
    (root / "annotations" / "ben").mkdir()
    for patient in range(6):
        folder = root / "annotations" / "ben" / f"p{patient}"
        folder.mkdir()
        for n in range(2):
            (folder / f"i{n}.png").symlink_to(store / f"annotations/ben/p{patient}/i{n}.png")
    listing = listed(root)
    assert listing.faults == []
    assert len(examples(listing)) == 12
    assert all(set(entry.masks) == {"anna", "ben"} for entry in listing.entries)


@pytest.mark.parametrize("name", ["images", "Images", "annotations"])
def test_a_broken_link_is_one_line_that_names_it(tmp_path, name):
    root = write_folder(tmp_path / "own")
    (root / name.casefold()).rename(tmp_path / "moved")
    (root / name).symlink_to("../store/RawImages")
    with pytest.raises(UserError, match=rf"{name}: is a broken link: its target \.\./store/Raw"):
        listed(root)


def test_broken_links_to_files_are_one_kind(tmp_path):
    root = write_folder(tmp_path / "own")
    for n in range(20):
        (root / "images" / "p0" / f"x{n}.png").symlink_to(tmp_path / f"gone{n}.png")
    (kind,) = by_kind(listed(root).faults)
    assert kind.number == 20
    assert "is a broken link" in kind.problem


@pytest.mark.parametrize("suffix", [".nrrd", ".json", ".mha", ".xyz", ""])
def test_missing_masks_and_images_are_told_with_what_was_skipped(tmp_path, suffix):
    root = write_images(tmp_path / "own", ["a", "b"])
    for name in "ab":
        path = root / "annotations" / "anna" / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"?")
    ((_, problem),) = listed(root).faults
    shown = suffix or "without a suffix"
    assert "2 images, but no annotation of any of them" in problem
    assert f"skipped 2 files of other formats: 2 {shown}; formats that are read: .png" in problem
    for path in (root / "images").iterdir():
        path.rename(path.with_suffix(suffix))
    (root / "annotations" / "anna" / f"a{suffix}").unlink()
    with pytest.raises(UserError, match=rf"holds no image; skipped 3 files .*: 3 \{shown}|without"):
        listed(root)
    write(root / "annotations" / "anna" / "a.png", mask())
    (fault,) = listed(root).faults
    assert f"skipped 2 files of other formats: 2 {shown}" in fault.problem


def test_skipped_files_are_noted_by_format(tmp_path):
    root = write_folder(tmp_path / "own")
    for name in ("a.nrrd", "b.nrrd", "c.json"):
        (root / "annotations" / "ben" / name).write_bytes(b"?")
    notes = " ".join(listed(root).notes([2] * 12))
    assert "unknown format: 3 files, such as" in notes
    assert "(2 .nrrd, 1 .json; formats that are read: .png, " in notes
