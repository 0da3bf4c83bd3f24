"""Which images the figures show."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from hpunet import figures
from hpunet.evaluation.estimates import estimate_all
from hpunet.evaluation.figures import ranks, spread_over, write_figures
from hpunet.evaluation.scoring import Conventions, SampledImage, score_images
from hpunet.evaluation.scoring_set import ScoringSet


def test_best_median_and_worst_are_by_ged():
    assert ranks([0.5, 0.1, 0.9, 0.4, 0.3]) == {
        1: "best of 5 images: GED² 0.100",
        3: "median of 5 images: GED² 0.400",
        2: "worst of 5 images: GED² 0.900",
    }


def test_no_image_has_two_ranks():
    assert ranks([0.5]) == {0: "the only one: GED² 0.500"}
    assert list(ranks([0.5, 0.1])) == [1, 0]
    assert list(ranks([0.2, 0.2, 0.2])) == [0, 1, 2]


@pytest.mark.parametrize(("count", "places"), [(1, [5]), (2, [2, 7]), (3, [1, 5, 8]), (20, None)])
def test_shown_images_are_spread_over_all(count, places):
    assert spread_over(range(10), count) == (list(range(10)) if places is None else places)


def image(name, size, num_annotators, drawn):
    annotations = np.zeros((num_annotators, size, size), np.uint8)
    annotations[:, 1, 1] = drawn
    return SampledImage(name, name, annotations[:1], annotations)


def test_grid_shows_images_drawn_on_of_the_commonest_shape_and_ranks_all_of_them(
    tmp_path, monkeypatch
):
    images = [
        image("small", 4, 2, True),
        *(image(f"empty {n}", 6, 2, False) for n in range(2)),
        *(image(f"drawn {n}", 6, 2, True) for n in range(2)),
        image("more annotators", 6, 3, True),
    ]
    scores = score_images(images, (1,), Conventions(draws=10), lambda count: None)
    shown = []

    def grid(shown_images, annotations, samples, *, reconstructions, captions):
        shown.append(captions)
        return Figure()

    monkeypatch.setattr(figures, "hypothesis_grid", grid)
    monkeypatch.setattr(figures, "ged_by_samples", lambda *a, **b: Figure())
    monkeypatch.setattr(figures, "calibration_plot", lambda *a, **b: Figure())
    monkeypatch.setattr(figures, "save_for_print", lambda figure, path: None)
    scoring_set = ScoringSet(images, (1,), "folder", "", {})
    write_figures(tmp_path, scoring_set, scores, estimate_all(scores, Conventions(draws=10)))
    samples, ranked = shown
    assert samples == ["drawn 0", "drawn 1"]
    of = "of 4 images of this size and number of annotators: GED² 0.000"
    assert ranked == [f"best {of}, empty 0", f"median {of}, empty 1", f"worst {of}, drawn 1"]
