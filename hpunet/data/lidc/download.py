"""Fetch the published LIDC crops."""

import http.client
import io
import os
import pathlib
import urllib.request
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from hpunet.data.atomic import clear_leftovers, exclusive, one_line
from hpunet.data.lidc.source import SPLITS
from hpunet.errors import UserError

URL = "https://storage.googleapis.com/hpunet-data/lidc_crops"
_TIMEOUT_SECONDS = 60
_CHUNK = 1 << 20


def download_splits(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The three published archives in `folder`, fetched unless they lie there already.

    An archive gets its name only when it has come whole.

    Raises:
        UserError: If they cannot be fetched or written.
    """
    archives = {split: folder / f"{split}.tar.gz" for split in SPLITS}
    if not all(archive.is_file() for archive in archives.values()):
        with one_line(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with exclusive(folder / ".lock") as alone:
                clear_leftovers(folder, alone)
                for archive in archives.values():
                    if not archive.is_file():
                        _download(f"{URL}/{archive.name}", archive)
    return archives


def _download(url: str, archive: pathlib.Path) -> None:
    part = archive.with_name(f"{archive.name}.incomplete.{os.getpid()}")
    try:
        with part.open("wb") as file:
            _fetch(url, file)
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)


def _fetch(url: str, file: io.BufferedWriter) -> None:
    response = _receive(url, lambda: urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS))
    with response:
        expected = int(response.headers.get("Content-Length") or 0)
        with tqdm(total=expected, desc=url, unit="B", unit_scale=True, disable=None) as bar:
            while chunk := _receive(url, lambda: response.read(_CHUNK)):
                file.write(chunk)
                bar.update(len(chunk))
    if expected and file.tell() != expected:
        raise UserError(f"{url}: download broke off after {file.tell()} of {expected} bytes")


def _receive(url: str, action: Callable[[], Any]) -> Any:
    """What `action` gives, its failure being the network's and not the disk's."""
    try:
        return action()
    except (OSError, http.client.HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise UserError(
            f"{url}: cannot be downloaded ({reason}); give the folder of the archives as data.dir"
        ) from error
