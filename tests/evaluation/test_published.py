import subprocess

import numpy as np
import pytest

from hpunet import metrics
from hpunet.evaluation import provenance, table
from hpunet.evaluation.estimates import ALL, SUBSET_B, ImageGroup
from hpunet.evaluation.published import (
    LIDC_V1,
    LIDC_V2,
    LIDC_V2_IMAGES,
    LIDC_V2_PATIENTS,
    PU_NET_PAPER_GED,
    compare,
)
from hpunet.evaluation.scoring import ImageScores
from hpunet.evaluation.scoring_set import ScoringSet


def group(num_images=8, num_patients=4, value=0.5):
    estimate = metrics.Estimate(value, 0.25, 0.75, num_images, num_patients)
    scores = dict.fromkeys(metrics.SCORES, estimate)
    return ImageGroup(num_images, num_patients, {4: scores, 16: scores})


def scored(images=LIDC_V2_IMAGES, patients=LIDC_V2_PATIENTS, num_samples=(1, 16), **changed):
    facts = {
        "names": [str(n) for n in range(images)],
        "patients": [str(n % patients) for n in range(images)],
        "num_annotations": np.full(images, 4),
        "num_annotators": np.full(images, 4),
        "num_drawn": np.full(images, 4),
        "sizes": [(128, 128)] * images,
        "is_plain": np.ones(images, bool),
        "by_num_samples": dict.fromkeys(num_samples),
    }
    return ImageScores(**facts | changed)


def test_published_test_split_at_16_samples_is_set_beside_the_published_scores():
    comparison = compare(LIDC_V2, "folder", scored(), None)
    assert comparison.warnings == ()
    text = table.comparison_text(comparison, {ALL: group(), SUBSET_B: group(2, 1, 0.125)})
    own = next(line for line in text.splitlines() if "this result" in line)
    assert own.split()[2:] == ["0.500", "0.500", "0.125", "0.500"]


def test_published_scores_are_those_of_the_papers():
    rows = compare(LIDC_V2, "folder", scored(), None).rows
    assert [row.method for row in rows] == [
        *("PU-Net, re-trained", "HPU-Net", "CAR", "JProb", "PixelSeg", "CCDM")
    ]
    assert rows[0][2:] == ("0.32 ±0.03", "0.50 ±0.03", "0.37 ±0.07", "0.75 ±0.04")
    assert rows[1][2:] == ("0.27 ±0.01", "0.53 ±0.01", "0.47 ±0.01", "0.97 ±0.00")
    assert [(row.ged, row.hungarian_iou) for row in rows[2:]] == [
        ("0.264", "0.592"),
        ("0.262", "0.585"),
        ("0.260", "0.587"),
        ("0.239", "0.598"),
    ]


@pytest.mark.parametrize(
    ("benchmark", "scores", "classes", "part"),
    [
        (LIDC_V1, {}, None, "LIDC v1"),
        (None, {"images": 395, "patients": 24}, None, "395 images of 24 patients"),
        (LIDC_V2, {"patients": 1980}, None, "1,980 images of 1,980 patients"),
        (None, {"num_samples": (1, 4, 8)}, None, "these of 1, 4, 8"),
        (None, {}, (1,), "all pixels and all annotators equally"),
        (None, {"is_plain": np.arange(1980) > 0}, None, "all pixels and all annotators equally"),
        (LIDC_V2, {"sizes": [(180, 180)] * 1980}, None, "180 x 180 pixels"),
        (LIDC_V2, {"num_annotators": np.arange(1980) % 2 + 3}, None, "3 annotators"),
    ],
    ids=["v1", "images", "patients", "samples", "classes", "ignored", "size", "annotators"],
)
def test_scores_of_other_images_or_samples_are_warned_of_and_not_set_beside(
    benchmark, scores, classes, part
):
    comparison = compare(benchmark, "lidc", scored(**scores), classes)
    assert comparison.rows == ()
    text = table.comparison_text(comparison, {ALL: group()})
    assert text.startswith("warning: ")
    assert part in text
    assert "0.27" not in text


