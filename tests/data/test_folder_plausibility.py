"""Annotations that are valid but implausible are noted once, with the flag that mends them."""

import numpy as np
import pytest

from hpunet.config.data import FolderConfig
from hpunet.data.folder.plausibility import MaskStatistics
from hpunet.data.labels import IGNORED


def square(size, value=1):
    labels = np.zeros((20, 20), np.uint8)
    labels[:size, :size] = value
    return labels


def notes_of(images, white=False, **settings):
    """Notes on images, each a mask by annotator."""
    statistics = MaskStatistics(FolderConfig(**settings).class_table)
    for masks in images:
        statistics.add(tuple(masks), np.stack(list(masks.values())), white)
    return list(statistics.notes())


def different(n):
    return {"anna": square(5 + n), "ben": square(6 + n)}


def test_usual_annotations_have_no_note():
    assert notes_of(different(n) for n in range(8)) == []


@pytest.mark.parametrize(("white", "flag"), [(True, "255,0"), (False, "1,0")])
def test_masks_that_mark_nearly_everything_are_noted_once_with_the_flag(white, flag):
    images = [{a: 1 - m for a, m in different(n).items()} for n in range(6)]
    (note,) = notes_of(images, white)
    assert "class 1 covers most pixels" in note
    assert "12 of 12 masks" in note
    assert note.endswith(f"--config.data.folder.classes={flag}")


@pytest.mark.parametrize(
    ("settings", "label", "flag"),
    [
        ({"classes": "0,255=cell"}, 1, "255,0=cell"),
        ({"num_classes": 3, "classes": "0,128=rim,255=cell"}, 2, "255,128=rim,0=cell"),
        ({"classes": "#000000,#ffffff"}, 1, "#ffffff,#000000"),
        ({"num_classes": 4}, 3, "3,1,2,0"),
    ],
)
def test_the_flag_has_the_values_of_the_masks(settings, label, flag):
    images = [{"anna": np.where(square(8 + n) > 0, 0, label).astype(np.uint8)} for n in range(4)]
    (note,) = notes_of(images, **settings)
    assert note.endswith(f"classes={flag}")


def test_a_single_annotator_whose_masks_are_inverted_is_noted():
    images = [{**different(n), "cleo": 1 - square(5 + n)} for n in range(5)]
    (note,) = notes_of(images)
    assert "of 5 of 5 masks of cleo, unlike those of others" in note
    assert "annotator_weights=cleo=0" in note


def test_few_large_masks_and_empty_ones_are_not_inverted():
    large = [{"anna": square(18), "ben": square(17)}]
    assert notes_of(large + [different(n) for n in range(4)]) == []
    assert notes_of([{"anna": square(0)}] * 5) == []


def test_ignored_pixels_do_not_count_as_unmarked():
    labels = np.full((20, 20), IGNORED, np.uint8)
    labels[:4, :4] = 1
    labels[0, 0] = 0
    (note,) = notes_of([{"anna": labels}] * 3)
    assert "covers most pixels, 93.8 %" in note


@pytest.mark.parametrize(("count", "is_noted"), [(2, False), (3, True), (12, True)])
def test_an_annotator_who_marked_nothing_anywhere_is_noted(count, is_noted):
    notes = notes_of([{"anna": square(4 + n), "ben": square(0)} for n in range(count)])
    assert len(notes) == is_noted
    if is_noted:
        assert f"ben ({count} masks)" in notes[0]
        assert "--config.data.folder.annotator_weights=ben=0" in notes[0]


def test_annotators_who_marked_something_once_or_all_nothing_are_not_noted():
    images = [{"anna": square(4), "ben": square(0)} for _ in range(8)]
    images[3]["ben"] = square(2)
    assert notes_of(images) == []
    assert notes_of([{"anna": square(0), "ben": square(0)} for _ in range(8)]) == []


@pytest.mark.parametrize(("count", "is_noted"), [(2, False), (3, True), (9, True)])
def test_identical_annotators_are_noted(count, is_noted):
    images = [{**different(n), "copy": square(5 + n)} for n in range(count)]
    notes = notes_of(images)
    assert len(notes) == is_noted
    if is_noted:
        assert f"anna and copy ({count} images with marks)" in notes[0]
        assert "annotator_weights=copy=0" in notes[0]


def test_annotators_who_differ_once_or_agree_on_empty_images_only_are_not_noted():
    images = [{"anna": square(5 + n), "ben": square(5 + n)} for n in range(9)]
    images[4]["ben"] = square(3)
    assert notes_of(images) == []
    empty = [{"anna": square(0), "ben": square(0), "cleo": square(3 + n)} for n in range(2)]
    assert notes_of(empty) == []


def test_kinds_of_notes_come_once_each_for_all_annotators():
    images = [
        {"a": square(19), "b": square(19), "c": square(19), "d": square(0), "e": square(0)}
        for _ in range(5)
    ]
    notes = notes_of(images)
    assert len(notes) == 3
    assert "d (5 masks), e (5 masks)" in notes[1]
    assert notes[2].endswith("annotator_weights=b=0,c=0")
