"""Faults of an annotated folder, file by file."""

import pathlib
from typing import NamedTuple

from hpunet.io.errors import UserError

COMMAND = "python -m hpunet.inspect"


class Fault(NamedTuple):
    """One fault.

    Attributes:
        file: The path or the patient that it concerns.
        problem: What is wrong, and what is allowed.
    """

    file: str
    problem: str


class Faults(list[Fault]):
    """All faults found so far."""

    def add(self, file: pathlib.Path | str, problem: str) -> None:
        """Adds a fault."""
        self.append(Fault(str(file), problem))

    def add_error(self, file: pathlib.Path, error: UserError) -> None:
        """Adds the message of a reader as a fault of the file."""
        self.add(file, str(error).removeprefix(f"{file}: "))

    def refuse(self) -> None:
        """Raises the first fault, with the number of the others.

        Raises:
            UserError: If there is a fault.
        """
        if self:
            file, problem = self[0]
            count = len(self) - 1
            more = f"{count} more fault{'s' if count > 1 else ''}; " if count else ""
            raise UserError(f"{file}: {problem} ({more}{COMMAND} lists all)")
