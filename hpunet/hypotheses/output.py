"""The folder of results: it appears whole or not at all, and replaces nothing but results."""

import contextlib
import glob
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from hpunet.errors import UserError

RESULTS = "results.json"
PAGE = "index.html"


def check_replaceable(out: Path, overwrite: bool) -> None:
    """Makes sure that results may be written to a folder; writes nothing.

    Raises:
        UserError: If it is no folder, holds other files, or holds results and `overwrite` is False.
    """
    try:
        if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
            return
    except OSError as error:
        raise UserError(f"--out={out}: {error.strerror}") from None
    if not out.is_dir():
        raise UserError(f"--out={out}: it is no folder; allowed is a new or an empty one")
    if not (out / RESULTS).is_file():
        raise UserError(f"--out={out}: it holds other files; allowed is a new or an empty folder")
    if not overwrite:
        raise UserError(f"--out={out}: it holds results already; --overwrite replaces them")


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` that takes its place at the end, and is removed at any error.

    What earlier commands left there when they were killed is removed first.

    Args:
        out: As `check_replaceable` allows it.

    Raises:
        UserError: If it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(out)
        part = out.with_name(f"{_prefix(out)}{os.getpid()}")
        part.mkdir()
        try:
            yield part
            _replace(part, out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        place = error.filename or out
        raise UserError(f"--out={out}: {place} cannot be written: {error.strerror}") from None


def _prefix(out: Path) -> str:
    # The host too: a process of another one, on a shared disk, may be at work.
    return f".{out.name}.incomplete.{socket.gethostname()}."


def _clear_leftovers(out: Path) -> None:
    for leftover in out.parent.glob(f"{glob.escape(_prefix(out))}*"):
        number = leftover.name.removeprefix(_prefix(out))
        if number.isdecimal() and not _is_running(int(number)):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _replace(part: Path, out: Path) -> None:
    old = out.with_name(f"{part.name}.old")
    if out.is_dir():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)
