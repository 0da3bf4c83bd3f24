"""The contact sheet: outlines, captions, legend and layout."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hpunet import figures
from hpunet.figures.contact_sheet import COLOURS, Thumbnail
from tests.figures.contents import beside, legend, pictures

NAMES = ["anna", "ben", "cleo"]
ROUNDING = 1e-6


def disc(height, width, radius, label=1):
    y, x = np.mgrid[:height, :width]
    inside = (y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2
    return inside.astype(np.uint8) * np.uint8(label)


def outlined(name="a", height=60, width=80, channels=1, masks=None, grey=0.5):
    if masks is None:
        masks = {n: disc(height, width, 10 + 4 * k) for k, n in enumerate(NAMES)}
    image = np.full((height, width, channels), grey, np.float32)
    return Thumbnail(name, f"{height} × {width} px", image, masks)


def drawn(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def shows(pixels, colour):
    wanted = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
    return bool((abs(pixels - wanted).max(axis=-1) < 12).any())


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_every_annotator_has_an_outline_of_the_colour_in_the_legend(grey):
    figure = figures.contact_sheet([outlined(grey=grey)])
    assert legend(figure) == NAMES
    (axis,) = (axis for axis in figure.axes if axis.images)
    pixels = drawn(figure)
    height = len(pixels)
    (left, low), (right, high) = axis.bbox.get_points().astype(int)
    inside = pixels[height - high : height - low, left:right]
    assert all(shows(inside, colour) for colour in COLOURS[: len(NAMES)])
    # A dark edge tells light outlines from white.
    assert inside.min() < 60


def test_outlines_on_each_other_are_all_seen():
    mask = disc(60, 80, 20)
    pixels = drawn(figures.contact_sheet([outlined(masks=dict.fromkeys(NAMES, mask))]))
    assert all(shows(pixels[:500], colour) for colour in COLOURS[: len(NAMES)])


def test_who_marked_nothing_is_named_and_who_did_not_look_is_not():
    masks = {"ben": disc(60, 80, 0), "anna": disc(60, 80, 9)}
    figure = figures.contact_sheet([outlined("p0/scan1", masks=masks), outlined("b")])
    assert [text for text in beside(figure) if "empty" in text] == ["ben: empty"]
    assert {"p0/scan1", "60 × 80 px"} <= set(beside(figure))


def test_pictures_keep_their_proportions_and_lie_apart_on_the_page():
    shapes = [(60, 80), (300, 200), (50, 400), (400, 50), (64, 64), (90, 140), (20, 20)]
    figure = figures.contact_sheet([outlined(str(n), *shape) for n, shape in enumerate(shapes)])
    figure.draw_without_rendering()
    axes = [axis for axis in figure.axes if axis.images]
    for axis, (height, width) in zip(axes, shapes, strict=True):
        assert axis.bbox.height / axis.bbox.width == pytest.approx(height / width, rel=1e-3)
    corners = np.array([axis.get_position().extents for axis in axes])
    assert corners.min() >= -ROUNDING
    assert corners.max() <= 1 + ROUNDING
    low, high = corners[:, None, :2], corners[None, :, 2:]
    apart = ((low >= high - ROUNDING) | (low >= high - ROUNDING).swapaxes(0, 1)).any(axis=-1)
    assert (apart | np.eye(len(axes), dtype=bool)).all()


@pytest.mark.parametrize(("count", "annotators"), [(1, 1), (5, 3), (14, 10), (2, 60)])
def test_long_texts_neither_overlap_nor_leave_the_page(count, annotators):
    names = [f"Dr. med. with a very long name, reader {n}" for n in range(annotators)]
    masks = {name: disc(12, 16, 2 * (n % 3)) for n, name in enumerate(names)}
    long = "hospital/of_a_patient_with_a_name/study 2024-05-07/image_number_{:04}"
    figure = figures.contact_sheet(
        [outlined(long.format(n), 12, 16, masks=masks) for n in range(count)]
    )
    figure.draw_without_rendering()
    pages = figure.bbox
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    boxes += [part.get_window_extent() for part in figure.legends]
    boxes += [axis.bbox for axis in figure.axes if axis.images]
    for n, box in enumerate(boxes):
        assert box.x0 >= -1
        assert box.x1 <= pages.x1 + 1
        assert box.y0 >= -1
        for other in boxes[:n]:
            wide = min(box.x1, other.x1) - max(box.x0, other.x0)
            tall = min(box.y1, other.y1) - max(box.y0, other.y0)
            # Captions stand close under their pictures.
            assert wide <= 1 or tall <= 3
    ends = [text for text in beside(figure) if text.endswith("0000")]
    assert len(ends) == 1


def test_classes_differ_in_their_dashes():
    ring = np.maximum(disc(60, 80, 20), disc(60, 80, 10, 2))
    figure = figures.contact_sheet([outlined(masks={"anna": ring})], ["none", "oedema", "core"])
    assert legend(figure) == ["anna", "oedema", "core"]
    (axis,) = (axis for axis in figure.axes if axis.images)
    # Edge and line of each class.
    styles = {str(contour.get_linestyles()[0][1] is None) for contour in axis.collections}
    assert styles == {"True", "False"}
    longest = [max(len(path) for path in contour.get_paths()) for contour in axis.collections]
    # The outline of the outer class goes around the inner one alone, not along it.
    assert longest[0] > 1.5 * longest[1]
    assert len(axis.collections[0].get_paths()[0].to_polygons()) == 1


def test_two_classes_need_no_explanation():
    assert legend(figures.contact_sheet([outlined()], ["none", "lesion"])) == NAMES


def test_colour_images_are_shown_in_colour():
    picture = outlined(channels=3)
    picture.image[..., 0] = 1.0
    assert pictures(figures.contact_sheet([picture]))[0].shape == (60, 80, 3)
    assert shows(drawn(figures.contact_sheet([picture])), "#ff8080")


def test_annotators_beyond_what_a_legend_holds_are_counted():
    masks = {f"a{n}": disc(60, 80, 9) for n in range(60)}
    explained = legend(figures.contact_sheet([outlined(masks=masks)]))
    assert explained[:3] == ["a0", "a1", "a2"]
    assert explained[-1] == "and 20 more"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "one or more"),
        ([outlined(channels=2)], "allowed are"),
        ([outlined(masks={"anna": disc(60, 79, 9)})], "by anna"),
    ],
)
def test_contact_sheet_refuses_what_does_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        figures.contact_sheet(given)
