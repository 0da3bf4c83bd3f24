"""Find the files of a TensorFlow checkpoint: in a folder, an archive or on the network."""

import contextlib
import gzip
import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hpunet.io.download import download, file_name, is_url
from hpunet.io.errors import UserError
from hpunet.weights.tensorflow.checkpoint_prefix import find_prefix, index_of

ARCHIVES = (".tar.gz", ".tgz", ".tar")
INDEX = ".index"
# The published network with its optimiser's state has 0.3 GB; far larger is a mistake or a trap.
_MOST_BYTES = 2 << 30
_MOST_MEMBERS = 10_000
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"


class Opened(NamedTuple):
    """A checkpoint whose files lie on the disk.

    Attributes:
        prefix: What the names of its files begin with.
        label: Where it comes from: a URL, or the name of the file.
        sha256: Checksum of the archive; without one, of the index and the data files, in order.
    """

    prefix: Path
    label: str
    sha256: str


@contextlib.contextmanager
def open_files(source: str | Path, work: Path | None = None) -> Iterator[Opened]:
    """Gives the files of a checkpoint; what was fetched or unpacked is removed at the end.

    Args:
        source: A checkpoint's prefix, one of its files or its folder; an archive of it (.tar.gz,
            .tgz, .tar); or the URL of such an archive, `gs://` included.
        work: Where to unpack; the system's folder for temporary files if not given.

    Raises:
        UserError: In one line, if it cannot be fetched or unpacked or is no single checkpoint.
    """
    name = str(source)
    if not is_url(name) and not (_is_archive(name) and Path(name).is_file()):
        prefix = find_prefix(Path(name))
        yield Opened(prefix, prefix.name, _checksum(name, files_of(prefix)))
        return
    with contextlib.ExitStack() as stack:
        with _one_line(name):
            scratch = stack.enter_context(tempfile.TemporaryDirectory(dir=work))
            archive = _archive(name, Path(scratch))
            unpacked = Path(scratch, "unpacked")
            _unpack(name, archive, unpacked)
        label = name if is_url(name) else archive.name
        try:
            yield Opened(_only_prefix(name, unpacked), label, _checksum(name, [archive]))
        except UserError as error:
            # The place where it was unpacked says nothing to a user, and is gone.
            text = str(error).replace(f"{unpacked}{os.sep}", f"{name}: ")
            raise UserError(text) from error


def files_of(prefix: Path) -> list[Path]:
    """The index and the data files of a checkpoint, in order."""
    return [
        index_of(prefix),
        *sorted(prefix.parent.glob(f"{_literal(prefix.name)}.data-*")),
    ]


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


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
def _one_line(source: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{source}: cannot be unpacked: {error.strerror or error}") from error


def _checksum(source: str, files: list[Path]) -> str:
    digest = hashlib.sha256()
    with _one_line(source):
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
                # To the end, where gzip compares its checksum.
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


def _only_prefix(source: str, folder: Path) -> Path:
    # macOS adds a shadow of every file, its name beginning so.
    found = sorted(p for p in folder.rglob(f"*{INDEX}") if not p.name.startswith("._"))
    if len(found) != 1:
        names = ", ".join(p.relative_to(folder).as_posix() for p in found[:5]) or "none"
        raise UserError(
            f"{source}: the archive is to hold one TensorFlow checkpoint, a file NAME{INDEX} with "
            f"its NAME.data-*; found: {names}"
        )
    return find_prefix(found[0])
