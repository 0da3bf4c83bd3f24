"""Tables as programs and people write them, several masks of an annotator, and merged classes."""

import numpy as np
import pytest

from hpunet.config.data import FolderConfig
from hpunet.data.folder.faults import Faults, Notes, by_kind
from hpunet.data.folder.listing import list_folder
from hpunet.data.folder.reading import read_examples
from hpunet.data.folder.table import read_table
from hpunet.data.labels import IGNORED
from tests.data.folder_files import HEIGHT, WIDTH, mask, picture, write


def listed(root, **settings):
    return list_folder(str(root), str(root.parent / "prepared"), FolderConfig(**settings))


def examples(listing, **settings):
    faults, config = Faults(), FolderConfig(**settings)
    found = [x for e in listing.entries for x in read_examples(e, config, faults, Notes())]
    return found, faults


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "own"
    write(root / "images" / "p0" / "x.png", picture())
    write(root / "masks" / "anna" / "x.png", mask())
    return root


def write_text(root, text):
    (root / "annotations.csv").write_bytes(text.encode())


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_delimiters_line_ends_and_quotes(root, delimiter, line_end, quote):
    rows = [["image", "annotator", "mask"], ["images/p0/x.png", "anna", "masks/anna/x.png"]]
    lines = [delimiter.join(f"{quote}{field}{quote}" for field in row) for row in rows]
    write_text(root, line_end.join([*lines, ""]))
    (entry,) = listed(root).entries
    assert (entry.name, list(entry.masks)) == ("p0/x", ["anna"])


@pytest.mark.parametrize(
    ("image", "mask_path"),
    [
        (r"images\p0\x.png", r"masks\anna\x.png"),
        (r"images\p0/x.png", r".\masks\anna\x.png"),
        ("{root}/images/p0/x.png", "{root}/masks/anna/x.png"),
        ("{link}/images/p0/x.png", "masks/anna/x.png"),
        ("./images/../images/p0/x.png", "masks//anna/x.png"),
        ("../own/images/p0/x.png", "masks/anna/../anna/x.png"),
    ],
)
def test_paths_with_backslashes_and_absolute_ones_inside_the_folder(root, image, mask_path):
    link = root.parent / "link"
    link.symlink_to(root)
    paths = [text.format(root=root, link=root) for text in (image, mask_path)]
    write_text(root, f"image,annotator,mask\n{paths[0]},anna,{paths[1]}\n")
    for place in (root, link):
        listing = listed(place)
        assert listing.faults == []
        (entry,) = listing.entries
        assert (entry.name, list(entry.masks)) == ("p0/x", ["anna"])


@pytest.mark.parametrize("path", ["..\\secret.png", "C:\\data\\x.png", "/etc/hostname"])
def test_paths_outside_of_the_folder_are_faults(root, path):
    write(root.parent / "secret.png", picture())
    write_text(root, f"image,annotator,mask\nimages/p0/x.png,anna,{path}\n")
    problems = [f"{file} {problem}" for file, problem in listed(root).faults]
    assert any("line 2" in problem for problem in problems)
    assert any("outside" in text or "not a file" in text for text in problems)


