"""Tables that map the values in masks to classes."""

import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer, UInt8

from hpunet.io.errors import UserError

# The label of pixels that are ignored in loss and scores.
IGNORED = 255

ENTRY = re.compile(r"(?:#(?P<colour>[0-9a-fA-F]{6})|(?P<number>-?\d{1,9}))(?:=(?P<name>.+))?")
ALLOWED = "values such as 0,128=edema,255=core or colours such as #000000,#ff0000=core"
# A file with more distinct values is probably a photograph.
MOST_NUMBERS = 32


class ClassTable(NamedTuple):
    """The meaning of the values in masks.

    Attributes:
        values: All values in the given order; a colour is `0xRRGGBB`.
        labels: The class of each value. Values with the same name share a class.
        names: The name of each class.
        colours: Whether the values are colours.
        ignore: The value of ignored pixels, or None.
        white: Whether 255 means 1 in a file that has no 1.
    """

    values: tuple[int, ...]
    labels: tuple[int, ...]
    names: tuple[str, ...]
    colours: bool
    ignore: int | None
    white: bool

    def classes_of(
        self, numbers: Integer[np.ndarray, "N H W"], file: pathlib.Path
    ) -> UInt8[np.ndarray, "N H W"]:
        """Converts values to classes; ignored pixels become `IGNORED`.

        Args:
            numbers: The values in a file.
            file: Path of the file, for messages.

        Raises:
            UserError: If a value is not in the table.
        """
        found = np.unique(numbers).tolist()
        table = dict(zip(self.values, self.labels, strict=True))
        if self.white and 1 not in found:
            table[255] = 1
        if self.ignore is not None:
            table[self.ignore] = IGNORED
        wrong = [number for number in found if number not in table]
        if wrong:
            raise UserError(f"{file}: {self._problem(wrong, len(found))}")
        labels = np.zeros(numbers.shape, np.uint8)
        for number in found:
            labels[numbers == number] = table[number]
        return labels

    def part_of(
        self, numbers: Integer[np.ndarray, "N H W"], label: int, file: pathlib.Path
    ) -> UInt8[np.ndarray, "N H W"]:
        """Converts the values of a file that marks a single class, with any value, to classes.

        Args:
            numbers: The values in the file; the background is 0, or has the values of class 0.
            label: The class of what is marked.
            file: Path of the file, for messages.

        Raises:
            UserError: If there is more than one value besides those of background and ignored
                pixels.
        """
        table = dict(zip(self.values, self.labels, strict=True))
        background = [value for value, n in table.items() if n == 0]
        background += [0] if 0 not in table else []
        marked = ~np.isin(numbers, background)
        labels = np.where(marked, label, 0).astype(np.uint8)
        if self.ignore is not None:
            labels[numbers == self.ignore] = IGNORED
        found = np.unique(numbers[labels == label]).tolist()
        if len(found) > 1:
            listed = ", ".join(map(self._formatted, found[:5])) + (", ..." * (len(found) > 5))
            raise UserError(
                f"{file}: holds {listed}; allowed in a file of the class {self.names[label]!r} is "
                "one value besides the background"
            )
        return labels

    def label_of(self, text: str) -> int:
        """The class that a text names by its name, or else by its value as in `classes`.

        Raises:
            UserError: If there is no such class.
        """
        found = {self._formatted(v): n for v, n in zip(self.values, self.labels, strict=True)}
        found |= {name: label for label, name in enumerate(self.names)}
        if text not in found:
            names = ", ".join(self.names)
            raise UserError(f"there is no class {text!r}; allowed are {names}, or their values")
        return found[text]

    def swapped(self, label: int, values: Iterable[int]) -> str:
        """The text of `classes` in which a class and the background change places.

        Args:
            label: The class.
            values: The values that stand for this class in the masks.
        """
        merged = len(set(values)) > 1 or len(self.labels) > len(self.names)
        own = [v for v, n in zip(self.values, self.labels, strict=True) if n == label]
        own = sorted(set(values)) or own
        rows: list[tuple[int, int]] = [(value, 0) for value in own]
        for value, place in zip(self.values, self.labels, strict=True):
            if place != label:
                rows.append((value, place or label))
        rows.sort(key=lambda row: row[1])
        named = [merged or name != f"class {n}" for n, name in enumerate(self.names)]
        return ",".join(
            f"{self._formatted(value)}={self.names[n]}" if named[n] else self._formatted(value)
            for value, n in rows
        )

    def _problem(self, wrong: list[int], different: int) -> str:
        if different > MOST_NUMBERS:
            kind = "colours" if self.colours else "values"
            return f"holds {different} different {kind}, as photographs do; {self._allowed}"
        listed = ", ".join(map(self._formatted, wrong[:5])) + (", ..." if len(wrong) > 5 else "")
        return f"holds {listed}, which is not a class; {self._allowed}"

    @property
    def _allowed(self) -> str:
        values = [self._formatted(value) for value in self.values]
        if not self.colours and self.values == tuple(range(len(values))):
            listed = f"0 to {len(values) - 1}"
        else:
            listed = ", ".join(values)
        white = ", or 0 and 255" if self.white else ""
        ignore = "" if self.ignore is None else f", and {self._formatted(self.ignore)} to ignore"
        return f"allowed are {listed}{white}{ignore}"

    def _formatted(self, number: int) -> str:
        return f"#{number:06x}" if self.colours else str(number)


