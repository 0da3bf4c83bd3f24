"""Fetch a file that somebody published."""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hpunet.io.errors import UserError

SCHEMES = ("http", "https", "gs")
_BUCKETS = "https://storage.googleapis.com/"
_TIMEOUT_SECONDS = 60
_CHUNK = 1 << 20


class DownloadError(UserError):
    """What a user names cannot be had over the network."""


def is_url(source: str) -> bool:
    """Whether this names something on the network rather than a file."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def file_name(url: str) -> str:
    """The last part of a URL's path."""
    path = url.partition("#")[0].partition("?")[0]
    return urllib.parse.unquote(path.rpartition("/")[2])


def download(url: str, path: Path, most: int | None = None) -> None:
    """Writes what a URL gives, with a progress bar on a terminal.

    Args:
        url: `http://`, `https://`, or `gs://BUCKET/NAME`, which is read as its public address.
        path: Where to write. On an error what has come lies there, cut short.
        most: Bytes that are taken; more are refused. None takes all.

    Raises:
        DownloadError: If it cannot be reached, is not there or breaks off.
        UserError: If it is too large.
        OSError: If it cannot be written.
    """
    scheme, _, rest = url.partition("://")
    address = _BUCKETS + rest if scheme.lower() == "gs" else url
    response = _receive(url, lambda: urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS))
    with response, path.open("wb") as file:
        expected = response.length
        _check_size(url, expected or 0, most)
        with tqdm(total=expected, desc=url, unit="B", unit_scale=True, disable=None) as bar:
            while chunk := _receive(url, lambda: response.read(_CHUNK)):
                _check_size(url, file.tell() + len(chunk), most)
                file.write(chunk)
                bar.update(len(chunk))
        if expected is not None and file.tell() != expected:
            raise DownloadError(
                f"{url}: download broke off after {file.tell()} of {expected} bytes"
            )


def _check_size(url: str, size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise UserError(f"{url}: it has {size} bytes or more; allowed are {most}")


def _receive(url: str, action: Callable[[], Any]) -> Any:
    """What `action` gives, its failure being the network's and not the disk's."""
    try:
        return action()
    except urllib.error.HTTPError as error:
        reason = f"{error.code} {error.reason}"
        error.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = str(getattr(error, "reason", None) or error)
    raise DownloadError(f"{url}: cannot be downloaded ({' '.join(reason.split())})")