def test_data_that_nobody_published_scores_of_bring_no_warning():
    comparison = compare(None, "synthetic", scored(), None)
    assert table.comparison_text(comparison, {ALL: group()}) == ""


def test_published_course_falls_with_the_number_of_samples():
    for course in PU_NET_PAPER_GED.values():
        assert list(course) == [1, 4, 8, 16]
        assert list(course.values()) == sorted(course.values(), reverse=True)


def test_table_shows_every_score_with_intervals_and_every_group():
    found = {ALL: group(40, 20), "drawn_by_2": group(30, 12), SUBSET_B: group(10, 10)}
    text = table.as_text(found, 0.95)
    for info in metrics.SCORES.values():
        assert info.label in text
    assert "0.500 [0.250, 0.750]" in text
    assert "95%" in text
    assert "all (subset B)" in text.splitlines()[-1]
    assert max(map(len, text.splitlines())) <= 90


def test_intervals_of_few_patients_are_not_shown():
    text = table.as_text({ALL: group(40, 20), "drawn_by_2": group(8, 9)}, 0.95)
    rows = [line for line in text.splitlines() if line.startswith("  2 ")]
    assert rows == [line for line in rows if "[" not in line]
    assert "No intervals for fewer than 10 patients" in text


def test_means_of_fewer_images_are_said_so():
    every = group(40, 20)
    fewer = metrics.Estimate(0.5, 0.25, 0.75, 30, 20)
    scores = {n: {**s, "variance_ncc": fewer} for n, s in every.scores.items()}
    text = table.as_text({ALL: every._replace(scores=scores)}, 0.95)
    assert "images in the mean: NCC of the variances 30" in text


def test_images_without_anything_to_be_scored_are_warned_of():
    found = {ALL: group(40, 20), "drawn_by_0": group(40, 20)}
    assert "no annotation marks a class" in table.as_text(found, 0.95)
    assert "no annotation marks a class" not in table.as_text(
        {**found, "drawn_by_1": group()}, 0.95
    )


def test_heading_says_what_was_scored_and_by_how_many_annotators():
    scoring_set = ScoringSet([], (1,), "x", "weights on x, split test; seed 0", {})
    annotators = np.array([4, 4, 3])
    text = table.heading(scoring_set, scored(3, 2, num_annotators=annotators))
    assert text == (
        "weights on x, split test; seed 0\n"
        "3 images of 2 patients; annotators per image: 3 on 1, 4 on 2"
    )
    assert table.heading(scoring_set, scored(1, 1)).endswith(
        "1 image of 1 patient; annotators per image: 4"
    )


def test_score_that_is_nowhere_defined_is_left_out_of_the_table():
    nothing = metrics.Estimate(float("nan"), float("nan"), float("nan"), 0, 0)
    every = group()
    scores = {n: {**s, "reconstruction_iou": nothing} for n, s in every.scores.items()}
    text = table.as_text({ALL: every._replace(scores=scores)}, 0.95)
    assert "IoU_rec" not in text


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", *who, *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)

    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    return package, git("rev-parse", "HEAD").stdout.strip()


def test_commit_is_the_packages_and_says_whether_files_changed_since(repository):
    package, head = repository
    assert provenance.commit(package) == head
    (package / "__init__.py").write_text("changed = True")
    assert provenance.commit(package) == f"{head}+changes"


def test_code_is_told_apart_by_its_digest(repository):
    package, _ = repository
    before = provenance.code_digest(package)
    assert provenance.code_digest(package) == before
    (package / "__init__.py").write_text("changed = True")
    assert provenance.code_digest(package) != before


def test_package_that_a_repository_around_it_does_not_track_has_no_commit(repository):
    package, _ = repository
    installed = package.parent / "venv"
    installed.mkdir()
    (installed / "__init__.py").write_text("")
    assert provenance.commit(installed) is None
