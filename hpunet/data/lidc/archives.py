"""Reads .tar.gz files from untrusted sources."""

import gzip
import pathlib
import tarfile
import zlib
from collections.abc import Iterator

from hpunet.io.errors import UserError


def read_archive(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """Yields name and contents of each file in a gzipped tar archive, in order.

    Nothing is written to disk. The archive is read to its end, so that a truncated archive is
    noticed even if it ends between two files.

    Raises:
        UserError: If it is not a gzipped tar archive, if it is truncated or corrupt, or if a member
            leads outside the archive or is a link or a device.
    """
    try:
        with gzip.open(path) as file:
            stream = _MeasuredStream(file)
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
                for member in archive:
                    _check_member(path, member)
                    if member.isreg():
                        yield member.name, _contents(archive, member)
            stream.drain()
            if stream.length < archive.offset + tarfile.BLOCKSIZE:
                raise EOFError
            if stream.last_nonzero >= archive.offset:
                raise tarfile.ReadError
    except UserError:
        raise
    except (EOFError, tarfile.TarError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        short = isinstance(error, EOFError) or str(error) == "unexpected end of data"
        problem = "cut short" if short else "corrupt or no .tar.gz"
        raise UserError(f"{path}: archive is {problem}; download it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


class _MeasuredStream:
    """A stream that records its length and the position of its last non-zero byte.

    tarfile takes a broken header for the end of an archive; a proper end consists of zeros.
    """

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self.length = 0
        self.last_nonzero = -1

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        if used := len(chunk.rstrip(b"\0")):
            self.last_nonzero = self.length + used - 1
        self.length += len(chunk)
        return chunk

    def drain(self) -> None:
        """Reads to the end, where gzip compares its checksum."""
        while self.read(1 << 20):
            pass


def _check_member(path: pathlib.Path, member: tarfile.TarInfo) -> None:
    name = pathlib.PurePosixPath(member.name.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        raise UserError(f"{path}: member {member.name!r} leads outside the archive")
    if not (member.isreg() or member.isdir()):
        raise UserError(f"{path}: member {member.name!r} is neither a file nor a folder")


def _contents(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None  # It is a regular file.
    contents = file.read()
    if len(contents) < member.size:
        raise EOFError
    return contents
