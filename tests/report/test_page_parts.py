"""What the page is made of: outlines, maps, views, scale bars, numbers."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib import colormaps

from hpunet.report.colour_maps import map_uri
from hpunet.report.drawing import num_edges, outline_path
from hpunet.report.section import area_text, open_section
from hpunet.report.viewport import close_view, frame_ratio, scale_bar, whole_view
from hpunet.report.wording import letters, plain, round_step, whole_percent, with_spread
from tests.report.page_cases import Reader, decoded, made_up, page, page_image_of


def filled(path, size):
    """What a path of straight lines encloses, by counting the edges to the left of each pixel."""
    crossings = np.zeros((size[0], size[1] + 1), int)
    for loop in path.split("M")[1:]:
        start, rest = re.fullmatch(r"(\d+ \d+)((?:[hv]-?\d+)*)z", loop).groups()
        x, y = first = tuple(map(int, start.split()))
        steps = [(kind, int(by)) for kind, by in re.findall(r"([hv])(-?\d+)", rest)]
        for kind, by in steps:
            if kind == "h":
                x += by
            else:
                crossings[min(y, y + by) : max(y, y + by), x] += 1
                y += by
        if x == first[0]:
            crossings[min(y, first[1]) : max(y, first[1]), x] += 1
        else:
            assert y == first[1]
    return crossings.cumsum(axis=1)[:, :-1] % 2 == 1


def test_map_has_the_colours_of_its_bar_and_is_transparent_at_zero():
    values = np.array([[0.0, 0.25, 0.5], [0.125, 0.001, 0.0]])
    pixels = np.asarray(decoded(map_uri(values, 0.5, "magma")).convert("RGBA"))
    shades = np.rint(values / 0.5 * 255).astype(np.uint8)
    assert np.array_equal(pixels[..., :3], colormaps["magma"](shades, bytes=True)[..., :3])
    assert np.array_equal(pixels[..., 3] > 0, shades > 0)


@settings(deadline=None, max_examples=60)
@given(mask=arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.booleans()))
def test_outline_encloses_exactly_what_is_marked(mask):
    assert np.array_equal(filled(outline_path(mask), mask.shape), mask)


def test_outline_of_a_square_with_a_hole_by_hand():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    assert outline_path(mask) == "M0 0h3v3h-3zM1 1v1h1v-1z"
    assert num_edges(mask) == 16


def test_pixels_that_touch_at_a_corner_are_outlined_apart():
    assert outline_path(np.eye(2, dtype=bool)) == "M0 0h1v1h-1zM1 1h1v1h-1z"
    assert outline_path(np.eye(2, dtype=bool)[::-1]) == "M1 0h1v1h-1zM0 1h1v1h-1z"


@pytest.mark.parametrize("size", [(180, 180), (333, 517), (517, 333), (90, 600)])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0])
def test_close_up_lies_in_the_image_and_holds_all_that_is_marked(size, aspect):
    image = made_up(size=size, aspect=aspect)
    close, whole = close_view(image), whole_view(image)
    assert close is not None
    rows, columns = np.nonzero(image.samples.any(axis=0))
    assert 0 <= close.left <= columns.min()
    assert columns.max() + 1 <= close.left + close.width <= whole.width
    assert 0 <= close.top <= rows.min() * aspect
    assert (rows.max() + 1) * aspect <= close.top + close.height <= whole.height


@pytest.mark.parametrize("corner", [(0, 0), (0, 119), (119, 0), (119, 119)])
def test_close_up_of_a_corner_stays_in_the_image(corner):
    samples = np.zeros((1, 120, 120), np.uint8)
    samples[0][corner] = 1
    close = close_view(page_image_of(samples, np.zeros((120, 120), np.uint8)))
    left, top = (0.0 if place == 0 else 120 - close.width for place in corner[::-1])
    assert close[:2] == (left, top)


def test_without_marks_the_close_up_is_the_part_that_was_seen():
    empty = page_image_of(np.zeros((2, 60, 60), np.uint8), np.zeros((60, 60), np.uint8))
    assert close_view(empty) is None
    assert close_view(empty._replace(region=(10, 20, 40, 50))) == (20.0, 10.0, 30.0, 30.0)


def test_what_almost_fills_the_image_has_no_close_up():
    assert close_view(made_up(size=(40, 40))) is None


@pytest.mark.parametrize(
    ("spacing", "label", "length"),
    [((2.0, 0.5), "20 mm", 40), (None, "20 px", 20), ((1, 0.03), "1 mm", 33.3)],
)
def test_scale_bar_is_round_and_measures_along_the_rows(spacing, label, length):
    image = made_up(size=(100, 190), spacing=spacing)
    bar = scale_bar(image, whole_view(image)._replace(width=190))
    assert (bar.label, round(bar.length, 1)) == (label, length)


def test_scale_bar_is_drawn_as_long_as_it_says():
    image = made_up(size=(180, 180))
    section = open_section(1, image)
    reader = Reader(page(image))
    widths = {
        attributes["class"].split()[1]: float(
            attributes["style"].removeprefix("width:").removesuffix("%")
        )
        for _, attributes in reader.elements
        if attributes.get("class", "").startswith("scale")
    }
    for name, view in (("whole", whole_view(image)), ("close", section.view)):
        frame = max(view.width, view.height * frame_ratio(image))
        assert widths[name] / 100 * frame == pytest.approx(scale_bar(image, view).length, rel=1e-2)


def test_numbers_keep_three_digits_that_count():
    assert [plain(v) for v in (0.0, 3.14159, 31.4159, 314.159, 31415.9, 12.0)] == [
        "0", "3.14", "31.4", "314", "31,416", "12"
    ]  # fmt: skip
    assert [plain(v) for v in (0.1, 0.05, 0.00125, 9.7e-5)] == [
        "0.10",
        "0.0500",
        "0.00125",
        "0.0000970",
    ]
    assert with_spread(585.25, 1.62) == "585 ± 2"
    assert [whole_percent(v) for v in (0, 0.001, 0.125, 0.75, 0.999, 1)] == [
        "0 %", "< 1 %", "13 %", "75 %", "> 99 %", "100 %"
    ]  # fmt: skip
    assert [letters(n) for n in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]
    assert [round_step(v) for v in (1, 1.9, 2, 49, 50, 0.7)] == [1, 1, 2, 20, 50, 0.5]


def test_areas_of_several_samples_have_a_spread():
    assert area_text(np.array([4.0, 8.0])) == "6 ± 2"
    assert area_text(np.array([4.25])) == "4.25"
