"""Faults of an annotated folder, file by file, and notes on its files, kind by kind."""

import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from hpunet.imaging.formats import DICOM_SUFFIXES, READERS
from hpunet.io.errors import UserError

COMMAND = "python -m hpunet.inspect"
TABLE_HELPS = (
    "a table annotations.csv (image,annotator,mask) can name the mask of each image, and with the "
    "column class parts of it"
)
# Files of a kind that are named; the full list is in faults.csv.
EXAMPLES = 3
_SUFFIXES = "|".join(re.escape(suffix) for suffix in (*READERS, *DICOM_SUFFIXES))
# What differs between faults of one kind: paths, quoted names and numbers.
_OWN = re.compile(rf"\S*/.*?(?:{_SUFFIXES})(?!\w)|\S*[/\\]\S*|'[^']*'|\"[^\"]*\"|\d[\d.,]*")


class Fault(NamedTuple):
    """One fault.

    Attributes:
        file: The path or the patient that it concerns.
        problem: What is wrong, and what is allowed.
    """

    file: str
    problem: str

    @property
    def kind(self) -> str:
        """The problem without the paths, names and numbers that differ from file to file."""
        return _OWN.sub("*", self.problem)


class FaultKind(NamedTuple):
    """The faults of one kind.

    Attributes:
        number: Their number.
        first: The first of them.
        more: Files of the next ones, at most `EXAMPLES` - 1.
    """

    number: int
    first: Fault
    more: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """Examples of files, at most `EXAMPLES`."""
        return [self.first.file, *self.more]

    @property
    def problem(self) -> str:
        """The problem of the first file, with the other examples."""
        if not self.more:
            return self.first.problem
        rest = ", ..." if self.number > 1 + len(self.more) else ""
        return f"{self.first.problem}; also {', '.join(self.more)}{rest}"


class Faults(list[Fault]):
    """All faults found so far."""

    def add(self, file: pathlib.Path | str, problem: str) -> None:
        """Adds a fault."""
        self.append(Fault(str(file), problem))

    def add_error(self, file: pathlib.Path, error: UserError) -> None:
        """Adds the message of a reader, which may begin with the file, as a fault of the file."""
        self.add(file, str(error).removeprefix(f"{file}: ").removeprefix(f"{file} "))

    def refuse(self) -> None:
        """Raises the first fault, with the number of the others.

        Raises:
            UserError: If there is a fault.
        """
        if self:
            file, problem = self[0]
            others = len(self) - 1
            like = by_kind(self)[0].number - 1
            of_kind = "all" if like == others else str(like)
            more = f"{others} more fault{'s' if others > 1 else ''}, {of_kind} of this kind; "
            raise UserError(f"{file}: {problem} ({more if others else ''}{COMMAND} lists all)")


def by_kind(faults: Iterable[Fault]) -> list[FaultKind]:
    """Groups faults by kind, in the order of the first of each kind."""
    groups: dict[str, list[Fault]] = {}
    for fault in faults:
        groups.setdefault(fault.kind, []).append(fault)
    return [
        FaultKind(len(group), group[0], tuple(fault.file for fault in group[1:EXAMPLES]))
        for group in groups.values()
    ]


class Notes:
    """Notes on files, counted by kind."""

    def __init__(self) -> None:
        """Starts without notes."""
        self._files: dict[str, dict[str, None]] = {}

    def add(self, note: str, file: pathlib.Path | str) -> None:
        """Adds a note on a file; the same note on the same file counts once."""
        self._files.setdefault(note, {})[str(file)] = None

    def __iter__(self) -> Iterator[str]:
        """One line a note: the note, the number of files and examples."""
        for note, files in self._files.items():
            yield f"{note}: {some_files(list(files))}"


def some_files(files: list[Any]) -> str:
    """The number of files with at most three examples, as `36 files, such as a, b, c`."""
    count = len(files)
    if count == 1:
        return f"1 file, {files[0]}"
    return f"{count} files, such as {', '.join(map(str, files[:EXAMPLES]))}"
