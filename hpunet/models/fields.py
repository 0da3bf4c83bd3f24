"""Settings as fields of frozen dataclasses: default, meaning and bounds are stated once.

Everything else is made from them: the checks of a dataclass, keys of a configuration, `--help`,
`config.json` and the headers of weights files.
"""

import dataclasses
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

# The largest seed and step that 32 bits hold.
LARGEST = 2**31 - 1


class Allowed(NamedTuple):
    """The values that a setting may have.

    Attributes:
        text: The values in words, for messages and documentation.
        test: Whether a value is one of them.
    """

    text: str
    test: Callable[[Any], bool]


class Setting(NamedTuple):
    """One field of a settings dataclass.

    Attributes:
        default: The value where none is given.
        allowed: The values that it may have.
        meaning: One sentence for `--help` and the documentation.
    """

    default: Any
    allowed: Allowed
    meaning: str


def field(default: Any, allowed: Allowed, meaning: str) -> Any:
    """A dataclass field that carries its default, bounds and meaning."""
    return dataclasses.field(default=default, metadata={"allowed": allowed, "meaning": meaning})


def settings_of(kind: Any) -> dict[str, Setting]:
    """The described fields of a settings dataclass, or of an instance of one, by name."""
    return {
        f.name: Setting(f.default, f.metadata["allowed"], f.metadata["meaning"])
        for f in dataclasses.fields(kind)
        if "allowed" in f.metadata
    }


def check_fields(settings: Any) -> None:
    """Checks every described field of an instance, and turns its lists into tuples.

    Call it from `__post_init__`.

    Args:
        settings: Instance of a frozen dataclass whose fields were made with `field`.

    Raises:
        ValueError: Naming the field, its value and what is allowed.
    """
    for name, setting in settings_of(settings).items():
        value = getattr(settings, name)
        if isinstance(value, list):
            value = tuple(value)
            object.__setattr__(settings, name, value)
        if not setting.allowed.test(value):
            raise ValueError(f"{name}={value!r}: allowed is {setting.allowed.text}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(least: int, multiple: int = 1) -> Allowed:
    """Whole numbers from `least` to the largest of 32 bits, perhaps multiples of a number."""
    kind = "whole numbers" if multiple == 1 else f"multiples of {multiple}"

    def test(value: Any) -> bool:
        return _is_whole(value) and least <= value <= LARGEST and value % multiple == 0

    return Allowed(f"{kind} from {least} to {LARGEST}", test)


def number(least: float | int, above: bool = False, most: float | int = math.inf) -> Allowed:
    """Finite numbers from `least`, or above it, to `most`."""
    text = f"numbers {'above' if above else 'from'} {least:g}"
    text += " up" if most == math.inf and not above else ""
    text += f" to {most:g}" if most < math.inf else ""

    def test(value: Any) -> bool:
        return (
            _is_number(value)
            and (value > least if above else value >= least)
            and value <= most
            and value <= sys.float_info.max
        )

    return Allowed(text, test)


def one_of(*values: Any) -> Allowed:
    """One of a few values."""
    return Allowed(" or ".join(repr(v) for v in values), lambda v: v in values)


def several(kind: Allowed, least: int = 0, most: int | None = None) -> Allowed:
    """A list of values of one kind, with at least and at most so many of them."""
    text = f"a list of {'one or more ' if least == 1 else ''}{kind.text}"
    text += "" if most is None else f", at most {most}"

    def test(value: Any) -> bool:
        fits = isinstance(value, tuple | list) and all(map(kind.test, value))
        return fits and least <= len(value) and (most is None or len(value) <= most)

    return Allowed(text, test)


def pair(kind: Allowed) -> Allowed:
    """Two values of one kind, in ascending order."""
    listed = several(kind)
    return Allowed(
        f"two {kind.text}, ascending",
        lambda v: listed.test(v) and len(v) == 2 and v[0] <= v[1],
    )


def either(first: Allowed, second: Allowed) -> Allowed:
    """A value of one kind or of another."""
    return Allowed(f"{first.text}, or {second.text}", lambda v: first.test(v) or second.test(v))


def optional(kind: Allowed) -> Allowed:
    """None, or a value of a kind."""
    return Allowed(f"None or {kind.text}", lambda v: v is None or kind.test(v))


BOOLEAN = Allowed("True or False", lambda v: isinstance(v, bool))
TEXT = Allowed(
    "a text, not empty and without NUL bytes",
    lambda v: isinstance(v, str) and v != "" and "\0" not in v,
)
PROBABILITY = number(0, most=1)
FINITE = Allowed("finite numbers", lambda v: _is_number(v) and abs(v) <= sys.float_info.max)
