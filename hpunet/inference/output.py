"""The folder of results: it is never written over anything but earlier results."""

import json
import os
from pathlib import Path

from hpunet.io.errors import UserError, reason

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
        raise UserError(f"--out={out}: {reason(error)}") from None
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
