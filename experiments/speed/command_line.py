"""Parsers for flags."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any


def several(parse: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Builds a parser of values separated by commas."""
    return lambda text: tuple(parse(word) for word in text.split(","))


def positive(text: str) -> int:
    """Parses a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are whole numbers of at least 1")
    return int(text)


def whole(text: str) -> int:
    """Parses a whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are whole numbers of at least 0")
    return int(text)


def one_of(allowed: Sequence[str]) -> Callable[[str], str]:
    """Builds a parser of one of the allowed words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise argparse.ArgumentTypeError(f"{text!r}: allowed are {', '.join(allowed)}")
        return text

    return parse
