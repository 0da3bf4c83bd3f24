import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from hpunet import metrics
from hpunet.evaluation import result
from hpunet.evaluation.estimates import ALL, SUBSET_B, estimate_all, estimate_groups, estimate_modes
from hpunet.evaluation.published import Comparison
from hpunet.evaluation.scoring import Conventions, SampledImage, score_images
from hpunet.evaluation.scoring_set import ScoringSet
from hpunet.io.errors import UserError

NOTHING = Comparison(None, (), ())
PLAIN = Conventions(draws=50)


def images(num_images=6, num_samples=4, num_annotators=3, size=6, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for index in range(num_images):
        annotations = rng.integers(0, 2, (num_annotators, size, size), dtype=np.uint8)
        # Image k has k annotators who drew nothing, up to all of them.
        annotations[: min(index, num_annotators)] = 0
        samples = rng.integers(0, 2, (num_samples, size, size), dtype=np.uint8)
        made.append(SampledImage(f"p{index // 2}/i{index}", f"p{index // 2}", samples, annotations))
    return made


def score(made, num_samples=(1, 4), conventions=PLAIN):
    return score_images(made, num_samples, conventions, lambda count: None)


def test_scores_are_those_of_the_first_n_samples_of_each_image():
    made = images()
    scores = score(made)
    for n in (1, 4):
        for b, image in enumerate(made):
            ged = metrics.ged(image.samples[:n, None], image.annotations[:, None])
            assert scores.by_num_samples[n].ged[b] == ged[0]


def test_progress_counts_every_image_once():
    counts = []
    score_images(images(), (1,), PLAIN, counts.append)
    assert counts == [1] * 6


def test_images_of_different_size_and_number_of_annotators_are_scored_together():
    made = images(2) + images(2, num_annotators=5, size=9, seed=1)
    scores = score(made)
    assert scores.num_annotators.tolist() == [3, 3, 5, 5]
    assert scores.by_num_samples[4].modes.chosen.shape == (25, 4)
    assert scores.num_annotations.tolist() == [3, 3, 5, 5]
    assert scores.sizes == [(6, 6)] * 2 + [(9, 9)] * 2
    assert np.isfinite(scores.by_num_samples[4].ged).all()


def test_ignored_pixels_and_weights_reach_the_scores():
    image = images(1)[0]
    ignored = np.zeros((6, 6), bool)
    ignored[:3] = True
    half = image._replace(ignored=ignored)
    cut = image._replace(samples=image.samples[:, 3:], annotations=image.annotations[:, 3:])
    assert score([half]).by_num_samples[4].ged == score([cut]).by_num_samples[4].ged
    one = image._replace(weights=np.array([0.0, 1.0, 0.0]))
    alone = image._replace(annotations=image.annotations[1:2])
    assert score([one]).by_num_samples[4].ged == score([alone]).by_num_samples[4].ged
    assert score([one]).num_annotators == [1]


def test_images_are_plain_where_all_pixels_and_annotators_count_alike():
    image = images(1)[0]
    made = [
        image,
        image._replace(ignored=np.eye(6, dtype=bool)),
        image._replace(weights=np.array([1.0, 1.0, 2.0])),
        image._replace(weights=np.array([2.0, 2.0, 2.0])),
    ]
    assert score(made).is_plain.tolist() == [True, False, False, True]


def test_too_few_samples_are_refused_by_name():
    with pytest.raises(
        UserError, match="--num_samples=8: p0/i0 has 4 samples; allowed is at most 4"
    ):
        score(images(), (8,))


def test_no_images_are_refused():
    with pytest.raises(UserError, match="no images"):
        score([])


def test_groups_are_by_how_many_annotators_drew_and_subset_b_is_where_all_did():
    groups = estimate_groups(score(images()), PLAIN)
    sizes = {name: group.num_images for name, group in groups.items()}
    assert sizes == {
        ALL: 6,
        SUBSET_B: 1,
        "drawn_by_0": 3,
        "drawn_by_1": 1,
        "drawn_by_2": 1,
        "drawn_by_3": 1,
    }
    assert groups["drawn_by_0"].num_patients == 2


def test_group_without_images_is_left_out():
    assert SUBSET_B not in estimate_groups(score(images()[3:]), PLAIN)


def test_drawn_counts_the_scored_classes_and_pixels_that_count():
    image = images(1)[0]
    annotations = np.zeros((3, 6, 6), np.uint8)
    annotations[0, 0, 0], annotations[1, 5, 5] = 1, 2
    image = image._replace(annotations=annotations)
    ignored = np.zeros((6, 6), bool)
    ignored[0, 0] = True
    assert score([image]).num_drawn == [2]
    twos = dataclasses.replace(PLAIN, classes=(2,))
    assert score([image], conventions=twos).num_drawn == [1]
    assert score([image._replace(ignored=ignored)]).num_drawn == [1]


def test_estimates_are_means_over_images_with_intervals_over_patients():
    scores = score(images())
    estimate = estimate_groups(scores, PLAIN)[ALL].scores[4]["ged"]
    ged = scores.by_num_samples[4].ged
    assert estimate == metrics.estimate_mean(ged, scores.patients, draws=50)
    assert estimate.num_patients == 3


def test_modes_are_gathered_by_how_often_the_other_annotators_chose_them():
    half, all_of_them = estimate_modes(score(images()), 4, PLAIN)
    # The three annotators of images 0 and 1 differ: two modes each time that one is held out. Of
    # image 2 two drew nothing: without the third one mode is left, without one of them there are
    # two.
    assert half.chosen == pytest.approx(1 / 2)
    assert (half.num_modes, half.drawn.num_images) == (6 + 6 + 4, 3)
    # Of images 3 to 5 nobody drew anything: one mode, to which every sample is nearest.
    assert all_of_them.chosen == 1
    assert (all_of_them.num_modes, all_of_them.drawn.num_images) == (1 + 9, 4)
    assert all_of_them.drawn.value == all_of_them.held_out.value == 1


def test_json_holds_every_score_convention_and_version_and_only_finite_numbers():
    scores = score(images())
    scoring_set = ScoringSet(images(), (1, 4), "x", "x on y", {"data": {"name": "x"}})
    values = result.as_json(scoring_set, scores, estimate_all(scores, PLAIN), NOTHING, None)

    def refuse(constant):
        raise AssertionError(constant)

    read = json.loads(json.dumps(values), parse_constant=refuse)
    for n in ("1", "4"):
        assert set(read["groups"]["all"]["num_samples"][n]) == set(metrics.SCORES)
        assert len(read["calibration"][n]["pixels"]) == PLAIN.num_bins
    assert set(read["conventions"]["scores"]) == set(metrics.SCORES)
    assert read["conventions"]["draws"] == 50
    assert read["data"] == {"name": "x"}
    assert read["made_with"]["packages"]["numpy"] == np.__version__
    # One sample has no pairs of different samples.
    assert read["groups"]["all"]["num_samples"]["1"]["ged_unbiased"]["value"] is None


def test_table_beside_the_json_holds_every_image_and_number_of_samples(tmp_path):
    scores = score(images())
    result.write(tmp_path / "new" / "scores.json", {"format": 1}, scores)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "new" / "scores.csv").read_text())))
    assert len(rows) == 12
    assert rows[0]["name"] == "p0/i0"
    assert float(rows[0]["ged"]) == scores.by_num_samples[1].ged[0]
    assert rows[0]["ged_unbiased"] == ""
    assert [row["samples"] for row in rows] == ["1"] * 6 + ["4"] * 6
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "scores.csv",
        "scores.json",
    ]


def test_only_an_earlier_result_is_replaced(tmp_path):
    mine = tmp_path / "config.json"
    mine.write_text('{"seed": 0}')
    with pytest.raises(UserError, match=r"config\.json: it holds something else"):
        result.check_replaceable(mine)
    result.write(tmp_path / "scores.json", {"format": result.FORMAT}, score(images()))
    result.check_replaceable(tmp_path / "scores.json")
    result.check_replaceable(tmp_path / "new.json")


def test_result_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="--out="):
        result.write(tmp_path / "file" / "scores.json", {}, score(images()))


def test_image_whose_pixels_are_all_ignored_is_refused_by_name():
    image = images(1)[0]._replace(ignored=np.ones((6, 6), bool))
    with pytest.raises(UserError, match="p0/i0: all of its pixels are ignored"):
        score([image])
