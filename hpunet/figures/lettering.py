"""Texts of users, such as names of files, made fit to be written on a figure."""

import contextlib
import functools

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, get_font

# Those that figures use.
_WEIGHTS = ("normal", "bold")


def writable(text: str) -> str:
    r"""The text with each character that the font lacks as its escape, such as `\u753b`.

    matplotlib warns of such characters and draws the same box for all of them; their escapes can be
    told apart. Who wants the characters names a font that has them in `rcParams["font.family"]`.
    """
    known = _characters(*(_font_files(weight) for weight in _WEIGHTS))
    return "".join(
        char if char == "\n" or ord(char) in known else char.encode("unicode_escape").decode()
        for char in text
    )


def _font_files(weight: str) -> tuple[str, ...]:
    """The fonts that matplotlib looks a character up in."""
    paths = []
    for family in rcParams["font.family"]:
        with contextlib.suppress(ValueError):
            found = FontProperties(family=family, weight=weight)
            paths.append(findfont(found, fallback_to_default=False))
    return tuple(paths) or (findfont(FontProperties(weight=weight)),)


@functools.lru_cache(maxsize=4)
def _characters(*weights: tuple[str, ...]) -> frozenset[int]:
    """The characters that at least one font of every weight has."""
    return frozenset.intersection(
        *(frozenset().union(*(get_font(path).get_charmap() for path in paths)) for paths in weights)
    )
