"""Sources of the LIDC crops: published archives, local archives or folders."""

import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hpunet.data.lidc.archives import read_archive
from hpunet.io.checksums import combine, file_checksums
from hpunet.io.download import DownloadError, download
from hpunet.io.errors import UserError, writing_to
from hpunet.io.listing import is_stray, refuse_unreadable
from hpunet.io.locks import clear_leftovers, exclusive

URL = "https://storage.googleapis.com/hpunet-data/lidc_crops"
SPLITS = ("train", "val", "test")


class SplitFiles(NamedTuple):
    """The files of one split.

    Attributes:
        place: Archive or folder.
        contents: Bytes or path of each file, by its path from `images` or `gt` on.
    """

    place: pathlib.Path
    contents: Mapping[str, bytes | pathlib.Path]

    def read(self, name: str) -> bytes:
        """Contents of the file `name`."""
        contents = self.contents[name]
        return contents if isinstance(contents, bytes) else contents.read_bytes()

    def label(self, name: str) -> str:
        """The name of the file `name` in messages."""
        inside = self.place.is_dir()
        return os.fspath(self.place / name) if inside else f"{self.place}: {name}"


def download_splits(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Downloads the three published archives into `folder`, unless they are there.

    An archive gets its name when it is complete.

    Raises:
        UserError: If they cannot be downloaded or written.
    """
    archives = {split: folder / f"{split}.tar.gz" for split in SPLITS}
    if not all(archive.is_file() for archive in archives.values()):
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with exclusive(folder / ".lock") as alone:
                clear_leftovers(folder, alone)
                for archive in archives.values():
                    if not archive.is_file():
                        _download(f"{URL}/{archive.name}", archive)
    return archives


def find_splits(data_dir: pathlib.Path) -> dict[str, pathlib.Path]:
    """The archive or folder of each split in `data_dir`.

    A split is `<split>.tar.gz` or, if that is missing, a folder `<split>`. A folder that holds
    `images` and `gt` itself is `train`. All may be one level below, in `lidc_crops`.

    Raises:
        UserError: If there is no such folder, or if it holds no split.
    """
    if not data_dir.is_dir():
        problem = "is a file, not a folder" if data_dir.exists() else "no such folder"
        raise UserError(f"data.dir={data_dir}: {problem}")
    for folder in (data_dir, data_dir / "lidc_crops"):
        found = {split: place for split in SPLITS if (place := _find_split(folder, split))}
        if not found and _holds_crops(folder):
            found = {"train": folder}
        if found:
            return found
    raise UserError(
        f"data.dir={data_dir}: holds neither train.tar.gz, val.tar.gz or test.tar.gz nor folders "
        "train, val or test nor images and gt"
    )


def source_checksum(splits: Mapping[str, pathlib.Path], memory: pathlib.Path) -> str:
    """SHA-256 over the names of the splits, and over paths and contents of archives or files.

    Args:
        splits: Archive or folder of each split.
        memory: Folder in which checksums of files are cached.
    """
    return combine(
        file_checksums(
            {
                f"{split}/{name}": path
                for split, place in sorted(splits.items())
                for name, path in (_walk(place) if place.is_dir() else [(place.name, place)])
            },
            memory,
        )
    )


def load_split(split: str, place: pathlib.Path) -> SplitFiles:
    """Reads the files of an archive, or lists those of a folder.

    Raises:
        UserError: If an archive is damaged, or holds another split or more than one.
    """
    if place.is_dir():
        return SplitFiles(place, dict(_walk(place)))
    contents: dict[str, bytes] = {}
    leads: set[str] = set()
    for member, data in read_archive(place):
        lead, name = _cut_lead(member)
        if name is not None:
            contents[name] = data
            leads.add(lead)
    if len(leads) > 1:
        listed = ", ".join(repr(lead) for lead in sorted(leads))
        raise UserError(f"{place}: holds images and gt in more than one folder: {listed}")
    for lead in leads:
        last = pathlib.PurePosixPath(lead).name
        if last in SPLITS and last != split:
            raise UserError(f"{place}: holds the split {last!r}, not {split!r}")
    return SplitFiles(place, contents)


def _download(url: str, archive: pathlib.Path) -> None:
    try:
        download(url, archive)
    except DownloadError as error:
        raise UserError(f"{error}; give the folder of the archives as data.dir") from error


def _find_split(folder: pathlib.Path, split: str) -> pathlib.Path | None:
    archive = folder / f"{split}.tar.gz"
    if archive.is_file():
        return archive
    return folder / split if (folder / split).is_dir() else None


def _holds_crops(folder: pathlib.Path) -> bool:
    return (folder / "images").is_dir() or (folder / "gt").is_dir()


def _cut_lead(member: str) -> tuple[str, str | None]:
    """Splits the path of a member before `images` or `gt`; None if it contains neither."""
    parts = pathlib.PurePosixPath(member).parts
    starts = [index for index, part in enumerate(parts[:-1]) if part in ("images", "gt")]
    if not starts or any(map(is_stray, parts)):
        return "", None
    return "/".join(parts[: starts[0]]), "/".join(parts[starts[0] :])


def _walk(folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
    """Relative path and path of every file below `images` and `gt`, in order."""
    for top in ("gt", "images"):
        if not (folder / top).is_dir():
            continue
        for place, folders, names in os.walk(
            folder / top, onerror=refuse_unreadable, followlinks=True
        ):
            folders.sort()
            below = pathlib.Path(place).relative_to(folder)
            for name in sorted(names):
                if not any(map(is_stray, (*below.parts, name))):
                    yield f"{below.as_posix()}/{name}", pathlib.Path(place, name)
