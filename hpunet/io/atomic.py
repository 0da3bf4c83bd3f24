"""Files and folders that appear complete or not at all, even if the process is killed.

An unfinished file or folder lies beside its final place under another name and is renamed at the
end. The name holds host and process, so that processes do not disturb each other and the next one
can remove what a killed one left behind.
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

# In the names of unfinished folders, as TFDS names its own.
INCOMPLETE = "incomplete."
# Of a long name, bytes that leave room for the rest of an unfinished one.
_NAME_BYTES = 100
_numbers = itertools.count()


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Gives a binary file that becomes `path` once the block ends; an error removes it.

    Processes and threads that write the same path each write a file of their own, and the last one
    wins. Unfinished files of killed processes in the same folder are removed first.

    Args:
        path: The file; one that exists is replaced. Its folder must exist.

    Raises:
        OSError: If the file cannot be written.
    """
    path = Path(path)
    _clear_parts(path.parent.absolute())
    writer = f"{next(_numbers)}.{socket.gethostname()}.{os.getpid()}"
    part = path.with_name(f"{_shortened(path)}.{writer}.part")
    try:
        # Not with tempfile, which makes files that only their owner may read.
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
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
    """Gives a hidden folder beside `out` that takes its place once the block ends.

    An error removes it and leaves `out` as it was. What killed processes left there is removed
    first; a folder that one of them was replacing is restored.

    Args:
        out: The folder; its parents are made. One that exists is replaced.
        check: Is called before `out` is replaced and raises `UserError` if what has come to lie
            there must stay. The new folder is then kept beside it.

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
    """Makes sure that a folder can be written to, or made; writes nothing.

    Args:
        folder: The folder.
        flag: The flag that names it, for the message.

    Raises:
        UserError: If it cannot.
    """
    try:
        existing = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
        fits = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    except (OSError, ValueError) as error:
        raise UserError(f"{flag}={folder}: {reason(error)}") from None
    if not fits:
        raise UserError(f"{flag}={folder}: {existing} is no folder that can be written to")


def remove(path: Path) -> None:
    """Removes a file, or a folder with everything in it; a link is removed, not its target."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Whether a process of this host with that number runs; True where that cannot be known."""
    if os.name == "nt":
        return True  # On Windows, signal 0 is Ctrl-C.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


# Cached, because listing a folder of thousands of files before each of them takes long.
@functools.cache
def _clear_parts(folder: Path) -> None:
    """Removes the unfinished files of this host's processes that no longer run."""
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
    """Removes what killed processes left, but restores a folder that one was replacing."""
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
        raise UserError(f"{error}; what was written is kept in {kept}") from None
    old = part.with_name(f"{part.name}.old")
    if out.is_dir():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)
