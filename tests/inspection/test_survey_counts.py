"""Statistics of a survey: annotators, classes, sizes, extents and regions."""

import math

import numpy as np
import pytest

from hpunet.data.labels import IGNORED
from hpunet.inspection.dataset_reader import prepared_reader
from hpunet.inspection.json_report import as_json
from hpunet.inspection.survey import survey_dataset
from hpunet.inspection.text_report import annotators_table, as_text, classes_table, sizes_table
from tests.inspection.annotated_folder import example, reader, square

EMPTY = np.zeros((4, 4))
HALF = np.repeat([1, 0], 8).reshape(4, 4)


def test_annotators_who_marked_nothing_are_told_from_those_who_did_not_look():
    examples = [
        example({"anna": HALF, "ben": EMPTY}, name="a"),
        example({"anna": HALF}, name="b"),
        example({"anna": EMPTY, "ben": HALF}, name="c", split="val"),
    ]
    counts = survey_dataset(reader(examples)).counts
    anna, ben = counts.annotators["anna"], counts.annotators["ben"]
    assert (anna.annotated, anna.empty, counts.absent("anna")) == (3, 1, 0)
    assert (ben.annotated, ben.empty, counts.absent("ben")) == (2, 1, 1)
    assert anna.marked.value == pytest.approx(2 / 3 * 0.5)


def test_ignored_pixels_are_neither_marked_nor_counted():
    mask = HALF.copy()
    mask[2:] = IGNORED
    found = survey_dataset(reader([example({"anna": mask, "ben": np.where(mask == 1, 0, mask)})]))
    anna, ben = found.counts.annotators["anna"], found.counts.annotators["ben"]
    assert (anna.marked.value, anna.ignored.value) == (1.0, 0.5)
    assert (ben.marked.value, ben.ignored.value, ben.empty) == (0.0, 0.5, 1)
    assert found.counts.pixels[:2].tolist() == [8, 8]


def test_splits_count_images_patients_and_how_many_annotated_each():
    examples = [
        example({"anna": HALF, "ben": HALF}, name="a", patient="p"),
        example({"anna": HALF}, name="b", patient="p"),
        example({"anna": HALF}, name="c", patient="q"),
        example({"ben": HALF}, name="d", patient="r", split="test"),
    ]
    found = survey_dataset(reader(examples))
    train, test = found.counts.splits["train"], found.counts.splits["test"]
    assert (train.images, train.annotations, train.patients) == (3, 4, {"p", "q"})
    assert train.by_annotators == {1: 2, 2: 1}
    assert (test.images, test.annotations) == (1, 1)
    assert "val" not in found.counts.splits


def test_a_class_that_occurs_nowhere_is_said():
    found = survey_dataset(reader([example({"anna": HALF, "ben": EMPTY})], num_classes=3))
    assert found.counts.occurrences[:3].tolist() == [2, 1, 0]
    assert "never annotated: class 2" in classes_table(found)
    assert "never annotated" not in classes_table(survey_dataset(reader([example({"anna": HALF})])))


def test_sizes_are_those_of_images_and_the_usual_side_is_one_that_half_of_them_reach():
    sizes = [(90, 140), (300, 200), (64, 80), (300, 200)]
    examples = [example({"anna": np.zeros(size)}, name=str(n)) for n, size in enumerate(sizes)]
    shapes = survey_dataset(reader(examples)).shapes
    assert shapes.sizes == {(90, 140): 1, (300, 200): 2, (64, 80): 1}
    assert (shapes.ordered[0], shapes.ordered[-1]) == ((64, 80), (300, 200))
    assert (shapes.usual_side, shapes.least_side) == (90, 64)
    assert [shapes.smaller_than(crop) for crop in (64, 65, 128, 256)] == [0, 1, 2, 4]
    assert [shapes.smaller_than(crop) for crop in ((64, 80), (65, 80), (90, 141))] == [0, 1, 2]


