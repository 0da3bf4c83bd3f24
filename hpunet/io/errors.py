"""User errors, which commands report in one line instead of a traceback."""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

# Most names in a message.
MOST_NAMES = 3


class UserError(ValueError):
    """A file, value or setting that a user gave is invalid.

    The message is a single line that names the fault and what is allowed. Commands print it on
    stderr and exit with code 2; in Python it is an ordinary `ValueError`.
    """


def reason(error: BaseException) -> str:
    """The operating system's text for an `OSError`, or the message of any other error."""
    return getattr(error, "strerror", None) or str(error)


def first_names(names: Sequence[str]) -> str:
    """The first names in one line, with the number of others."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


@contextlib.contextmanager
def writing_to(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an `OSError` of the block, which writes to `folder`, into a `UserError`.

    The message names the file in `folder`, or the parent of it, that could not be written, or says
    that the disk is full. Instead of a temporary path elsewhere it names `folder`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{folder}: cannot be written: the disk is full") from error
        place = Path(error.filename or folder)
        if not (place.is_relative_to(folder) or Path(folder).is_relative_to(place)):
            place = Path(folder)
        raise UserError(f"{place}: cannot be written: {reason(error)}") from error
