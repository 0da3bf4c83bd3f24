"""Checksums of the files that a data set is made from, remembered while these do not change."""

import hashlib
import json
import pathlib
import time
from collections.abc import Mapping

from tqdm import tqdm

from hpunet.io.atomic import written_whole
from hpunet.io.errors import UserError

# A file changed so shortly ago might change again without its times showing it.
_SETTLED_SECONDS = 2.0


def file_checksums(files: Mapping[str, pathlib.Path], memory: pathlib.Path) -> dict[str, str]:
    """SHA-256 of the contents of files.

    Reading everything takes a while, so the answer is kept in the folder `memory` under the names,
    sizes and times of all files, and holds as long as none of these changes.

    Args:
        files: By the names to call them.
        memory: The folder, made if missing.

    Raises:
        UserError: If a file cannot be read.
    """
    try:
        listing, settled = _listing(files)
        remembered = memory / f"{hashlib.sha256(listing).hexdigest()}.json"
        if (known := _recall(remembered, files)) is not None:
            return known
        watched = tqdm(files.items(), "reading for checksums", disable=None, leave=False)
        checksums = {name: _checksum(path) for name, path in watched}
        unchanged = listing == _listing(files)[0]
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if settled and unchanged:
        _remember(remembered, checksums)
    return checksums


def combine(checksums: Mapping[str, str]) -> str:
    """One SHA-256 over names and checksums, in their order."""
    lines = "".join(f"{checksum} {name}\n" for name, checksum in checksums.items())
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def _listing(files: Mapping[str, pathlib.Path]) -> tuple[bytes, bool]:
    """What changes with the files, and whether all were left alone long enough to rely on it."""
    rows, latest = [], 0
    for name, path in files.items():
        stat = path.stat()
        row = (name, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        rows.append(row)
        latest = max(latest, stat.st_mtime_ns, stat.st_ctime_ns)
    return json.dumps(rows).encode(), time.time() - latest / 1e9 > _SETTLED_SECONDS


def _checksum(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recall(path: pathlib.Path, files: Mapping[str, pathlib.Path]) -> dict[str, str] | None:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and list(known) == list(files) else None


def _remember(path: pathlib.Path, checksums: Mapping[str, str]) -> None:
    """Keeps checksums; where that cannot be written, they are only worked out again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as file:
            file.write(json.dumps(checksums).encode())
    except OSError:
        return
