"""Which files belong together, whoever named them."""

import os

import pytest

from hpunet.config.data import FolderConfig
from hpunet.data.folder.listing import list_folder
from hpunet.io.errors import UserError
from tests.data.folder_files import mask, picture, write, write_folder, write_table


def listed(root, **settings):
    return list_folder(str(root), str(root.parent / "prepared"), FolderConfig(**settings))


def problems(root, **settings):
    return [(fault.file, fault.problem) for fault in listed(root, **settings).faults]


def names_and_annotators(listing):
    return {entry.name: sorted(entry.masks) for entry in listing.entries}


def test_three_layouts_of_the_same_files_give_the_same_images(tmp_path):
    by_folder, by_number, by_table = (tmp_path / name for name in ("folder", "number", "table"))
    rows = []
    for patient in "ab":
        for root in (by_folder, by_number, by_table):
            write(root / "images" / patient / "x.png", picture())
        for k, annotator in enumerate(("a0", "a1")):
            write(by_folder / "annotations" / annotator / patient / "x.png", mask())
            write(by_number / "annotations" / patient / f"x_a{k}.png", mask())
            write(by_table / "masks" / f"{patient}{k}.png", mask())
            rows.append([f"images/{patient}/x.png", annotator, f"masks/{patient}{k}.png", patient])
    write_table(by_table / "annotations.csv", rows, ("image", "annotator", "mask", "patient"))
    expected = {"a/x": ["a0", "a1"], "b/x": ["a0", "a1"]}
    for root in (by_folder, by_number, by_table):
        listing = listed(root)
        assert names_and_annotators(listing) == expected
        assert [entry.group for entry in listing.entries] == ["a", "b"]
        assert listing.faults == []


def test_suffixes_of_an_image_and_its_masks_may_differ(tmp_path):
    write(tmp_path / "images" / "x.tif", picture())
    write(tmp_path / "annotations" / "anna" / "x.npy", mask())
    write(tmp_path / "annotations" / "x_a7.png", mask())
    assert names_and_annotators(listed(tmp_path)) == {"x": ["a7", "anna"]}


def test_image_without_annotation_stays_listed_but_is_not_annotated(tmp_path):
    write_folder(tmp_path)
    write(tmp_path / "images" / "p9" / "alone.png", picture())
    listing = listed(tmp_path)
    assert listing.faults == []
    assert {entry.name for entry in listing.entries} - {e.name for e in listing.annotated} == {
        "p9/alone"
    }


def test_table_row_without_a_mask_says_that_the_annotator_is_absent(tmp_path):
    write(tmp_path / "x.png", picture())
    write(tmp_path / "m.png", mask())
    table = tmp_path / "annotations.csv"
    write_table(
        table, [["x.png", "anna", "m.png"], ["x.png", "ben", ""]], ("image", "annotator", "mask")
    )
    assert names_and_annotators(listed(tmp_path)) == {"x": ["anna"]}


def test_patient_comes_from_an_expression_where_one_is_given(tmp_path):
    for name in ("p1_left", "p1_right", "p2_left"):
        write(tmp_path / "images" / f"{name}.png", picture())
        write(tmp_path / "annotations" / "anna" / f"{name}.png", mask())
    groups = [entry.group for entry in listed(tmp_path, patient=r"^(\w+?)_").entries]
    assert groups == ["p1", "p1", "p2"]
    ((file, problem),) = problems(tmp_path, patient=r"^(\w+?)_left")
    assert file.endswith("p1_right.png")
    assert "has no patient" in problem


def test_every_fault_of_names_is_found_and_names_its_file(tmp_path):
    write_folder(tmp_path)
    annotations = tmp_path / "annotations" / "anna"
    write(annotations / "p0" / "lost.png", mask())
    write(annotations / "p0" / "I0.png", mask())
    write(tmp_path / "images" / "p1" / "I1.png", picture())
    write(tmp_path / "images" / "p2" / "i0.tif", picture())
    write(annotations / "p3" / "i0.npy", mask())
    found = dict(problems(tmp_path))
    expected = {
        annotations / "p0" / "lost.png": "belongs to no image: there is no images/p0/lost",
        annotations / "p0" / "I0.png": "in case only",
        tmp_path / "images" / "p2" / "i0.tif": "has the same name as",
        annotations / "p3" / "i0.png": "has the same image and annotator as",
    }
    for file, text in expected.items():
        assert text in found.pop(str(file))
    # Of two that differ in case, either may be called the other's double.
    ((file, problem),) = found.items()
    assert file.lower() == str(tmp_path / "images" / "p1" / "i1.png").lower()
    assert "in case only" in problem


