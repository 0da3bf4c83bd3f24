"""Fetch the published LIDC crops."""

import pathlib

from hpunet.data.lidc.source import SPLITS
from hpunet.io.download import DownloadError, download
from hpunet.io.errors import UserError, writing_to
from hpunet.io.locks import clear_leftovers, exclusive

URL = "https://storage.googleapis.com/hpunet-data/lidc_crops"


def download_splits(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The three published archives in `folder`, fetched unless they lie there already.

    An archive gets its name only when it has come whole.

    Raises:
        UserError: If they cannot be fetched or written.
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


def _download(url: str, archive: pathlib.Path) -> None:
    try:
        download(url, archive)
    except DownloadError as error:
        raise UserError(f"{error}; give the folder of the archives as data.dir") from error
