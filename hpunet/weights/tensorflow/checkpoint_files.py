"""Finds the files of a TensorFlow checkpoint in a folder, in an archive or at a URL."""

import contextlib
import glob
import gzip
import hashlib
import os
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hpunet.io.atomic import INCOMPLETE
from hpunet.io.download import download, file_name, is_url
from hpunet.io.errors import UserError, reason
from hpunet.weights.tensorflow.index_table import FOOTER_BYTES, is_table

ARCHIVES = (".tar.gz", ".tgz", ".tar")
INDEX = ".index"
# TensorFlow's file that names the newest checkpoint of its folder.
STATE_FILE = "checkpoint"
_SUFFIX = re.compile(r"(.+)\.(index|meta|data-\d{5}-of-\d{5})")
# The published network with its optimizer's state has 0.3 GB.
_MOST_BYTES = 2 << 30
_MOST_MEMBERS = 10_000
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"


class OpenedCheckpoint(NamedTuple):
    """A checkpoint whose files are on the disk.

    Attributes:
        prefix: Prefix of the names of its files.
        label: Its origin: a URL, or the name of a file.
        sha256: Checksum of the archive; without one, of the index and the data files, in order.
    """

    prefix: Path
    label: str
    sha256: str


@contextlib.contextmanager
def open_files(source: str | Path, work: Path | None = None) -> Iterator[OpenedCheckpoint]:
    """Opens the files of a checkpoint; removes downloaded and unpacked files at the end.

    Args:
        source: A checkpoint's prefix, one of its files or its folder; an archive of it (.tar.gz,
            .tgz, .tar); or the URL of such an archive, `gs://` included.
        work: Folder for unpacked files; by default the system's folder for temporary files.

    Raises:
        UserError: If the source cannot be downloaded or unpacked, or is not one checkpoint. The
            message has one line.
    """
    name = str(source)
    if not is_url(name) and not (_is_archive(name) and Path(name).is_file()):
        prefix = find_prefix(Path(name))
        yield OpenedCheckpoint(prefix, prefix.name, _checksum(name, files_of(prefix)))
        return
    with contextlib.ExitStack() as stack:
        with _unpacking(name):
            folder = tempfile.TemporaryDirectory(prefix=INCOMPLETE, dir=work)
            scratch = Path(stack.enter_context(folder))
            archive = _archive(name, scratch)
            unpacked = scratch / "unpacked"
            _unpack(name, archive, unpacked)
        label = name if is_url(name) else archive.name
        try:
            yield OpenedCheckpoint(_only_prefix(name, unpacked), label, _checksum(name, [archive]))
        except UserError as error:
            # The temporary folder is removed, so its path would not help the user.
            text = str(error).replace(f"{unpacked}{os.sep}", f"{name}: ")
            raise UserError(text) from error


def find_prefix(path: str | Path) -> Path:
    """Finds the prefix of the names of a checkpoint's files.

    Args:
        path: The prefix itself; a file of the checkpoint; or a folder with TensorFlow's file
            `checkpoint`, which names one, or with exactly one index.

    Raises:
        UserError: If there is no checkpoint, more than one, or one of the format V1.
    """
    try:
        return _find(Path(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason(error)}") from error


def index_of(prefix: Path) -> Path:
    """Returns the path of the index of a checkpoint."""
    return prefix.with_name(prefix.name + INDEX)


def files_of(prefix: Path) -> list[Path]:
    """Returns the index and the data files of a checkpoint, in order."""
    data = prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*")
    return [index_of(prefix), *sorted(data)]


def _find(path: Path) -> Path:
    suffix = _SUFFIX.fullmatch(path.name)
    if _is_prefix(path):
        return path
    if path.is_dir():
        return _prefix_in(path)
    if path.name == STATE_FILE and path.is_file():
        return _prefix_in(path.parent)
    if suffix is not None and path.is_file():
        prefix = path.with_name(suffix[1])
        if _is_prefix(prefix):
            return prefix
        raise UserError(
            f"{index_of(prefix)}: the checkpoint's index is missing in the folder of {path}"
        )
    if path.is_file() and _ends_like_table(path):
        raise UserError(
            f"{path}: a checkpoint in one file, TensorFlow's format V1; allowed is V2, which "
            "TensorFlow's Saver has written since 1.0"
        )
    problem = "no TensorFlow checkpoint" if path.exists() else "no such checkpoint"
    raise UserError(
        f"{path}: {problem}; allowed are PREFIX of PREFIX{INDEX} and the folder around it"
    )


def _is_prefix(path: Path) -> bool:
    return bool(path.name) and index_of(path).is_file()


def _ends_like_table(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - FOOTER_BYTES))
        return is_table(file.read())