def test_links_are_followed_wherever_they_lead_and_broken_ones_are_faults(tmp_path):
    root = write_folder(tmp_path / "own")
    outside = write(tmp_path / "store" / "other.png", picture())
    for name, target in (("out.png", outside), ("nowhere.png", tmp_path / "none")):
        (root / "images" / "p0" / name).symlink_to(target)
    (root / "images" / "p0" / "inside.png").symlink_to(root / "images" / "p0" / "i0.png")
    (root / "images" / "p9").symlink_to(tmp_path / "missing folder")
    (root / "images" / "loop").symlink_to(root / "images", target_is_directory=True)
    listing = listed(root)
    found = dict(listing.faults)
    assert set(found) == {str(root / "images" / name) for name in ("p0/nowhere.png", "p9", "loop")}
    assert f"target {tmp_path / 'none'} is missing" in found[str(root / "images/p0/nowhere.png")]
    assert "already visited" in found[str(root / "images/loop")]
    assert {"p0/out", "p0/inside"} <= {entry.name for entry in listing.entries}


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "none.png", ""])
def test_table_may_name_files_below_the_folder_only(tmp_path, path):
    root = tmp_path / "own"
    write(tmp_path / "secret.png", picture())
    write(root / "x.png", picture())
    write(root / "m.png", mask())
    rows = [["x.png", "anna", "m.png"], [path, "anna", "m.png"]]
    write_table(root / "annotations.csv", rows, ("image", "annotator", "mask"))
    ((file, problem),) = problems(root)
    assert os.path.basename(path) in file
    assert "line 3" in file + problem


def test_patient_in_two_splits_of_a_table_is_a_fault_with_both_files(tmp_path):
    rows = []
    for name, split in (("x", "train"), ("y", "test")):
        write(tmp_path / f"{name}.png", picture())
        write(tmp_path / f"{name}_m.png", mask())
        rows.append([f"{name}.png", "anna", f"{name}_m.png", "p", split])
    write_table(tmp_path / "annotations.csv", rows)
    ((file, problem),) = problems(tmp_path)
    assert file.endswith("y.png")
    assert "patient 'p' is in two splits, train" in problem
    assert "x.png" in problem


def test_table_that_contradicts_itself_is_a_fault(tmp_path):
    for name in ("x", "m", "n"):
        write(tmp_path / f"{name}.png", mask())
    rows = [
        ["x.png", "anna", "m.png", "p", "train"],
        ["x.png", "anna", "n.png", "p", "train"],
        ["x.png", "ben", "n.png", "q", "train"],
        ["x.png", "", "n.png", "p", "train"],
        ["x.png", "cleo", "n.png", "p", "training"],
    ]
    write_table(tmp_path / "annotations.csv", rows)
    texts = [problem for _, problem in problems(tmp_path)]
    assert "is the second one" in texts[0]
    assert "another patient" in texts[1]
    assert "no annotator" in texts[2]
    assert "another split" in texts[3]


def test_unknown_split_is_a_fault(tmp_path):
    write(tmp_path / "x.png", picture())
    write(tmp_path / "m.png", mask())
    write_table(tmp_path / "annotations.csv", [["x.png", "anna", "m.png", "p", "training"]])
    ((_, problem),) = problems(tmp_path)
    assert "allowed are train, val, test" in problem


def test_no_annotated_image_is_a_fault(tmp_path):
    write(tmp_path / "images" / "x.png", picture())
    (tmp_path / "annotations").mkdir()
    ((_, problem),) = problems(tmp_path)
    assert "1 images, but no annotation of any of them" in problem


def test_annotators_without_weight_are_refused_where_they_are_alone(tmp_path):
    write_folder(tmp_path, annotators=("anna",), patients=1, images=1)
    ((_, problem),) = problems(tmp_path, annotator_weights="anna=0")
    assert "weight 0" in problem
    ((file, problem),) = problems(tmp_path, annotator_weights="zoe=2")
    assert file == "data.folder.annotator_weights"
    assert "there is no zoe; allowed are anna" in problem


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda root: None, "no such folder"),
        (lambda root: root.write_text(""), "is a file"),
        (lambda root: root.mkdir(), "neither images and annotations nor a table"),
        (
            lambda root: [(root / n).mkdir(parents=True) for n in ("images", "annotations")],
            "no image",
        ),
    ],
)
def test_folder_without_anything_to_read_is_refused(tmp_path, make, expected):
    make(tmp_path / "own")
    with pytest.raises(UserError, match=expected):
        listed(tmp_path / "own")


