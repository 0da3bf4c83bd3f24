"""Names and captions of users are written literally, with any characters."""

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from hpunet import figures
from hpunet.figures.page import writable
from tests.figures.contents import labels

# Mathematical text that cannot be parsed, one that can, letters that matplotlib's font lacks, one
# that its bold font lacks, a byte of a file's name that is no UTF-8, and what legends leave out.
NAMES = ["a$^$b", "$x_1$", "画像 1", "\U0001d5a0", "\udcff\t", "_a"]
WRITTEN = ["a$^$b", "$x_1$", r"\u753b\u50cf 1", r"\U0001d5a0", r"\udcff\t", "_a"]
IMAGES, MASKS = np.zeros((1, 8, 8)), labels(1, 1, 8, 8)
NAMED = {
    "caption": lambda name: figures.hypothesis_grid(IMAGES, MASKS, MASKS, captions=[name]),
    "caption of scales": lambda name: figures.scale_grid(
        IMAGES, MASKS, {"way": MASKS}, captions=[name]
    ),
    "way": lambda name: figures.scale_grid(IMAGES, MASKS, {name: MASKS}),
    "model": lambda name: figures.ged_by_samples({1: [0.5]}, name=name),
    "method": lambda name: figures.ged_by_samples({1: [0.5]}, {name: {1: 0.5}}),
    "source": lambda name: figures.ged_by_samples({1: [0.5]}, {"a": {1: 0.5}}, source=name),
    "title": lambda name: figures.augmentation_grid(
        IMAGES, MASKS[0], IMAGES[None], MASKS[:1], title=name
    ),
}


@pytest.mark.parametrize("place", sorted(NAMED))
@pytest.mark.parametrize(("name", "written"), list(zip(NAMES, WRITTEN, strict=True)))
def test_a_name_is_written_as_it_is(place, name, written):
    figure = NAMED[place](name)
    # A missing letter would be a warning, which is an error here.
    figure.draw_without_rendering()
    texts = [text.get_text().replace("\n", " ") for text in figure.findobj(Text)]
    assert any(written in text for text in texts)
    assert not [t for t in figure.findobj(Text) if "$" in t.get_text() and t.get_parse_math()]


@pytest.mark.parametrize("name", NAMES)
def test_an_animation_has_any_name(name, tmp_path):
    path = figures.scale_animation(IMAGES, {name: MASKS}, tmp_path / "a.gif")
    with Image.open(path) as animation:
        assert animation.n_frames == len(MASKS)


def test_figures_with_any_name_can_be_printed(tmp_path, low_resolution):
    masks = labels(1, len(NAMES), 8, 8)
    figure = figures.hypothesis_grid(None, masks, masks, captions=NAMES)
    assert all(path.stat().st_size for path in figures.save_for_print(figure, tmp_path / "a"))


def test_letters_of_the_font_are_left_alone():
    assert writable("Größe κ ≤ 2 “µm”\nÅß – Ж") == "Größe κ ≤ 2 “µm”\nÅß – Ж"


def test_letters_are_looked_up_in_the_fonts_that_the_user_chose():
    # A letter that the second of the fonts alone has.
    circle = "a\u20dd"
    assert writable(circle) == r"a\u20dd"
    with matplotlib.rc_context({"font.family": ["DejaVu Sans", "STIXGeneral"]}):
        assert writable(circle) == circle
        NAMED["caption"](circle).draw_without_rendering()
    with matplotlib.rc_context({"font.family": ["no such font"]}):
        assert writable("a画") == r"a\u753b"