def test_lines_are_counted_as_editors_do(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('image,note\n\na,"two\nlines"\n\u2028b,"x"\nc,"three\n\nlines"\nd,\n')
    rows = list(read_table(path, ("image",), ("note",)))
    assert [number for number, _ in rows] == [3, 5, 6, 9]
    assert rows[0][1]["note"] == "two\nlines"


def test_columns_may_be_in_any_case_and_order(root):
    write_text(root, "Mask, Annotator ,IMAGE,more\nmasks/anna/x.png,anna,images/p0/x.png,1\n")
    (entry,) = listed(root).entries
    assert list(entry.masks) == ["anna"]


def test_masks_of_unread_formats_are_faults_with_those_that_are_read(root):
    (root / "masks" / "anna" / "x.nrrd").write_bytes(b"NRRD")
    write_text(root, "image,annotator,mask\nimages/p0/x.png,anna,masks/anna/x.nrrd\n")
    fault = listed(root).faults[0]
    assert "is of a format that is not read: 1 .nrrd; formats that are read: .png" in fault.problem


def test_table_names_channels_by_the_name_of_their_image(root):
    for channel in range(2):
        write(root / "images" / f"y_{channel:04}.png", picture(channel))
    write_text(root, "image,annotator,mask\nimages/y.png,anna,masks/anna/x.png\n")
    listing = listed(root)
    assert listing.faults == []
    ((example,), faults) = examples(listing)
    assert faults == []
    assert example["image"].shape == (HEIGHT, WIDTH, 2)


def parts():
    disc, cup = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    disc[2:7, 2:9], cup[3:5, 4:6] = 255, 1
    return disc, cup


def write_parts(root, classes, settings=None):
    disc, cup = parts()
    write(root / "masks" / "disc.png", disc)
    write(root / "masks" / "cup.png", cup)
    rows = [f"images/p0/x.png,anna,masks/{n}.png,{c}" for n, c in classes]
    write_text(root, "\n".join(["image,annotator,mask,class", *rows, ""]))
    return listed(root, **(settings or {}))


THREE = {"num_classes": 3, "classes": "0,1=disc,2=cup"}


@pytest.mark.parametrize(
    ("classes", "settings"),
    [
        ([("disc", "disc"), ("cup", "cup")], THREE),
        ([("disc", "1"), ("cup", "2")], THREE),
        ([("disc", "1"), ("cup", "2")], {"num_classes": 3}),
        ([("disc", "class 1"), ("cup", "class 2")], {"num_classes": 3}),
        ([("disc", "128"), ("cup", "cup")], {"num_classes": 3, "classes": "0,128=disc,255=cup"}),
    ],
)
def test_masks_of_an_annotator_are_put_together_by_class(root, classes, settings):
    listing = write_parts(root, classes, settings)
    assert listing.faults == []
    ((example,), faults) = examples(listing, **settings)
    assert faults == []
    disc, cup = parts()
    np.testing.assert_array_equal(
        example["annotations"][0], np.where(cup > 0, 2, np.where(disc > 0, 1, 0))
    )


def test_later_masks_cover_earlier_ones_and_instances_are_united(root):
    listing = write_parts(root, [("cup", "cup"), ("disc", "disc")], THREE)
    ((example,), _) = examples(listing, **THREE)
    assert set(np.unique(example["annotations"])) == {0, 1}
    settings = {"classes": "0,1=nodule"}
    listing = write_parts(root, [("cup", "nodule"), ("disc", "nodule")], settings)
    ((example,), _) = examples(listing, **settings)
    disc, cup = parts()
    np.testing.assert_array_equal(example["annotations"][0], (disc > 0) | (cup > 0))


def test_ignored_pixels_of_a_part_are_ignored(root):
    settings = {**THREE, "ignore": "7"}
    listing = write_parts(root, [("disc", "disc"), ("cup", "cup")], settings)
    _, cup = parts()
    cup[0, 0] = 7
    write(root / "masks" / "cup.png", cup)
    ((example,), _) = examples(listing, **settings)
    assert example["annotations"][0, 0, 0] == IGNORED


def test_classes_that_are_unknown_or_missing_are_faults_that_say_how(root):
    listing = write_parts(root, [("disc", "disc"), ("cup", "cup")], {"num_classes": 3})
    problem = listing.faults[0].problem
    assert "there is no class 'disc'; allowed are class 0, class 1, class 2" in problem
    flags = "--config.data.folder.classes=0,1=disc,2=cup --config.model.num_classes=3"
    assert problem.endswith(f"for these names: {flags}")
    (kind,) = by_kind(listing.faults)
    assert kind.number == 2
    listing = write_parts(root, [("disc", ""), ("cup", "")], THREE)
    ((_, problem),) = listing.faults
    assert "is the second one" in problem
    assert "a column class in the table" in problem


def test_a_part_with_several_values_is_a_fault(root):
    listing = write_parts(root, [("disc", "disc"), ("cup", "cup")], THREE)
    disc, _ = parts()
    disc[0, 0] = 9
    write(root / "masks" / "disc.png", disc)
    found, faults = examples(listing, **THREE)
    assert found == []
    ((_, problem),) = faults
    assert "holds 9, 255; allowed in a file of the class 'disc' is one value" in problem


def test_values_of_one_name_are_one_class(root):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[0, :4] = (0, 128, 255, 7)
    write(root / "masks" / "anna" / "x.png", labels)
    write_text(root, "image,annotator,mask\nimages/p0/x.png,anna,masks/anna/x.png\n")
    settings = {"classes": "0,128=lesion,255=lesion,7"}
    with pytest.raises(ValueError, match="has 3 classes, but model"):
        FolderConfig(**settings)
    settings |= {"num_classes": 3}
    ((example,), faults) = examples(listed(root, **settings), **settings)
    assert faults == []
    assert example["annotations"][0, 0, :4].tolist() == [0, 1, 1, 2]
    assert FolderConfig(**settings).class_table.names == ("class 0", "lesion", "class 2")


@pytest.mark.parametrize(
    ("classes", "num_classes", "label", "values", "expected"),
    [
        (None, 2, 1, {255}, "255,0"),
        (None, 2, 1, {1}, "1,0"),
        (None, 2, 1, {1, 255}, "1=class 0,255=class 0,0=class 1"),
        ("0,255=cell", 2, 1, (), "255,0=cell"),
        ("0=outside,7=cell", 2, 1, (), "7=outside,0=cell"),
        ("0,1,2", 3, 2, (), "2,1,0"),
        ("#000000,#ffffff=cell", 2, 1, (), "#ffffff,#000000=cell"),
        ("0,1=a,2=a", 2, 1, (), "1=class 0,2=class 0,0=a"),
    ],
)
def test_classes_are_given_with_background_and_a_class_in_each_others_place(
    classes, num_classes, label, values, expected
):
    table = FolderConfig(num_classes=num_classes, classes=classes).class_table
    assert table.swapped(label, values) == expected
    FolderConfig(num_classes=num_classes, classes=expected)