def _prefix_in(folder: Path) -> Path:
    named = _named_by_state(folder)
    if named is not None:
        return named
    indices = sorted(folder.glob(f"*{INDEX}"))
    if len(indices) == 1:
        return indices[0].with_suffix("")
    if not indices:
        raise UserError(f"{folder}: it holds no checkpoint; allowed is a folder with *{INDEX}")
    names = ", ".join(path.stem for path in indices)
    raise UserError(f"{folder}: it holds {len(indices)} checkpoints; allowed is one of {names}")


def _named_by_state(folder: Path) -> Path | None:
    """Returns the checkpoint that the folder's file `checkpoint` names, or None."""
    try:
        text = (folder / STATE_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    name = re.search(r'^\s*model_checkpoint_path:\s*"([^"]+)"', text, re.M)
    # After a folder was moved, the file still has the old path.
    places = [folder / name[1], folder / Path(name[1]).name] if name else []
    return next((place for place in places if _is_prefix(place)), None)


def _only_prefix(source: str, folder: Path) -> Path:
    # Skips the second file that macOS adds to every file. Names of checkpoints may begin with a
    # dot, so other hidden files are not skipped.
    indices = sorted(p for p in folder.rglob(f"*{INDEX}") if not p.name.startswith("._"))
    if len(indices) != 1:
        names = ", ".join(p.relative_to(folder).as_posix() for p in indices[:5]) or "none"
        raise UserError(
            f"{source}: the archive must hold one TensorFlow checkpoint, a file NAME{INDEX} with "
            f"its NAME.data-*; found: {names}"
        )
    return find_prefix(indices[0])


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def _archive(source: str, scratch: Path) -> Path:
    if not is_url(source):
        return Path(source)
    if not _is_archive(file_name(source)):
        raise UserError(f"{source}: allowed are archives that end in {', '.join(ARCHIVES)}")
    archive = scratch / "archive"
    download(source, archive, _MOST_BYTES)
    return archive


@contextlib.contextmanager
def _unpacking(source: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{source}: cannot be unpacked: {reason(error)}") from error


def _checksum(source: str, files: list[Path]) -> str:
    digest = hashlib.sha256()
    with _unpacking(source):
        for path in files:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
    return digest.hexdigest()


def _unpack(source: str, archive: Path, folder: Path) -> None:
    """Writes the regular files of an archive, which is not trusted, below a new folder."""
    folder.mkdir()
    with archive.open("rb") as raw:
        gzipped = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        try:
            with gzip.open(raw) if gzipped else contextlib.nullcontext(raw) as stream:
                _unpack_stream(source, stream, folder)
                # Only at the end does gzip compare its checksum.
                while stream.read(_CHUNK):
                    pass
        except UserError:
            raise
        except (EOFError, tarfile.TarError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            short = isinstance(error, EOFError) or "unexpected end" in str(error)
            problem = "cut short" if short else f"corrupt or none of {', '.join(ARCHIVES)}"
            raise UserError(f"{source}: the archive is {problem}; get it again") from error


def _unpack_stream(source: str, stream: BinaryIO | gzip.GzipFile, folder: Path) -> None:
    total = 0
    with tarfile.open(fileobj=stream, mode="r|") as members:
        for count, member in enumerate(members, 1):
            total += member.size
            if total > _MOST_BYTES or count > _MOST_MEMBERS:
                raise UserError(
                    f"{source}: the archive holds more than {_MOST_MEMBERS} files or "
                    f"{_MOST_BYTES} bytes, which no checkpoint does"
                )
            path = folder / member.name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise UserError(f"{source}: member {member.name!r} leads outside the archive")
            if member.isreg():
                _write(members, member, path)
            elif not member.isdir():
                raise UserError(f"{source}: member {member.name!r} is neither a file nor a folder")


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = members.extractfile(member)
    assert contents is not None  # It is a regular file.
    written = 0
    with path.open("xb") as file:
        while chunk := contents.read(_CHUNK):
            written += file.write(chunk)
    if written < member.size:
        raise EOFError
