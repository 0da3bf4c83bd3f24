"""Patients are in one split each, by seed or as given, and the splits can be had again."""

import pytest

from hpunet.config.data import FolderConfig
from hpunet.data.folder.builder import digest
from hpunet.data.folder.listing import list_folder
from hpunet.data.folder.patients import SPLITS
from hpunet.data.folder.splits import as_csv, draw_splits
from tests.data.folder_files import mask, write, write_folder, write_table


def listed(root, **settings):
    return list_folder(str(root), str(root.parent / "prepared"), FolderConfig(**settings))


def splits_of(listing):
    return {entry.name: entry.split for entry in listing.entries}


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "own", patients=12)


def test_all_images_of_a_patient_are_in_one_split(root):
    listing = listed(root)
    by_patient = {}
    for entry in listing.entries:
        by_patient.setdefault(entry.patient, set()).add(entry.split)
    assert {len(splits) for splits in by_patient.values()} == {1}
    counts = [sum(split == {name} for split in by_patient.values()) for name in SPLITS]
    assert counts == [8, 2, 2]


def test_seed_decides_and_another_seed_decides_otherwise(root):
    assert splits_of(listed(root)) == splits_of(listed(root))
    assert any(splits_of(listed(root, split_seed=n)) != splits_of(listed(root)) for n in (1, 2))


@pytest.mark.parametrize("patients", range(1, 30))
def test_no_wanted_split_of_three_or_more_patients_is_empty(patients):
    names = {f"p{n}" for n in range(patients)}
    drawn = list(draw_splits(names, FolderConfig()).values())
    assert len(drawn) == patients
    assert set(drawn) == (set(SPLITS) if patients >= 3 else {"train"})


def test_split_without_share_is_empty():
    config = FolderConfig(split_shares=(0.8, 0.2, 0.0))
    drawn = draw_splits({f"p{n}" for n in range(10)}, config)
    assert sorted(drawn.values()) == ["train"] * 8 + ["val"] * 2


def test_written_splits_are_the_next_runs_whatever_its_seed(root, tmp_path):
    first = listed(root)
    table = tmp_path / "splits.csv"
    table.write_text(as_csv(first.entries, first.checksums))
    again = listed(root, splits=str(table), split_seed=7)
    assert again.faults == []
    assert splits_of(again) == splits_of(first)


def test_file_that_changed_since_the_splits_were_written_is_a_fault(root, tmp_path):
    first = listed(root)
    table = tmp_path / "splits.csv"
    table.write_text(as_csv(first.entries, first.checksums))
    write(root / "annotations" / "anna" / "p3" / "i1.png", mask(0))
    ((file, problem),) = listed(root, splits=str(table)).faults
    assert file.endswith("p3/i1.png")
    assert "changed since" in problem


def test_new_patient_and_lost_image_are_faults_of_written_splits(root, tmp_path):
    first = listed(root)
    table = tmp_path / "splits.csv"
    table.write_text(as_csv(first.entries, first.checksums))
    (root / "images" / "p3" / "i1.png").rename(root / "images" / "new.png")
    for annotator in ("anna", "ben"):
        (root / "annotations" / annotator / "p3" / "i1.png").unlink()
    problems = [fault.problem for fault in listed(root, splits=str(table)).faults]
    assert any("names the image 'p3/i1', which is not there" in problem for problem in problems)
    assert any("is in no split of" in problem for problem in problems)


def test_splits_may_be_given_by_patient_alone(root, tmp_path):
    rows = [[f"p{n}", SPLITS[n % 3]] for n in range(12)]
    table = write_table(tmp_path / "s.csv", rows, ("patient", "split"))
    found = splits_of(listed(root, splits=str(table)))
    assert {name: split for name, split in found.items() if name.endswith("i0")} == {
        f"p{n}/i0": SPLITS[n % 3] for n in range(12)
    }


def test_written_splits_are_the_same_data_wherever_their_file_lies(root, tmp_path):
    first = listed(root)
    digests = {digest(first, FolderConfig())}
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(as_csv(first.entries, first.checksums))
        config = FolderConfig(splits=str(tmp_path / name), split_seed=9)
        digests.add(digest(listed(root, splits=config.splits, split_seed=9), config))
    assert len(digests) == 1


@pytest.mark.parametrize(
    "rows",
    [
        [["p0/i0", "", "train"], ["p0/i0", "", "test"]],
        [["", "p0", "train"], ["", "p0", "test"]],
        [["p0/i0", "p0", "train"], ["p0/i1", "p0", "test"]],
        [["", "nobody", "test"]],
    ],
)
def test_splits_that_contradict_themselves_are_faults_with_their_line(root, tmp_path, rows):
    rest = [["", f"p{n}", "train"] for n in range(1, 12)]
    table = write_table(tmp_path / "s.csv", [*rest, *rows], ("image", "patient", "split"))
    file, problem = listed(root, splits=str(table)).faults[0]
    assert file == f"{table}, line {12 + len(rows)}"
    assert "a line before it" in problem or "is not there" in problem


def test_images_may_be_given_with_folder_and_suffix(root, tmp_path):
    rows = [[f"images/p{n}/i{k}.png", "train" if n else "test"] for n in range(12) for k in (0, 1)]
    table = write_table(tmp_path / "s.csv", rows, ("image", "split"))
    listing = listed(root, splits=str(table))
    assert listing.faults == []
    assert splits_of(listing)["p0/i1"] == "test"


def test_splits_are_drawn_over_patients_of_whom_something_is_annotated(root):
    for number in range(12, 60):
        write(root / "images" / f"p{number}" / "i0.png", mask())
    annotated = {entry.name: entry.split for entry in listed(root).annotated}
    assert set(annotated.values()) == set(SPLITS)


def test_patient_in_two_given_splits_is_a_fault(root, tmp_path):
    rows = [
        [f"p{n}/i{k}", "test" if (n, k) == (5, 1) else "train"] for n in range(12) for k in (0, 1)
    ]
    table = write_table(tmp_path / "s.csv", rows, ("image", "split"))
    ((file, problem),) = listed(root, splits=str(table)).faults
    assert file.endswith("p5/i1.png")
    assert "patient 'p5' is in two splits, train" in problem
