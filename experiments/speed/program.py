"""The interface of programs of all variants."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Program(NamedTuple):
    """A program that can be timed.

    Attributes:
        run: Runs the program a number of times and waits for the last result.
        facts: Returns facts on the program after a run, for JSON: `program`, `peak_device_bytes`.
    """

    run: Callable[[int], None]
    facts: Callable[[], dict[str, Any]]


NUM_SAMPLES = 16
