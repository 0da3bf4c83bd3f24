"""The folder of results: it appears whole or not at all, and replaces nothing but results."""

import contextlib
import glob
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from hpunet.io.atomic import is_running
from hpunet.io.errors import UserError

RESULTS, FORMAT = "results.json", "hpunet-samples-1"
PAGE = "index.html"


def check_replaceable(out: Path, overwrite: bool) -> None:
    """Makes sure that results may be written to a folder; writes nothing.

    Raises:
        UserError: If it is no folder, holds anything that is no result, or holds results and
            `overwrite` is False.
    """
    try:
        if not os.path.lexists(out):
            return
        if os.path.ismount(out) or out == Path.cwd():
            raise UserError(f"--out={out}: it cannot be replaced; allowed is a folder in it")
        if out.is_dir() and not any(out.iterdir()):
            return
        if not out.is_dir():
            raise UserError(f"--out={out}: it is no folder; allowed is a new or an empty one")
        own = _own_files(out)
        found = (path for path in sorted(out.rglob("*")) if not path.is_dir())
        others = [path for path in found if path not in own]
    except OSError as error:
        raise UserError(f"--out={out}: {error.strerror}") from None
    if others:
        raise UserError(
            f"--out={out}: it holds other files, such as {others[0].relative_to(out)}; allowed is "
            "a new or an empty folder"
        )
    if not overwrite:
        raise UserError(f"--out={out}: it holds results already; --overwrite replaces them")


def _own_files(out: Path) -> set[Path]:
    """The files of a folder that an earlier command says it wrote there."""
    try:
        content = json.loads((out / RESULTS).read_bytes())
        if content["format"] != FORMAT:
            return set()
        names = [name for image in content["images"] for name in image["files"]]
        return {out / name for name in [*names, RESULTS, PAGE]}
    except (FileNotFoundError, ValueError, LookupError, TypeError, RecursionError):
        return set()


@contextlib.contextmanager
def whole_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """A hidden folder beside `out` that takes its place at the end, and is removed at any error.

    What earlier commands left there when they were killed is removed first.

    Args:
        out: As `check_replaceable` allows it, which is asked again at the end.
        overwrite: Whether results there are replaced.

    Raises:
        UserError: If it cannot be written, or other files have come to lie there; what was drawn
            then stays beside it.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(out)
        part = out.with_name(f"{_prefix(out)}{os.getpid()}")
        part.mkdir()
        try:
            yield part
            _replace(part, out, overwrite)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        place = error.filename or out
        raise UserError(f"--out={out}: {place} cannot be written: {error.strerror}") from None


def _prefix(out: Path) -> str:
    # The host too: a process of another one, on a shared disk, may be at work.
    # Of a long name the beginning: with all the rest it must not be too long.
    return f".{out.name[:100]}.incomplete.{socket.gethostname()}."


def _clear_leftovers(out: Path) -> None:
    """Removes what killed commands left, but for results that one was about to replace."""
    for leftover in sorted(out.parent.glob(f"{glob.escape(_prefix(out))}*")):
        number, dot, _ = leftover.name.removeprefix(_prefix(out)).partition(".")
        if not number.isdecimal() or is_running(int(number)):
            continue
        if dot and not out.exists():
            leftover.rename(out)
        else:
            shutil.rmtree(leftover, ignore_errors=True)


def _replace(part: Path, out: Path, overwrite: bool) -> None:
    try:
        check_replaceable(out, overwrite)
    except UserError as error:
        kept = out.with_name(f"{out.name}.{os.getpid()}")
        part.rename(kept)
        raise UserError(f"{error}; what was drawn is kept in {kept}") from None
    old = part.with_name(f"{part.name}.old")
    if out.is_dir():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)