def test_table_that_lacks_a_column_is_refused_with_those_it_has(tmp_path):
    write_table(tmp_path / "annotations.csv", [["x.png", "m.png"]], ("image", "mask"))
    with pytest.raises(UserError, match="lacks the column annotator; it has image, mask"):
        listed(tmp_path)
    with pytest.raises(UserError, match="there is no file"):
        listed(tmp_path, table="other.csv")


def write_own_table(root, rows, columns=("image", "annotator", "mask")):
    for name in ("p0/x", "p1/x", "m"):
        write(root / "images" / f"{name}.png", mask())
    return write_table(root / "annotations.csv", rows, columns)


def test_table_without_patients_takes_them_by_an_expression_or_level_but_not_from_folders(tmp_path):
    rows = [[f"images/{name}/x.png", "anna", "images/m.png"] for name in ("p0", "p1")]
    write_own_table(tmp_path, rows)
    assert [entry.patient for entry in listed(tmp_path).entries] == [None, None]
    assert [entry.patient for entry in listed(tmp_path, patient=1).entries] == ["p0", "p1"]
    assert [entry.patient for entry in listed(tmp_path, patient="^(p)").entries] == ["p", "p"]
    assert len(problems(tmp_path, patient="^(p0)")) == 1


def test_one_file_under_two_paths_of_a_table_is_one_image(tmp_path):
    columns = ("image", "annotator", "mask", "patient", "split")
    rows = [
        ["images/p0/x.png", "anna", "images/m.png", "p0", "train"],
        ["./images//p0/x.png", "ben", "images/m.png", "p0", "test"],
    ]
    write_own_table(tmp_path, rows, columns)
    ((_, problem),) = problems(tmp_path)
    assert "another split" in problem


@pytest.mark.parametrize("path", ["x" * 300, "x" * 200_000, "\0"])
def test_path_that_no_file_can_have_ends_in_one_line(tmp_path, path):
    write_own_table(tmp_path, [["images/p0/x.png", "anna", path]])
    try:
        found = problems(tmp_path)
    except UserError as error:
        found = [("", str(error))]
    assert len(found) >= 1
    assert all(len(text.splitlines()) == 1 for row in found for text in row if text)


def test_name_that_is_no_text_is_a_fault(tmp_path):
    root = write_folder(tmp_path / "own")
    odd = os.fsencode(root / "images") + b"/\xff.png"
    with open(odd, "wb") as file:
        file.write((root / "images" / "p0" / "i0.png").read_bytes())
    ((file, problem),) = problems(root)
    assert "not UTF-8" in problem
    file.encode()


def test_what_is_no_regular_file_is_a_fault_and_never_opened(tmp_path):
    root = write_folder(tmp_path / "own")
    os.mkfifo(root / "images" / "p0" / "f.png")
    ((_, problem),) = problems(root)
    assert "not a regular file" in problem


def test_image_in_a_folder_called_as_another_image_is_a_fault(tmp_path):
    root = write_folder(tmp_path / "own")
    write(root / "images" / "p0" / "i0" / "slice_0.png", picture())
    ((file, problem),) = problems(root)
    assert file.endswith("i0/slice_0.png")
    assert "in a folder that has the name of" in problem


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is kept from root")
def test_files_that_may_not_be_read_are_faults_beside_the_others(tmp_path):
    root = write_folder(tmp_path / "own")
    (root / "images" / "p0" / "i0.png").chmod(0)
    write(root / "annotations" / "anna" / "lost.png", mask())
    assert len(problems(root)) >= 2


def test_images_that_results_could_not_tell_apart_are_a_fault(tmp_path):
    for name in ("x", "p/x", "m"):
        write(tmp_path / "images" / f"{name}.png", mask())
    rows = [[f"images/{name}.png", "anna", "images/m.png", "p"] for name in ("x", "p/x")]
    write_table(tmp_path / "annotations.csv", rows, ("image", "annotator", "mask", "patient"))
    ((file, problem),) = problems(tmp_path)
    assert file.endswith("p/x.png")
    assert "the same name among results" in problem
