"""What a variant can be asked to do, whatever it is written in."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Program(NamedTuple):
    """Something that can be timed.

    Attributes:
        run: Does it so many times, one after the other, and waits for the last result.
        facts: What is known of it once it has run: `program`, `peak_device_bytes`, for JSON.
    """

    run: Callable[[int], None]
    facts: Callable[[], dict[str, Any]]


NUM_SAMPLES = 16
