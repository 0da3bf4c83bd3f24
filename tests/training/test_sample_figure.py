"""What a person sees of the samples while training goes on."""

import numpy as np
import pytest

from hpunet.inference.preprocessing import CroppedImages
from hpunet.training.validation import ValidationScores, sample_figure
from tests.figures.contents import beside, labels, pictures, titles

IMAGES = CroppedImages(
    np.random.default_rng(0).random((5, 8, 8, 1)),
    labels(4, 5, 8, 8).astype(np.uint8),
    np.arange(5),
    tuple("abcde"),
)
SAMPLES = labels(10, 5, 8, 8, seed=1)
SCORED = ValidationScores(np.zeros(5), np.zeros(5), np.zeros(5), SAMPLES, np.ones(5, bool))


def test_three_images_are_shown_with_their_annotators_and_samples():
    shown = pictures(sample_figure(IMAGES, SCORED))
    panels = 1 + 4 + 2 + 10
    assert len(shown) == 3 * panels
    for b in range(3):
        image, *rest = shown[b * panels : (b + 1) * panels]
        np.testing.assert_array_equal(image, IMAGES.image[b, ..., 0])
        np.testing.assert_array_equal(rest[:4], IMAGES.annotations[:, b])
        np.testing.assert_allclose(rest[5], SCORED.samples[:, b].std(axis=0))
        np.testing.assert_array_equal(rest[6:], SCORED.samples[:, b])


@pytest.mark.parametrize(("title", "before"), [(None, ""), ("step 500", "step 500, ")])
def test_each_image_has_its_number_and_the_title(title, before):
    figure = sample_figure(IMAGES, SCORED, title)
    captions = [f"{before}image {number}" for number in (1, 2, 3)]
    assert [text for text in beside(figure) if "image" in text] == captions
    assert titles(figure).count("image") == 3


def test_fewer_images_than_three_are_shown_too():
    one = CroppedImages(IMAGES.image[:1], IMAGES.annotations[:, :1], IMAGES.position[:1], ("a",))
    scored = SCORED._replace(samples=SAMPLES[:, :1], finite=np.ones(1, bool))
    figure = sample_figure(one, scored, "step 1")
    assert beside(figure)[0] == "step 1, image 1"


def test_images_that_could_not_be_scored_are_not_shown():
    scored = SCORED._replace(finite=np.array([True, False, True, False, True]))
    figure = sample_figure(IMAGES, scored)
    captions = [text for text in beside(figure) if "image" in text]
    assert captions == ["image 1", "image 3", "image 5"]
