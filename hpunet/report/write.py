"""The document around all images."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import NamedTuple, TextIO

from hpunet.report.areas import area_spread, areas
from hpunet.report.drawing import COLOURS, Case, open_case
from hpunet.report.legend import legend
from hpunet.report.maps import maps, ramp_style
from hpunet.report.markup import Markup, definitions, escape, tag
from hpunet.report.samples import samples
from hpunet.report.shown import Shown, check_shown
from hpunet.report.stage import stage
from hpunet.report.wording import plain

# Nothing is fetched, whatever a name might hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_WARNING = "Research software, not a medical device. It makes no diagnosis and must not guide care."
_MEANING = (
    "Each sample is one segmentation that the network holds possible for the image. Samples that "
    "resemble each other form a hypothesis; its share is the part of all samples that fell to it. "
    "Shares tell how often the network draws a segmentation, not how likely a disease is: it can "
    "be wrong in every sample, and what none of them marks may still be there."
)


class Entry(NamedTuple):
    """An image in the list of contents."""

    number: int
    name: str
    mean: float
    unit: str


def write_page(
    file: TextIO, title: str, facts: Sequence[tuple[str, str]], images: Iterable[Shown]
) -> None:
    """Writes the page; the same content gives the same text.

    Images are taken one at a time, so that a volume need not fit into memory.

    Args:
        file: Opened for text in UTF-8.
        title: Of the page.
        facts: Names and values that hold for all images: weights, seed, number of samples.
        images: What is shown of each, in order.

    Raises:
        ValueError: If the arrays of an image do not fit each other.
    """
    file.write(_head(title, facts))
    entries = []
    for number, shown in enumerate(images, start=1):
        check_shown(shown)
        file.write(_section(open_case(number, shown)) + "\n")
        entries.append(Entry(number, shown.name, area_spread(shown.areas).mean, shown.unit))
    file.write(f"</main>\n{_contents(entries)}\n{_foot()}")


def _head(title: str, facts: Sequence[tuple[str, str]]) -> str:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(_style())),
    )
    header = tag(
        "header",
        tag("h1", title),
        tag("p", tag("strong", _WARNING), " ", _MEANING, class_="lead"),
        definitions(facts),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n<body>{header}\n<main>\n'


def _foot() -> str:
    return tag("script", Markup(_resource("page.js"))) + "\n</body></html>\n"


def _style() -> str:
    colours = "".join(
        f".k{n}{{--ink:{colour}}}.c{n}{{--class:{colour}}}\n" for n, colour in enumerate(COLOURS)
    )
    return _resource("page.css") + colours + ramp_style()


def _resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _section(case: Case) -> Markup:
    shown = case.shown
    left = tag("div", stage(case), class_="left")
    right = tag("div", legend(case), areas(case), maps(case), samples(case), class_="right")
    return tag(
        "article",
        tag("h2", _breakable(shown.name)),
        tag("div", left, right, class_="columns"),
        definitions(shown.facts),
        id=f"image-{case.number}",
        class_="multiclass" if case.multiclass else None,
    )


def _contents(entries: list[Entry]) -> Markup:
    """Links to all images, each with its mean area, or nothing for a single image."""
    if len(entries) < 2:
        return Markup("")
    most = max(entry.mean for entry in entries) or 1.0
    comparable = len({entry.unit for entry in entries}) == 1
    items = [_entry(entry, entry.mean / most if comparable else 0.0) for entry in entries]
    return tag("nav", tag("h2", f"{len(entries)} images"), tag("ol", *items), aria_label="Images")


def _entry(entry: Entry, part: float) -> Markup:
    area = f"{plain(entry.mean)} {entry.unit}" if entry.mean else "nothing"
    bar = tag("span", tag("span", style=f"width:{100 * part:.3g}%"), class_="bar")
    name = tag("span", _breakable(entry.name), class_="name")
    link = tag("a", name, tag("span", area, class_="note"), bar, href=f"#image-{entry.number}")
    return tag("li", link)


def _breakable(name: str) -> Markup:
    """A name that may wrap after its slashes and underscores."""
    return Markup(escape(name).replace("/", "/<wbr>").replace("_", "_<wbr>"))
