"""Kinds of values that a key of a configuration may have."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

# What a seed and a step of 32 bits hold.
MOST = 2**31 - 1


class Allowed(NamedTuple):
    """A check of one value, and how it reads in a message."""

    text: str
    test: Callable[[Any], bool]


class Key(NamedTuple):
    """One key: its default, what is allowed and what it means."""

    default: Any
    allowed: Allowed
    meaning: str


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(least: int) -> Allowed:
    """Whole numbers from `least` to the largest of 32 bits."""
    return Allowed(
        f"whole numbers from {least} to {MOST}", lambda v: _whole(v) and least <= v <= MOST
    )


def number(least: float, above: bool = False, most: float = float("inf")) -> Allowed:
    """Finite numbers from `least`, or above it, to `most`."""
    text = f"numbers {'above' if above else 'from'} {least:g}"
    text += " up" if most == float("inf") and not above else ""
    text += f" to {most:g}" if most < float("inf") else ""

    def test(value: Any) -> bool:
        return (
            _number(value)
            and (value > least if above else value >= least)
            and value <= most
            and value <= sys.float_info.max
        )

    return Allowed(text, test)


def one_of(*values: Any) -> Allowed:
    """One of a few values."""
    return Allowed(" or ".join(repr(v) for v in values), lambda v: v in values)


def several(kind: Allowed) -> Allowed:
    """A tuple of values of one kind."""
    return Allowed(
        f"a list of {kind.text}", lambda v: isinstance(v, tuple | list) and all(map(kind.test, v))
    )


def pair(kind: Allowed) -> Allowed:
    """Two values of one kind, in ascending order."""
    listed = several(kind)
    return Allowed(
        f"two {kind.text}, ascending",
        lambda v: listed.test(v) and len(v) == 2 and v[0] <= v[1],
    )


def optional(kind: Allowed) -> Allowed:
    """None, or a value of a kind."""
    return Allowed(f"None or {kind.text}", lambda v: v is None or kind.test(v))


BOOLEAN = Allowed("True or False", lambda v: isinstance(v, bool))
TEXT = Allowed(
    "a text, not empty and without NUL bytes",
    lambda v: isinstance(v, str) and v != "" and "\0" not in v,
)
PROBABILITY = number(0, most=1)
FINITE = Allowed("finite numbers", lambda v: _number(v) and abs(v) <= sys.float_info.max)
