import subprocess

import pytest

from hpunet import metrics
from hpunet.evaluation import provenance, table
from hpunet.evaluation.estimates import ALL, SUBSET_B, Group
from hpunet.evaluation.published import (
    LIDC_V1,
    LIDC_V2,
    LIDC_V2_IMAGES,
    LIDC_V2_PATIENTS,
    PU_NET_PAPER_GED,
    compare,
)

TEST_SPLIT = (LIDC_V2_IMAGES, LIDC_V2_PATIENTS)


def group(num_images=8, num_patients=4, value=0.5):
    estimate = metrics.Estimate(value, 0.25, 0.75, num_images, num_patients)
    scores = dict.fromkeys(metrics.SCORES, estimate)
    return Group(num_images, num_patients, {4: scores, 16: scores})


def test_published_test_split_at_16_samples_is_set_beside_the_published_scores():
    comparison = compare(LIDC_V2, "folder", *TEST_SPLIT, (1, 16), plain=True)
    assert comparison.warnings == ()
    assert [row.method for row in comparison.rows][:2] == ["PU-Net", "HPU-Net"]
    text = table.comparison_text(comparison, {ALL: group(), SUBSET_B: group(2, 1, 0.125)})
    assert "0.27 ±0.01" in text
    own = next(line for line in text.splitlines() if "this result" in line)
    assert own.split()[2:] == ["0.500", "0.500", "0.125", "0.500"]


@pytest.mark.parametrize(
    ("benchmark", "data", "split", "num_samples", "plain", "part"),
    [
        (LIDC_V1, "folder", TEST_SPLIT, (16,), True, "LIDC v1"),
        (None, "lidc", (395, 24), (16,), True, "395 images of 24 patients"),
        (LIDC_V2, "folder", (1980, 1980), (16,), True, "1,980 images of 1980 patients"),
        (None, "lidc", TEST_SPLIT, (1, 4, 8), True, "these of 1, 4, 8"),
        (None, "lidc", TEST_SPLIT, (16,), False, "all pixels and graders alike"),
    ],
)
def test_scores_of_other_images_or_samples_are_warned_of_and_not_set_beside(
    benchmark, data, split, num_samples, plain, part
):
    comparison = compare(benchmark, data, *split, num_samples, plain)
    assert comparison.rows == ()
    text = table.comparison_text(comparison, {ALL: group()})
    assert text.startswith("warning: ")
    assert part in text
    assert "0.27" not in text


def test_data_that_nobody_published_scores_of_bring_no_warning():
    comparison = compare(None, "synthetic", 200, 200, (16,), plain=True)
    assert table.comparison_text(comparison, {ALL: group()}) == ""


def test_published_course_falls_with_the_number_of_samples():
    for course in PU_NET_PAPER_GED.values():
        assert list(course) == [1, 4, 8, 16]
        assert list(course.values()) == sorted(course.values(), reverse=True)


def test_table_shows_every_score_with_intervals_and_every_group():
    text = table.as_text({ALL: group(), "drawn_by_2": group(3), SUBSET_B: group(5)}, 0.95)
    for info in metrics.SCORES.values():
        assert info.label in text
    assert "0.500 [0.250, 0.750]" in text
    assert "95%" in text
    assert "all (subset B)" in text.splitlines()[-1]
    assert max(map(len, text.splitlines())) <= 100


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


def test_package_that_a_repository_around_it_does_not_track_has_no_commit(repository):
    package, _ = repository
    installed = package.parent / "venv"
    installed.mkdir()
    (installed / "__init__.py").write_text("")
    assert provenance.commit(installed) is None
