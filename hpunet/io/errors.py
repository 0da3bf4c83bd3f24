"""A user's mistakes, which commands report in one line instead of a traceback."""

import contextlib
import errno
import os
from collections.abc import Iterator


class UserError(ValueError):
    """Something a user gave is wrong: a file, a value, a setting.

    The message is a single line that names what is wrong and what is allowed. Commands print it on
    stderr and exit with code 2; in Python it is an ordinary `ValueError`.
    """


def reason(error: BaseException) -> str:
    """The operating system's text for an `OSError`, or the message of any other error."""
    return getattr(error, "strerror", None) or str(error)


@contextlib.contextmanager
def writing_to(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an `OSError` of the block, which writes to `folder`, into a `UserError`.

    The message names the file that could not be written, or says that the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{folder}: cannot be written: the disk is full") from error
        place = os.fspath(error.filename or folder)
        raise UserError(f"{place}: cannot be written: {reason(error)}") from error
