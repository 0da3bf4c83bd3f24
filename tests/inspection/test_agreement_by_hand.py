"""Agreement of annotators, compared with values worked by hand and with the metrics."""

import numpy as np
import pytest

from hpunet import metrics
from hpunet.data.labels import IGNORED
from hpunet.inspection.agreement import Agreement
from hpunet.inspection.text_report import agreement_tables
from tests.inspection.annotated_folder import example

# 4 pixels, 2 of them, and none.
WIDE, NARROW, NONE = ([[1, 1, 1, 1]], [[1, 1, 0, 0]], [[0, 0, 0, 0]])


def of(*examples, num_classes=2):
    agreement = Agreement(num_classes)
    for one in examples:
        agreement.add(one)
    return agreement


def means(found):
    return {name: (pytest.approx(mean.value), mean.count) for name, mean in found.items()}


def test_pairs_average_over_the_images_that_both_annotated():
    agreement = of(
        example({"anna": WIDE, "ben": NARROW}),
        example({"ben": NONE, "anna": NONE}),
        example({"anna": WIDE, "cleo": NONE}),
        example({"anna": WIDE}),
    )
    # Half of the pixels, then two empty masks that agree; and a miss.
    assert means(agreement.pairs) == {("anna", "ben"): (0.75, 2), ("anna", "cleo"): (0.0, 1)}


def test_energy_of_one_mask_alone_by_hand():
    agreement = of(example({"anna": WIDE, "ben": NARROW, "cleo": NONE}))
    # Distances: anna-ben 1/2, anna-cleo 1, ben-cleo 1; 2 * mean to the others less the mean of
    # the four pairs of these.
    assert means(agreement.alone) == {
        "anna": (2 * 0.75 - 0.5, 1),
        "ben": (2 * 0.75 - 0.5, 1),
        "cleo": (2 * 1 - 0.25, 1),
    }


def test_energy_of_one_mask_alone_is_that_of_the_metrics():
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (4, 9, 7)).astype(np.uint8)
    masks[1, :3] = IGNORED
    ignored = (masks == IGNORED).any(axis=0)
    agreement = of(example({f"a{n}": mask for n, mask in enumerate(masks)}))
    labels = np.where(masks == IGNORED, 0, masks)[:, None]
    for n in range(4):
        others = np.delete(labels, n, axis=0)
        (expected,) = metrics.ged(labels[[n]], others, ignored=ignored[None])
        assert agreement.alone[f"a{n}"].value == pytest.approx(expected)


def test_pixels_that_one_annotator_ignores_count_for_none():
    agreement = of(example({"anna": WIDE, "ben": [[1, 1, IGNORED, IGNORED]]}))
    assert means(agreement.pairs) == {("anna", "ben"): (1.0, 1)}


def test_classes_are_compared_where_one_of_two_has_them():
    agreement = of(
        example({"anna": [[1, 1, 2, 0]], "ben": [[1, 0, 2, 2]]}),
        example({"anna": [[0, 0, 0, 0]], "ben": [[0, 0, 0, 2]]}),
        num_classes=3,
    )
    assert means(agreement.classes) == {1: (0.5, 1), 2: (0.25, 2)}
    # As foreground, class 1 and 2 are alike.
    assert means(agreement.pairs) == {("anna", "ben"): ((2 / 4 + 0) / 2, 2)}


def test_two_classes_need_no_table_of_classes():
    assert of(example({"anna": WIDE, "ben": NARROW})).classes == {}


def test_nothing_is_printed_where_nobody_can_agree():
    assert list(agreement_tables(of(example({"anna": WIDE})), ("a", "b"))) == []


def test_many_annotators_are_shown_as_best_and_worst_pairs():
    masks = {f"a{n}": [[1] * (n + 1) + [0] * (12 - n)] for n in range(12)}
    agreement = of(example(masks))
    pairs, alone = agreement_tables(agreement, ("a", "b"))
    assert len(agreement.pairs) == 66
    lines = [line.split() for line in pairs.splitlines()[3:]]
    assert lines[0] == ["best", "a10", "and", "a11", "0.917", "(1)"]
    assert lines[-1] == ["a0", "and", "a11", "0.083", "(1)"]
    assert max(map(len, pairs.splitlines())) < 80
    assert "a11" in alone
