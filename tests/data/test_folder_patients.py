"""Which patient an image is of, which folders name a split, and what is warned about."""

import pytest

from hpunet.config.data import FolderConfig
from hpunet.data.folder.listing import list_folder
from hpunet.data.folder.patients import SplitFolders, folder_patient, split_named
from tests.data.folder_files import mask, picture, write, write_folder, write_table


def listed(root, **settings):
    return list_folder(str(root), str(root.parent / "prepared"), FolderConfig(**settings))


def write_images(root, names, annotators=("anna", "ben")):
    for seed, name in enumerate(names):
        write(root / "images" / f"{name}.png", picture(seed))
        for annotator in annotators:
            write(root / "annotations" / annotator / f"{name}.png", mask())
    return root


def notes_of(listing):
    return " | ".join(listing.warnings)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("train", "train"),
        ("Train", "train"),
        ("TRAINING", "train"),
        ("Training400", "train"),
        ("train_set", "train"),
        ("trainset", "train"),
        ("train-images", "train"),
        ("01_train", "train"),
        ("val", "val"),
        ("Valid", "val"),
        ("validation", "val"),
        ("Validation400", "val"),
        ("dev", "val"),
        ("test", "test"),
        ("Testing", "test"),
        ("Test_Sets", "test"),
        ("test data", "test"),
        ("eval", ""),
        ("Evaluation", ""),
        ("trainee", None),
        ("p00", None),
        ("testis", None),
        ("site_a", None),
        ("valve", None),
        ("contrast", None),
    ],
)
def test_folders_that_name_a_split(folder, expected):
    assert split_named(folder) == expected


def test_folders_of_the_official_split_are_the_splits_and_never_drawn_over(tmp_path):
    names = [f"{'Train' if n < 14 else 'Test'}/i{n}" for n in range(20)]
    listing = listed(write_images(tmp_path / "own", names))
    assert listing.faults == []
    assert [e.split for e in sorted(listing.entries, key=lambda e: int(e.name.split("/i")[1]))] == [
        "train"
    ] * 14 + ["test"] * 6
    assert {entry.patient for entry in listing.entries} == {None}
    assert "folders below images give the splits: Train as train, Test as test" in notes_of(listing)
    assert "the split val is empty" in notes_of(listing)
    again = listed(tmp_path / "own", split_shares=(0.7, 0.0, 0.3), split_seed=9)
    assert {e.name: e.split for e in again.entries} == {e.name: e.split for e in listing.entries}
    assert "is empty" not in notes_of(again)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["training/a", "validation/b", "testing/c"], "train val test"),
        (["TRAIN/a", "VAL/b", "TEST/c"], "train val test"),
        (["Training400/a", "Validation400/b", "Test400/c"], "train val test"),
        (["train/p1/a", "valid/p2/b", "test/p3/c"], "train val test"),
        (["train/p1/a", "train/p2/b", "test/p1/c"], "train train test"),
        (["s1/train/a", "s1/test/b", "s2/train/c"], "train test train"),
        (["s1/x/train/a", "s1/y/val/b", "s2/z/test/c"], "train val test"),
        (["train_set/a", "dev_set/b", "test_set/c"], "train val test"),
        (["01 train/a", "02 val/b", "03 test/c"], "train val test"),
        (["Train/a", "train/b", "Test/c"], "train train test"),
    ],
)
def test_layouts_of_official_splits(tmp_path, names, expected):
    listing = listed(write_images(tmp_path / "own", names))
    assert listing.faults == []
    found = {entry.name: entry.split for entry in listing.entries}
    assert [found[name] for name in names] == expected.split()


