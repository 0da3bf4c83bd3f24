"""From the numbers in masks to classes, by a table."""

import pathlib
import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer, UInt8

from hpunet.io.errors import UserError

# The label of annotated pixels that count nowhere.
IGNORED = 255

ENTRY = re.compile(r"(?:#(?P<colour>[0-9a-fA-F]{6})|(?P<number>-?\d{1,9}))(?:=(?P<name>.+))?")
ALLOWED = "values such as 0,128=edema,255=core or colours such as #000000,#ff0000=core"
# Of more different numbers in a mask, it is no mask.
MOST_NUMBERS = 32


class ClassTable(NamedTuple):
    """What the numbers in masks mean.

    Attributes:
        values: The number of each class; of a colour `0xRRGGBB`.
        names: Of the classes.
        colours: Whether the numbers are colours.
        ignore: The number of pixels that count nowhere, or None.
        white: Whether 255 may stand for 1 in a file without a 1.
    """

    values: tuple[int, ...]
    names: tuple[str, ...]
    colours: bool
    ignore: int | None
    white: bool

    def classes_of(
        self, numbers: Integer[np.ndarray, "N H W"], file: pathlib.Path
    ) -> UInt8[np.ndarray, "N H W"]:
        """The classes of pixels, `IGNORED` where they count nowhere.

        Args:
            numbers: As they stand in a file.
            file: For messages.

        Raises:
            UserError: If a number is in no row of the table.
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
        listed = ", ".join(map(self._shown, wrong[:5])) + (", ..." if len(wrong) > 5 else "")
        return f"holds {listed}, which is no class; {self._allowed}"

    @property
    def _allowed(self) -> str:
        values = [self._shown(value) for value in self.values]
        if not self.colours and self.values == tuple(range(len(values))):
            listed = f"0 to {len(values) - 1}"
        else:
            listed = ", ".join(values)
        white = ", or 0 and 255" if self.white else ""
        ignore = "" if self.ignore is None else f", and {self._shown(self.ignore)} to ignore"
        return f"allowed are {listed}{white}{ignore}"

    def _shown(self, number: int) -> str:
        return f"#{number:06x}" if self.colours else str(number)


def class_table(classes: str | None, ignore: str | None, num_classes: int) -> ClassTable:
    """The table that two texts of a configuration describe.

    Args:
        classes: The value or colour of each class in order, separated by commas, with `=name` where
            it has a name; None for 0 to `num_classes` - 1, of two classes also 0 and 255.
        ignore: The value or colour of pixels that count nowhere, or None.
        num_classes: How many classes the network tells apart.

    Raises:
        ValueError: Naming the key, if a text is none of that, or it does not fit the network.
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
