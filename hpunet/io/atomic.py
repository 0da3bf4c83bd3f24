"""Files and folders that appear whole or not at all, whoever is killed or works beside.

What is unfinished lies beside its place under another name: with host, process and `.part` behind
it if it is a file that one process writes, with `incomplete.` in it, as TFDS has it, where several
may be at work. Finished, it is renamed.
"""

import contextlib
import errno
import functools
import glob
import os
import pathlib
import shutil
import socket
import time
from collections.abc import Iterator
from typing import BinaryIO

from hpunet.io.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: two processes at once do the work twice there, but harm nothing.
    fcntl = None  # type: ignore[assignment]

# Where no lock keeps others out, their unfinished work is left alone for so long.
_STALE_SECONDS = 24 * 3600


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place once all is written, and is removed else.

    Each process writes its own; what killed ones left in the folder is removed.
    """
    path = pathlib.Path(path)
    _clear_parts(path.parent.absolute())
    part = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        # Not by tempfile, whose files nobody else may read.
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


# Once a folder: to list one of thousands of files before each of them takes long.
@functools.cache
def _clear_parts(folder: pathlib.Path) -> None:
    """Removes the unfinished files of this host's processes that no longer run."""
    for leftover in folder.glob(f"*.{glob.escape(socket.gethostname())}.*.part"):
        number = leftover.name.split(".")[-2]
        if number.isdecimal() and not is_running(int(number)):
            with contextlib.suppress(OSError):
                leftover.unlink()


def is_running(process: int) -> bool:
    """Whether a process of this host with that number runs; where that is not known, True."""
    if os.name == "nt":
        return True  # There is no asking there: signal 0 is Ctrl-C.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


@contextlib.contextmanager
def exclusive(path: pathlib.Path) -> Iterator[bool]:
    """Holds the lock `path`; gives whether it could be had (some file systems know no locks)."""
    with path.open("a") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            locked = fcntl is not None
        except OSError:
            locked = False
        yield locked


def clear_leftovers(folder: pathlib.Path, alone: bool) -> None:
    """Removes from `folder` what killed processes left unfinished.

    Args:
        folder: Where to look.
        alone: Whether a lock is held, so that nothing unfinished can be another's current work.
    """
    for leftover in folder.glob("*incomplete.*"):
        with contextlib.suppress(FileNotFoundError):
            if alone or time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                remove(leftover)


def remove(path: pathlib.Path) -> None:
    """Removes a file, or a folder with all it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def one_line(folder: pathlib.Path) -> Iterator[None]:
    """Turns the operating system's refusal to write in `folder` into a `UserError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{folder}: cannot be written: the disk is full") from error
        place = os.fspath(error.filename or folder)
        raise UserError(f"{place}: cannot be written: {error.strerror or error}") from error
