"""Files and folders that appear complete or not at all, even if the process is killed.

An unfinished file or folder has a temporary name beside its final path and is renamed at the end.
The temporary name holds host and process, so that processes do not interfere and the next one can
remove the leftovers of a killed one.
"""

import contextlib
import functools
import glob
import itertools
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hpunet.io.errors import UserError, reason, writing_to

# Part of the names of unfinished folders, as in TFDS.
INCOMPLETE = "incomplete."
# Bytes of a long name that are kept in a temporary name.
_NAME_BYTES = 100
_numbers = itertools.count()


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yields a binary file that becomes `path` at the end of the block; an error removes it.

    Processes and threads that write the same path each write a file of their own, and the last one
    wins. Unfinished files of killed processes in the same folder are removed first.

    Args:
        path: The file; an existing file is replaced. Its folder must exist.

    Raises:
        OSError: If the file cannot be written. It names `path`, never the temporary file.
    """
    path = Path(path)
    _clear_parts(path.parent.absolute())
    writer = f"{next(_numbers)}.{socket.gethostname()}.{os.getpid()}"
    part = path.with_name(f"{_shortened(path)}.{writer}.part")
    try:
        # Without tempfile, whose files only their owner can read.
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError) and str(error.filename) == str(part):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def write_whole(path: Path, contents: bytes) -> None:
    """Writes a file as `written_whole` does."""
    with written_whole(path) as file:
        file.write(contents)


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, indented, as `written_whole` does."""
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())


@contextlib.contextmanager
def whole_folder(out: Path, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Yields a hidden folder beside `out` that replaces `out` at the end of the block.

    An error removes it and leaves `out` unchanged. Leftovers of killed processes are removed first;
    a folder that one of them was replacing is restored.

    Args:
        out: The folder; missing parents are created. An existing folder is replaced.
        check: Called before `out` is replaced; raises `UserError` if the current contents of `out`
            must stay. The new folder is then kept beside it.

    Raises:
        UserError: If the folder cannot be written, or `check` refuses.
    """
    with writing_to(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        _clear_folders(out)
        part = out.with_name(f"{_prefix(out)}{os.getpid()}")
        part.mkdir()
        try:
            yield part
            _replace(part, out, check)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def check_writable(folder: Path, flag: str) -> None:
    """Checks that a folder is writable or can be created, without writing.

    Args:
        folder: The folder.
        flag: The flag with the folder, for the message.

    Raises:
        UserError: If it is not.
    """
    try:
        existing = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
        fits = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    except (OSError, ValueError) as error:
        raise UserError(f"{flag}={folder}: {reason(error)}") from None
    if not fits:
        raise UserError(f"{flag}={folder}: {existing} is not a writable folder")


def remove(path: Path) -> None:
    """Removes a file, or a folder with everything in it; a link is removed, not its target."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Whether a process of this host is running, by its number; True if this is unknown."""
    if os.name == "nt":
        return True  # On Windows, signal 0 is Ctrl-C.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


# Cached, because listing a folder of thousands of files for each of them is slow.
@functools.cache
def _clear_parts(folder: Path) -> None:
    """Removes unfinished files of processes of this host that no longer run."""
    for leftover in folder.glob(f"*.{glob.escape(socket.gethostname())}.*.part"):
        number = leftover.name.split(".")[-2]
        if number.isdecimal() and not is_running(int(number)):
            with contextlib.suppress(OSError):
                leftover.unlink()


def _prefix(out: Path) -> str:
    # With the host, because hosts may share a disk.
    return f".{_shortened(out)}.{INCOMPLETE}{socket.gethostname()}."


def _shortened(path: Path) -> str:
    return os.fsdecode(os.fsencode(path.name)[:_NAME_BYTES])


def _clear_folders(out: Path) -> None:
    """Removes leftovers of killed processes, and restores a folder that one was replacing."""
    for leftover in sorted(out.parent.glob(f"{glob.escape(_prefix(out))}*")):
        number, dot, _ = leftover.name.removeprefix(_prefix(out)).partition(".")
        if not number.isdecimal() or is_running(int(number)):
            continue
        if dot and not out.exists():
            leftover.rename(out)
        else:
            shutil.rmtree(leftover, ignore_errors=True)


def _replace(part: Path, out: Path, check: Callable[[], None]) -> None:
    try:
        check()
    except UserError as error:
        kept = out.with_name(f"{out.name}.{os.getpid()}")
        part.rename(kept)
        raise UserError(f"{error}; the new results are kept in {kept}") from None
    old = part.with_name(f"{part.name}.old")
    if out.is_dir():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)
