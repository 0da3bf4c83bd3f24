"""Checksums of files, cached until the files change, and of a network's weights."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hpunet.io.atomic import write_whole
from hpunet.io.errors import UserError, reason
from hpunet.io.progress import progress

# A file that changed this recently might change again without its times showing it.
_SETTLED_SECONDS = 2.0


def file_checksums(files: Mapping[str, Path], memory: Path) -> dict[str, str]:
    """SHA-256 of the contents of files, in hexadecimal digits.

    The result is cached in the folder `memory` and reused while names, sizes and times of all files
    stay the same.

    Args:
        files: The files by name.
        memory: The folder; created if missing.

    Raises:
        UserError: If a file cannot be read.
    """
    try:
        listing, settled = _listing(files)
        remembered = memory / f"{hashlib.sha256(listing).hexdigest()}.json"
        if (known := _recall(remembered, files)) is not None:
            return known
        counted = progress(files.items(), len(files), "reading for checksums")
        checksums = {name: _checksum(path) for name, path in counted}
        unchanged = listing == _listing(files)[0]
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {reason(error)}") from error
    if settled and unchanged:
        _remember(remembered, checksums)
    return checksums


def combine(checksums: Mapping[str, str]) -> str:
    """A single SHA-256 over names and checksums, in their order."""
    lines = "".join(f"{checksum} {name}\n" for name, checksum in checksums.items())
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def params_checksum(params: Mapping[str, Mapping[str, ArrayLike]]) -> str:
    """SHA-256 over names, shapes and float32 values of all weights, in hexadecimal digits.

    Args:
        params: Haiku's tree, of JAX or NumPy arrays.
    """
    digest = hashlib.sha256()
    for module in sorted(params):
        for name in sorted(params[module]):
            value = np.ascontiguousarray(params[module][name], "<f4")
            digest.update(f"{module}/{name} {value.shape}\n".encode())
            digest.update(value.data)
    return digest.hexdigest()


def _listing(files: Mapping[str, Path]) -> tuple[bytes, bool]:
    """A text that changes with the files, and whether times would show a further change."""
    rows, latest = [], 0
    for name, path in files.items():
        stat = path.stat()
        row = (name, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        rows.append(row)
        latest = max(latest, stat.st_mtime_ns, stat.st_ctime_ns)
    return json.dumps(rows).encode(), time.time() - latest / 1e9 > _SETTLED_SECONDS


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recall(path: Path, files: Mapping[str, Path]) -> dict[str, str] | None:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and list(known) == list(files) else None


def _remember(path: Path, checksums: Mapping[str, str]) -> None:
    """Caches checksums; if writing fails, they are computed again the next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(checksums).encode())
    except OSError:
        return