def test_patients_below_folders_of_splits_are_those_that_the_key_says(tmp_path):
    names = ["train/p1/a", "train/p2/b", "val/p3/c", "test/p4/d"]
    root = write_images(tmp_path / "own", names)
    assert {e.patient for e in listed(root).entries} == {None}
    by_level = listed(root, patient=2)
    assert [entry.patient for entry in by_level.entries] == ["p4", "p1", "p2", "p3"]
    assert [entry.split for entry in by_level.entries] == ["test", "train", "train", "val"]
    assert [e.patient for e in listed(root, patient="2").entries] == ["p4", "p1", "p2", "p3"]
    by_name = listed(root, patient=r"(p\d)")
    assert [entry.patient for entry in by_name.entries] == ["p4", "p1", "p2", "p3"]
    assert len(listed(root, patient=3).faults) == 4


def test_sites_above_folders_of_splits_are_no_patients_where_they_span_splits(tmp_path):
    root = write_images(tmp_path / "own", ["s1/train/a", "s1/test/b", "s2/train/c"])
    assert {entry.patient for entry in listed(root).entries} == {None}
    root = write_images(tmp_path / "other", ["p1/train/a", "p2/test/b", "p3/val/c"])
    assert [entry.patient for entry in listed(root).entries] == ["p1", "p2", "p3"]


@pytest.mark.parametrize("other", ["extra/x", "x", "site1/x", "p00/x"])
def test_images_outside_of_the_folders_of_splits_are_a_fault(tmp_path, other):
    root = write_images(tmp_path / "own", ["train/a", "test/b", other])
    ((file, problem),) = listed(root).faults
    assert file.endswith(f"{other}.png")
    assert "the folders test, train look like splits" in problem
    assert "data.folder.splits or a table" in problem
    rows = [["train/a", "train"], ["test/b", "test"], [other, "train"]]
    table = write_table(tmp_path / "s.csv", rows, ("image", "split"))
    given = listed(root, splits=str(table))
    assert given.faults == []
    assert [e.split for e in given.entries if e.name == other] == ["train"]


def test_a_folder_that_may_mean_two_splits_is_a_fault(tmp_path):
    names = ["train/a", "eval/b", "eval/c"]
    listing = listed(write_images(tmp_path / "own", names))
    assert [fault.file[-10:] for fault in listing.faults] == ["eval/b.png", "eval/c.png"]
    assert "may mean val or test" in listing.faults[0].problem


def test_a_patient_called_test_is_a_patient_if_the_key_says_so(tmp_path):
    root = write_images(tmp_path / "own", ["test/a", *(f"p{n}/a" for n in range(6))])
    assert len(listed(root).faults) == 6
    assert "data.folder.patient=1" in listed(root).faults[0].problem
    listing = listed(root, patient=1)
    assert listing.faults == []
    assert len({entry.patient for entry in listing.entries}) == 7


def test_numbered_patients_called_test_name_no_split(tmp_path):
    root = write_images(tmp_path / "own", [f"test{n}/a" for n in range(8)])
    listing = listed(root)
    assert listing.faults == []
    assert {entry.patient for entry in listing.entries} == {f"test{n}" for n in range(8)}


def table_of(root, names, columns=("image", "annotator", "mask"), more=lambda name: ()):
    rows = [[f"images/{n}.png", "anna", f"annotations/anna/{n}.png", *more(n)] for n in names]
    return write_table(root / "annotations.csv", rows, columns)


@pytest.mark.parametrize("folder", ["", "Images/", "site/", "p0/"])
def test_with_a_table_folders_never_count(tmp_path, folder):
    root = tmp_path / "own"
    names = [f"{folder}i{n}" for n in range(12)]
    write_images(root, names, ("anna",))
    table_of(root, names, ("image", "annotator", "mask", "patient"), lambda name: [""])
    listing = listed(root)
    assert listing.faults == []
    assert not listing.patients_known
    assert len({entry.group for entry in listing.entries}) == 12
    assert {entry.split for entry in listing.entries} == {"train", "val", "test"}
    table_of(root, names)
    assert {entry.patient for entry in listed(root).entries} == {None}


def test_with_a_table_folders_of_splits_are_noted_unless_the_table_gives_splits(tmp_path):
    root = tmp_path / "own"
    names = [f"{'train' if n < 6 else 'test'}/i{n}" for n in range(9)]
    write_images(root, names, ("anna",))
    table_of(root, names)
    assert "the folders test, train look like splits" in notes_of(listed(root))
    table_of(root, names, ("image", "annotator", "mask", "split"), lambda n: [n.split("/")[0]])
    assert "look like splits" not in notes_of(listed(root))


