"""The HTML page over all images of a command, written from its template."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from typing import NamedTuple, TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hpunet.report.area_chart import BASE, HEIGHT, TOP, WIDTH
from hpunet.report.colour_maps import ramp_style
from hpunet.report.drawing import COLOURS, draw_labels
from hpunet.report.page_image import PageImage, check_page_image
from hpunet.report.section import MOST_OUTLINES, PageSection, open_section
from hpunet.report.wording import count, letters, plain, whole_percent

TEMPLATE = "page.html.jinja"
# More samples are collapsed behind a summary.
MOST_OPEN = 64
# HTML allows neither control characters nor halves of surrogate pairs, but file names do.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class ContentsEntry(NamedTuple):
    """An image in the list of contents."""

    number: int
    name: str
    mean: float
    unit: str


def write_page(
    file: TextIO,
    title: str,
    facts: Sequence[tuple[str, str]],
    images: Iterable[PageImage],
    not_drawn: Callable[[], Sequence[tuple[str, str]]] = tuple,
) -> None:
    """Writes the page; it depends on the arguments alone.

    Consumes the images one at a time, so that a volume need not fit into memory.

    Args:
        file: A text file, opened with UTF-8.
        title: Title of the page.
        facts: Names and values for all images: weights, seed, number of samples.
        images: The images in the order of the page.
        not_drawn: Called after the last image; gives names and reasons of those without results.

    Raises:
        ValueError: If the arrays of an image do not fit each other.
    """
    entries: list[ContentsEntry] = []
    template = _environment().get_template(TEMPLATE)
    # The template consumes the iterator while the page is written.
    parts = template.generate(
        title=title,
        facts=facts,
        sections=_sections(images, entries),
        entries=entries,
        not_drawn=not_drawn,
    )
    for part in parts:
        file.write(part)


def _sections(images: Iterable[PageImage], entries: list[ContentsEntry]) -> Iterator[PageSection]:
    """Checks the images one by one and adds each to the list of contents."""
    for number, image in enumerate(images, start=1):
        check_page_image(image)
        section = open_section(number, image)
        entries.append(ContentsEntry(number, image.name, section.spread.mean, image.unit))
        yield section


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hpunet.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "percent": whole_percent, "letters": letters}
    environment.filters |= {"breakable": _breakable}
    environment.globals |= {
        "chart_base": BASE,
        "chart_height": HEIGHT,
        "chart_top": TOP,
        "chart_width": WIDTH,
        "counted": count,
        "draw_labels": draw_labels,
        "most_open": MOST_OPEN,
        "most_outlines": MOST_OUTLINES,
        "num_colours": len(COLOURS),
        "script": Markup(_resource("page.js")),
        "style": Markup(_style()),
    }
    return environment


def _printable(value: object) -> object:
    """Replaces characters that HTML forbids; other values stay as they are."""
    if isinstance(value, str):
        return type(value)(_FORBIDDEN.sub("\ufffd", value))
    return value


def _breakable(name: str) -> Markup:
    """A name that may wrap after its slashes and underscores."""
    return escape(name).replace("/", Markup("/<wbr>")).replace("_", Markup("_<wbr>"))


def _style() -> str:
    colours = "".join(
        f".k{n}{{--ink:{colour}}}.c{n}{{--class:{colour}}}\n" for n, colour in enumerate(COLOURS)
    )
    return _resource("page.css") + colours + ramp_style()


def _resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
