"""Tables that map the values in masks to classes."""

import pathlib
import re
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
        values: The value of each class; a colour is `0xRRGGBB`.
        names: The name of each class.
        colours: Whether the values are colours.
        ignore: The value of ignored pixels, or None.
        white: Whether 255 means 1 in a file that has no 1.
    """

    values: tuple[int, ...]
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
        table = {value: label for label, value in enumerate(self.values)}
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
            optional `=name`. None stands for 0 to `num_classes` - 1; with two classes, 0 and 255
            are allowed, too.
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
    if len(rows) != num_classes:
        raise ValueError(
            f"classes={classes}: has {len(rows)} classes, but model.num_classes={num_classes}"
        )
    extra = [] if ignore is None else [_entry("ignore", ignore, ignore)]
    colours = rows[0]["colour"] is not None
    if any((row["colour"] is not None) != colours for row in (*rows, *extra)):
        raise ValueError("classes and ignore: allowed are values for all of them, or colours")
    numbers = [_number(row) for row in (*rows, *extra)]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"classes={classes}, ignore={ignore}: each value is allowed once")
    return ClassTable(
        tuple(numbers[:num_classes]),
        tuple(row["name"] or f"class {label}" for label, row in enumerate(rows)),
        colours,
        numbers[num_classes] if extra else None,
        classes is None and num_classes == 2 and 255 not in numbers,
    )


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _entry(key: str, text: str | None, word: str) -> dict[str, str | None]:
    found = ENTRY.fullmatch(word)
    if found is None:
        raise ValueError(f"{key}={text}: allowed are {ALLOWED}")
    return found.groupdict()


def _number(row: dict[str, str | None]) -> int:
    return int(row["colour"], 16) if row["colour"] else int(row["number"] or 0)