def test_folders_of_images_and_annotations_may_be_in_any_case(tmp_path):
    root = write_folder(tmp_path / "own")
    (root / "images").rename(root / "Images")
    (root / "annotations").rename(root / "ANNOTATIONS")
    listing = listed(root)
    assert listing.faults == []
    assert [entry.name for entry in listing.annotated][:2] == ["p0/i0", "p0/i1"]


@pytest.mark.parametrize(
    ("patients", "images", "expected"),
    [
        (1, 12, "all 12 images are of one patient, p0"),
        (2, 20, "only 2 patients with 20 images each: p0 (20), p1 (20)"),
        (4, 10, "only 4 patients"),
        (5, 15, "only 5 patients"),
        (12, 60, "only 12 patients"),
        (6, 2, None),
        (3, 4, None),
        (8, 10, None),
    ],
)
def test_few_patients_with_many_images_are_noted_with_the_key(tmp_path, patients, images, expected):
    names = [f"p{p}/i{n}" for p in range(patients) for n in range(images)]
    root = tmp_path / "own"
    for name in names:
        for path in (root / "images" / name, root / "annotations" / "anna" / name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".png").write_bytes(b"not read")
    notes = notes_of(listed(root))
    assert (expected or "") in notes
    if expected:
        assert "data.folder.patient says" in notes
    else:
        assert "patients with" not in notes


@pytest.mark.parametrize(
    ("patients", "shares", "expected"),
    [
        (2, (0.7, 0.15, 0.15), "val and test are empty: 2 patients cannot fill 3 splits"),
        (1, (0.7, 0.15, 0.15), "val and test are empty: 1 patient cannot fill 3 splits"),
        (1, (0.5, 0.5, 0.0), "val is empty: 1 patient cannot fill 2 splits"),
        (2, (1.0, 0.0, 0.0), None),
        (3, (0.7, 0.15, 0.15), None),
    ],
)
def test_empty_splits_that_were_asked_for_are_noted(tmp_path, patients, shares, expected):
    root = write_folder(tmp_path / "own", patients=patients)
    notes = notes_of(listed(root, split_shares=shares))
    assert (expected or "") in notes
    assert ("empty" in notes) == bool(expected)


def test_empty_splits_of_a_given_table_are_noted(tmp_path):
    root = write_folder(tmp_path / "own")
    rows = [[f"p{n}", "train" if n < 4 else "test"] for n in range(6)]
    table = write_table(tmp_path / "s.csv", rows, ("patient", "split"))
    assert "the split val is empty" in notes_of(listed(root, splits=str(table)))


@pytest.mark.parametrize(
    ("names", "is_noted"),
    [
        (["train_1", "train_2", "test_1"], True),
        (["x/Train-1", "x/Test-2", "y/VAL.3"], True),
        (["train_1", "train_2", "p_1"], False),
        (["train_1", "train_2", "train_3"], False),
        (["trainee_1", "test_2"], False),
    ],
)
def test_names_of_images_that_look_like_splits_are_noted(tmp_path, names, is_noted):
    listing = listed(write_images(tmp_path / "own", names))
    assert listing.faults == []
    assert ("which look like splits, but only folders count" in notes_of(listing)) == is_noted


def test_first_folder_is_the_patient_unless_it_names_a_split():
    folders = SplitFolders(["p0/a", "p1/b"])
    assert [folder_patient(name, folders) for name in ("p0/a", "c")] == ["p0", None]
    folders = SplitFolders(["train/a", "test/b"])
    assert folder_patient("train/a", folders) is None


@pytest.mark.parametrize("patient", [0, -1, True, "(", "p", 1.5, "0"])
def test_patients_that_are_no_expression_or_level_are_refused(patient):
    with pytest.raises(ValueError, match="patient"):
        FolderConfig(patient=patient)