def test_extent_spans_what_any_annotator_marked():
    both = {"anna": square(2, 5), "ben": square(20, 10)}
    shapes = survey_dataset(
        reader([example(both), example({"anna": square() * 0}, name="b")])
    ).shapes
    assert shapes.extents == [28]
    assert math.isnan(survey_dataset(reader([example({"anna": EMPTY})])).shapes.extent)


def test_regions_of_disagreement_are_connected_and_leave_out_ignored_pixels():
    first, second = square(0, 6), square(0, 6)
    second[20:30, 20:30] = 1
    second[20:30, 25:] = IGNORED
    first[0, 0] = 0
    shapes = survey_dataset(reader([example({"anna": first, "ben": second})])).shapes
    assert shapes.regions == {50: 1, 1: 1}
    assert shapes.disputed_side == pytest.approx(50**0.5)


def test_annotators_who_agree_everywhere_leave_no_region():
    shapes = survey_dataset(reader([example({"anna": HALF, "ben": HALF})])).shapes
    assert math.isnan(shapes.disputed_side)


def test_values_are_those_of_each_split():
    low, high = (np.full((4, 4, 1), value, np.float32) for value in (10, 30))
    examples = [
        example({"anna": HALF}, image=low),
        example({"anna": HALF}, image=high, name="b"),
        example({"anna": HALF}, image=high, name="c", split="test"),
    ]
    values = survey_dataset(reader(examples)).values
    (train,), (test,) = values["train"].channels, values["test"].channels
    assert (train.low, train.high, train.mean, train.deviation) == (10, 30, 20, 10)
    assert test.low == test.high == 30
    assert "val" not in values


def test_a_prepared_data_set_has_annotators_without_names():
    class Source(list):
        def __getitem__(self, index):
            return {
                "image": np.full((4, 4, 1), 7, np.uint8),
                "annotations": np.stack([HALF, EMPTY]).astype(np.uint8),
                "patient": "p",
                "name": f"n{index}",
            }

    from hpunet.data.dataset import Dataset

    dataset = Dataset("made", "1.0", "", {"train": Source([0] * 3), "val": Source([0])})
    found = survey_dataset(prepared_reader(dataset, 2))
    assert {name: c.empty for name, c in found.counts.annotators.items()} == {"1": 0, "2": 4}
    assert [split.images for split in found.counts.splits.values()] == [3, 1]
    assert len(found.thumbnails.thumbnails(None)) == 3
    assert "no names" in found.notes[-1]


def test_a_crop_of_two_sides_is_printed_as_sizes_are():
    examples = [example({"anna": HALF})]
    text = as_text(survey_dataset(reader(examples)), (4, 8), None)
    assert text == "made by hand: 1 image of 1 patient, annotated by 1 annotator"
    assert "smaller than crop 4 x 8" in sizes_table(survey_dataset(reader(examples)), (4, 8))


def test_json_is_what_was_counted():
    examples = [
        example({"anna": HALF, "ben": EMPTY}),
        example({"anna": HALF}, name="b", split="val"),
    ]
    result = as_json(survey_dataset(reader(examples)), 32, None)
    assert result["images"] == 2
    assert result["splits"]["train"]["images_by_annotators"] == {"2": 1}
    assert result["annotators"]["ben"] == {
        "annotated": 1,
        "empty": 1,
        "absent": 1,
        "marked_share": 0.0,
        "ignored_share": 0.0,
    }
    assert result["classes"][1] == {"name": "class 1", "pixels": 16, "annotations": 2}
    assert result["sizes"]["smaller_than_crop"] == 2
    assert result["agreement"]["iou"] == [{"annotators": ("anna", "ben"), "mean": 0.0, "images": 1}]


def test_columns_of_the_table_stand_under_each_other():
    examples = [example({"anna": HALF, "a much longer name": EMPTY})]
    header, *rows = annotators_table(survey_dataset(reader(examples))).split("\n\n")[0].splitlines()
    place = header.index("annotated") + len("annotated")
    assert [row[place - 1] for row in rows] == ["1", "1"]
