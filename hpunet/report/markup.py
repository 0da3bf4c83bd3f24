"""HTML by construction: tags are balanced, and text is escaped unless it was made here."""

import html
import re
from collections.abc import Iterable

# Elements that have no end.
_VOID = {"meta"}
# HTML allows neither control characters nor halves of surrogate pairs, but file names do.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Markup(str):
    """Text that is HTML already and will not be escaped again."""


def escape(text: str) -> Markup:
    """Any text as HTML that shows it; what HTML cannot hold becomes a replacement character."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", text)))


def tag(name: str, /, *children: str, **attributes: str | int | float | None) -> Markup:
    """An element.

    Args:
        name: Of the element.
        children: What it holds. Text is escaped, `Markup` is taken as it is.
        attributes: Values are escaped; those that are None are left out. A name ends in an
            underscore where Python keeps it for itself; underscores within it become hyphens.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(children)}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Markup:
    """Parts in a row, each escaped if it is text."""
    return Markup(escape(between).join(escape(part) for part in parts))


def definitions(facts: Iterable[tuple[str, str]]) -> Markup:
    """A list of names and values, or nothing if there are none."""
    pairs = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts]
    return tag("dl", *pairs, class_="facts") if pairs else Markup("")