def class_table(classes: str | None, ignore: str | None, num_classes: int) -> ClassTable:
    """Parses the table from two keys of a configuration.

    Args:
        classes: The value or colour of each class in order, separated by commas, each with an
            optional `=name`; values with the same name are one class. None stands for 0 to
            `num_classes` - 1; with two classes, 0 and 255 are allowed, too.
        ignore: The value or colour of ignored pixels, or None.
        num_classes: Number of classes of the model.

    Raises:
        ValueError: If a text is malformed, or the table does not fit the model. The message names
            the key.
    """
    if num_classes > IGNORED:
        raise ValueError(f"classes: model.num_classes={num_classes}, allowed are at most {IGNORED}")
    texts = [str(label) for label in range(num_classes)] if classes is None else _split(classes)
    rows = [_entry("classes", classes, text) for text in texts]
    places = _places(rows)
    if max(places) + 1 != num_classes:
        raise ValueError(
            f"classes={classes}: has {max(places) + 1} classes, but model.num_classes={num_classes}"
        )
    extra = [] if ignore is None else [_entry("ignore", ignore, ignore)]
    colours = rows[0]["colour"] is not None
    if any((row["colour"] is not None) != colours for row in (*rows, *extra)):
        raise ValueError("classes and ignore: allowed are values for all of them, or colours")
    numbers = [_number(row) for row in (*rows, *extra)]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"classes={classes}, ignore={ignore}: each value is allowed once")
    names = {label: row["name"] for label, row in zip(places, rows, strict=True)}
    return ClassTable(
        tuple(numbers[: len(rows)]),
        places,
        tuple(names[label] or f"class {label}" for label in range(num_classes)),
        colours,
        numbers[len(rows)] if extra else None,
        classes is None and num_classes == 2 and 255 not in numbers,
    )


def _places(rows: Sequence[Mapping[str, str | None]]) -> tuple[int, ...]:
    """The class of each entry, in the order of first entries; equal names are one class."""
    known: dict[str, int] = {}
    places: list[int] = []
    for row in rows:
        label = max(places, default=-1) + 1
        name = row["name"]
        places.append(label if name is None else known.setdefault(name, label))
    return tuple(places)


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _entry(key: str, text: str | None, word: str) -> dict[str, str | None]:
    found = ENTRY.fullmatch(word)
    if found is None:
        raise ValueError(f"{key}={text}: allowed are {ALLOWED}")
    return found.groupdict()


def _number(row: dict[str, str | None]) -> int:
    return int(row["colour"], 16) if row["colour"] else int(row["number"] or 0)
