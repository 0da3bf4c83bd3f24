"""Flags that hold several values."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any


def several(parse: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Reads values that stand between commas."""
    return lambda text: tuple(parse(word) for word in text.split(","))


def positive(text: str) -> int:
    """Reads a whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are whole numbers from 1 up")
    return int(text)


def whole(text: str) -> int:
    """Reads a whole number from 0 up."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are whole numbers from 0 up")
    return int(text)


def one_of(allowed: Sequence[str]) -> Callable[[str], str]:
    """Reads one of these words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise argparse.ArgumentTypeError(f"{text!r}: allowed are {', '.join(allowed)}")
        return text

    return parse
