"""The hypothesis grid: panels, windows and colours of classes."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hpunet import figures
from tests.figures.contents import beside, labels, notes, pictures, squares, titles

FIRST_ROW = [
    *("image", "annotator 1", "annotator 2", "annotator 3", "annotator 4"),
    *("reconstruction of annotator 1", "std of annotators", "std of samples"),
]


def test_hypothesis_grid_shows_image_annotators_reconstruction_deviations_and_16_samples():
    images = np.arange(2 * 64.0).reshape(2, 8, 8)
    annotations, samples, rebuilt = (
        labels(5, 2, 8, 8),
        labels(20, 2, 8, 8, seed=1),
        labels(5, 2, 8, 8, seed=2),
    )
    figure = figures.hypothesis_grid(images, annotations, samples, reconstructions=rebuilt)
    shown = pictures(figure)
    assert titles(figure) == FIRST_ROW
    assert len(shown) == 2 * (8 + 16)
    for b in range(2):
        first, rest = shown[24 * b : 24 * b + 8], shown[24 * b + 8 : 24 * b + 24]
        np.testing.assert_array_equal(first[:6], [images[b], *annotations[:4, b], rebuilt[0, b]])
        np.testing.assert_allclose(first[6], annotations[:, b].std(axis=0))
        np.testing.assert_allclose(first[7], samples[:, b].std(axis=0))
        np.testing.assert_array_equal(rest, samples[:16, b])
    assert beside(figure).count("samples 1–8") == beside(figure).count("samples 9–16") == 2


def test_hypothesis_grid_does_with_one_image_one_annotator_one_sample_and_nothing_else():
    figure = figures.hypothesis_grid(None, labels(1, 1, 8, 8) > 0, labels(1, 1, 8, 8) > 0)
    assert titles(figure) == ["annotator 1", "std of annotators", "std of samples"]
    assert notes(figure) == ["8 × 8 px"]
    assert "sample 1" in beside(figure)


def test_mask_without_foreground_says_that_it_is_empty():
    masks = squares((60, 60), None, (61, 58), None)
    figure = figures.hypothesis_grid(np.zeros((1, 128, 128)), masks[:2], masks[2:])
    assert notes(figure) == ["48 × 48 px", "empty", "empty"]


def test_panels_that_are_white_all_over_are_seen_on_white_paper():
    masks = np.ones((1, 1, 8, 8), int)
    figure = figures.hypothesis_grid(None, masks, masks)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, 0]
    for axis in figure.axes[0], figure.axes[3]:
        (left, low), (right, high) = axis.bbox.get_points().round().astype(int)
        middle = (low + high) // 2, (left + right) // 2
        assert pixels[middle] == 255
        for edge in (pixels[middle[0], left - 2 : left + 3], pixels[low - 2 : low + 3, middle[1]]):
            assert edge.min() < 220


def test_titles_of_two_lines_stand_between_caption_and_panels():
    masks = labels(1, 1, 8, 8)
    figure = figures.hypothesis_grid(None, masks, masks, reconstructions=masks, captions=["a"])
    figure.draw_without_rendering()
    (title,) = (axis.title for axis in figure.axes if "reconstruction" in axis.get_title())
    (caption,) = (text for text in figure.texts if text.get_text() == "a")
    box = title.get_window_extent()
    assert box.y1 <= caption.get_window_extent().y0
    assert box.width <= title.axes.bbox.width


def test_labels_of_low_panels_are_broken_between_words():
    figure = figures.hypothesis_grid(None, labels(1, 1, 8, 32), labels(8, 1, 8, 32))
    assert "samples\n1–8" in beside(figure)


def test_images_without_a_caption_follow_each_other_under_the_titles_of_the_first():
    figure = figures.hypothesis_grid(
        None, labels(1, 3, 8, 8), labels(1, 3, 8, 8), captions=["step 500", "", ""]
    )
    assert beside(figure)[0] == "step 500"
    assert titles(figure) == ["annotator 1", "std of annotators", "std of samples"]


def test_hypothesis_grid_writes_a_caption_and_titles_above_each_image():
    figure = figures.hypothesis_grid(
        None, labels(1, 2, 8, 8), labels(1, 2, 8, 8), captions=["best: a", "worst: b"]
    )
    assert [text for text in beside(figure) if ":" in text] == ["best: a", "worst: b"]
    assert titles(figure) == ["annotator 1", "std of annotators", "std of samples"] * 2


@pytest.mark.parametrize(
    ("corners", "side"),
    [
        ([(60, 60), (61, 58)], 48),
        ([(0, 0), None], 48),
        ([(122, 122), (100, 122)], 48),
        ([(20, 40), (70, 50)], 72),
        ([(0, 0), (122, 122)], 128),
        ([None, None], 128),
    ],
)
def test_window_is_a_square_in_the_image_that_holds_every_mask(corners, side):
    masks = squares(*corners)
    figure = figures.hypothesis_grid(np.zeros((1, 128, 128)), masks[:1], masks[1:])
    image, annotator, *_, sample = pictures(figure)
    assert image.shape == annotator.shape == sample.shape == (side, side)
    assert notes(figure)[0] == f"{side} × {side} px"
    assert (annotator.sum(), sample.sum()) == (masks[0].sum(), masks[1].sum())


def test_window_holds_masks_of_reconstructions_too():
    masks = squares((60, 60), (60, 60), (10, 60))
    figure = figures.hypothesis_grid(None, masks[:1], masks[1:2], reconstructions=masks[2:])
    assert pictures(figure)[1].sum() == masks[2].sum()


def test_windows_of_all_images_have_room_around_the_masks():
    masks = squares((30, 30), side=50)
    assert pictures(figures.hypothesis_grid(None, masks, masks))[0].shape == (64, 64)


def test_masks_wider_than_the_image_is_high_show_every_image_whole():
    masks = squares((2, 0), (2, 90), (20, 40), (20, 44), size=(64, 128))
    both = np.concatenate([masks[:2], masks[2:]], axis=1)
    figure = figures.hypothesis_grid(None, both[:1], both[1:])
    assert {picture.shape for picture in pictures(figure)} == {(64, 128)}


@pytest.mark.parametrize(("window", "shape"), [(20, (20, 20)), (None, (128, 128))])
def test_a_window_may_be_given(window, shape):
    masks = squares((60, 60))
    figure = figures.hypothesis_grid(None, masks, masks, window=window)
    assert pictures(figure)[0].shape == shape
    assert pictures(figure)[0].sum() == masks.sum()


def test_one_class_is_white_on_black_whatever_its_label():
    masks = squares((60, 60)) * np.uint8(255)
    image = figures.hypothesis_grid(None, masks, masks).axes[0].images[0]
    assert [tuple(image.to_rgba(value)) for value in (0, 255)] == [(0, 0, 0, 1), (1, 1, 1, 1)]


def test_each_of_several_classes_has_its_colour_and_a_legend():
    masks = np.arange(64).reshape(1, 1, 8, 8) % 5
    figure = figures.hypothesis_grid(None, masks, masks)
    image = figure.axes[0].images[0]
    assert len({tuple(image.to_rgba(value)) for value in range(5)}) == 5
    (legend,) = (axis.get_legend() for axis in figure.axes if axis.get_legend())
    assert [text.get_text() for text in legend.get_texts()] == [f"class {n}" for n in range(1, 5)]
    patches = [patch.get_facecolor() for patch in legend.get_patches()]
    assert patches == [tuple(image.to_rgba(value)) for value in range(1, 5)]


def test_more_classes_than_colours_are_shades_of_their_own():
    masks = np.arange(64).reshape(1, 1, 8, 8) % 20
    image = figures.hypothesis_grid(None, masks, masks).axes[0].images[0]
    assert len({tuple(image.to_rgba(value)) for value in range(20)}) == 20


def test_deviation_of_classes_is_that_of_their_frequencies():
    samples = np.array([0, 1, 2, 2]).reshape(4, 1, 1, 1) * np.ones((1, 1, 8, 8), int)
    figure = figures.hypothesis_grid(None, samples[:1], samples)
    expected = np.sqrt((1 - (0.25**2 + 0.25**2 + 0.5**2)) / 2)
    np.testing.assert_allclose(pictures(figure)[2], expected)


@pytest.mark.parametrize(("classes", "most"), [(1, 0.5), (2, 0.5), (3, 3**-0.5), (20, 0.475**0.5)])
def test_deviations_are_coloured_from_0_to_the_most_that_classes_allow(classes, most):
    samples = np.arange(classes)[:, None, None, None] * np.ones((1, 1, 8, 8), int)
    figure = figures.hypothesis_grid(None, samples[:1], samples)
    deviation = figure.axes[2].images[0]
    assert deviation.get_clim() == (0, pytest.approx(most))
    # All classes equally frequent differ the most.
    assert deviation.get_array().max() == pytest.approx(most if classes > 1 else 0)


def test_an_image_with_nan_is_shown_over_its_other_values():
    image = np.array([np.nan] * 32 + [2.0] * 16 + [5.0] * 16).reshape(1, 8, 8)
    images = np.concatenate([image, np.full((1, 8, 8), np.nan)])
    figure = figures.hypothesis_grid(images, labels(1, 2, 8, 8), labels(1, 2, 8, 8))
    figure.draw_without_rendering()
    assert figure.axes[0].images[0].get_clim() == (2, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((1, 8, 7))}, "must be"),
        ({"images": np.zeros((8, 8))}, "must be"),
        ({"annotations": np.zeros((0, 1, 8, 8), int)}, "must be"),
        ({"samples": np.zeros((2, 1, 8, 8))}, "float64; allowed are integer"),
        ({"reconstructions": labels(2, 2, 8, 8)}, "must be"),
        ({"captions": ["a", "b"]}, "2 captions; allowed is one for each of 1"),
        ({"window": 9}, "window 9; allowed are None, 'auto' and 1 to 8"),
        ({"window": 0}, "window 0"),
        ({"window": "all"}, "window 'all'"),
    ],
)
def test_hypothesis_grid_refuses_what_does_not_fit(changes, message):
    fitting = {
        "images": np.zeros((1, 8, 8)),
        "annotations": labels(2, 1, 8, 8),
        "samples": labels(2, 1, 8, 8),
    }
    with pytest.raises(ValueError, match=message):
        figures.hypothesis_grid(**fitting | changes)
