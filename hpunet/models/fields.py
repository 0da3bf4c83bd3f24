"""Settings as fields of frozen dataclasses that carry default, meaning and bounds.

The checks of a dataclass, the keys of a configuration, `--help`, `config.json` and the headers of
weights files are all derived from these fields.
"""

import dataclasses
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

# The largest seed and step that fit into a signed 32-bit integer.
LARGEST = 2**31 - 1

# Number formats of features and convolutions; weights are float32 in both.
PRECISIONS = ("float32", "bfloat16")
# The form of the convolutions: the fastest on the platform, or plain operations for export.
CONVOLUTIONS = ("fast", "portable")


class Allowed(NamedTuple):
    """The allowed values of a setting.

    Attributes:
        text: Description of the values, for messages and documentation.
        test: Returns whether a value is allowed.
    """

    text: str
    test: Callable[[Any], bool]


class Setting(NamedTuple):
    """One field of a settings dataclass.

    Attributes:
        default: The value if none is given.
        allowed: The allowed values.
        meaning: One sentence for `--help` and the documentation.
    """

    default: Any
    allowed: Allowed
    meaning: str


def field(default: Any, allowed: Allowed, meaning: str) -> Any:
    """Creates a dataclass field with default, bounds and meaning."""
    return dataclasses.field(default=default, metadata={"allowed": allowed, "meaning": meaning})


def settings_of(kind: Any) -> dict[str, Setting]:
    """Returns the fields of a settings class, or of an instance, that were made with `field`."""
    return {
        f.name: Setting(f.default, f.metadata["allowed"], f.metadata["meaning"])
        for f in dataclasses.fields(kind)
        if "allowed" in f.metadata
    }


def check_fields(settings: Any) -> None:
    """Checks every field that was made with `field`, and converts lists to tuples.

    Call it from `__post_init__`.

    Args:
        settings: Instance of a frozen dataclass.

    Raises:
        ValueError: If a value is not allowed. The message names the field, its value and the
            allowed values.
    """
    for name, setting in settings_of(settings).items():
        value = getattr(settings, name)
        if isinstance(value, list):
            value = tuple(value)
            object.__setattr__(settings, name, value)
        if not setting.allowed.test(value):
            raise ValueError(f"{name}={value!r}: allowed values are {setting.allowed.text}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(least: int, multiple: int = 1) -> Allowed:
    """Allows whole numbers from `least` to `LARGEST` that are multiples of `multiple`."""
    kind = "whole numbers" if multiple == 1 else f"multiples of {multiple}"

    def test(value: Any) -> bool:
        return _is_whole(value) and least <= value <= LARGEST and value % multiple == 0

    return Allowed(f"{kind} from {least} to {LARGEST}", test)


def number(least: float | int, above: bool = False, most: float | int = math.inf) -> Allowed:
    """Allows finite numbers of at least `least`, or above it, and at most `most`."""
    if above:
        text = f"numbers above {least:g}" + (f" and at most {most:g}" if most < math.inf else "")
    elif most < math.inf:
        text = f"numbers from {least:g} to {most:g}"
    else:
        text = f"numbers of at least {least:g}"

    def test(value: Any) -> bool:
        return (
            _is_number(value)
            and (value > least if above else value >= least)
            and value <= most
            and value <= sys.float_info.max
        )

    return Allowed(text, test)


def one_of(*values: Any) -> Allowed:
    """Allows only the given values."""
    *others, last = map(repr, values)
    text = f"{', '.join(others)} or {last}" if others else last
    return Allowed(text, lambda v: v in values)


def several(kind: Allowed, least: int = 0, most: int | None = None) -> Allowed:
    """Allows a list of `least` to `most` values of one kind."""
    text = f"a list of {'one or more ' if least == 1 else ''}{kind.text}"
    text += "" if most is None else f", at most {most}"

    def test(value: Any) -> bool:
        fits = isinstance(value, tuple | list) and all(map(kind.test, value))
        return fits and least <= len(value) and (most is None or len(value) <= most)

    return Allowed(text, test)


def pair(kind: Allowed) -> Allowed:
    """Allows two values of one kind in ascending order."""
    listed = several(kind)
    return Allowed(
        f"two {kind.text}, ascending",
        lambda v: listed.test(v) and len(v) == 2 and v[0] <= v[1],
    )


def either(first: Allowed, second: Allowed) -> Allowed:
    """Allows a value of either kind."""
    return Allowed(f"{first.text}, or {second.text}", lambda v: first.test(v) or second.test(v))


def optional(kind: Allowed) -> Allowed:
    """Allows None, or a value of one kind."""
    return Allowed(f"None or {kind.text}", lambda v: v is None or kind.test(v))


BOOLEAN = Allowed("True or False", lambda v: isinstance(v, bool))
TEXT = Allowed(
    "a nonempty text without NUL bytes",
    lambda v: isinstance(v, str) and v != "" and "\0" not in v,
)
PROBABILITY = number(0, most=1)
FINITE = Allowed("finite numbers", lambda v: _is_number(v) and abs(v) <= sys.float_info.max)


def check_precision(value: Any) -> None:
    """Raises ValueError unless the value is one of `PRECISIONS`."""
    _check_one_of("precision", value, PRECISIONS)


def check_convolution(value: Any) -> None:
    """Raises ValueError unless the value is one of `CONVOLUTIONS`."""
    _check_one_of("convolution", value, CONVOLUTIONS)


def _check_one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        listed = " and ".join(map(repr, allowed))
        raise ValueError(f"{name}={str(value)[:60]!r}: allowed are {listed}")
