"""What is wrong with a folder, file by file."""

import pathlib
from typing import NamedTuple

from hpunet.io.errors import UserError

COMMAND = "python -m hpunet.inspect"


class Fault(NamedTuple):
    """One thing to mend.

    Attributes:
        file: What it is about, a path or a patient.
        problem: What is wrong, and what is allowed.
    """

    file: str
    problem: str


class Faults(list[Fault]):
    """All that was found wrong so far."""

    def add(self, file: pathlib.Path | str, problem: str) -> None:
        """Notes a fault."""
        self.append(Fault(str(file), problem))

    def add_error(self, file: pathlib.Path, error: UserError) -> None:
        """Notes what a reader says of a file."""
        self.add(file, str(error).removeprefix(f"{file}: "))

    def refuse(self) -> None:
        """Raises the first fault, and says how many more there are.

        Raises:
            UserError: If there is a fault.
        """
        if self:
            file, problem = self[0]
            count = len(self) - 1
            more = f"{count} more fault{'s' if count > 1 else ''}; " if count else ""
            raise UserError(f"{file}: {problem} ({more}{COMMAND} lists all)")
