"""Fetch published files, and where they and everything else that can be made again are kept."""

import http.client
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpunet.io.atomic import INCOMPLETE
from hpunet.io.errors import UserError, reason
from hpunet.io.progress import Progress

_SCHEMES = ("https", "gs", "http")
_BUCKETS = "https://storage.googleapis.com/"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TIMEOUT_SECONDS = 60
_CHUNK = 1 << 20


class DownloadError(UserError):
    """What a user names cannot be had over the network."""


def cache_folder() -> Path:
    """The folder of all caches: `$HPUNET_CACHE`, `$XDG_CACHE_HOME/hpunet` or `~/.cache/hpunet`."""
    own = os.environ.get("HPUNET_CACHE")
    usual = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(own) if own else Path(usual, "hpunet")


def data_cache() -> Path:
    """Where prepared data sets are kept unless `data.prepared_dir` names another folder."""
    return cache_folder() / "data"


def is_url(source: str) -> bool:
    """Whether this names something on the network rather than a file."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


def file_name(url: str) -> str:
    """The last part of a URL's path."""
    path = url.partition("#")[0].partition("?")[0]
    return urllib.parse.unquote(path.rpartition("/")[2])


def download(url: str, path: Path, most: int | None = None, known_hash: str | None = None) -> None:
    """Fetches a file, with a progress bar on a terminal; it appears at `path` once it is complete.

    Args:
        url: `https://...`, or `gs://BUCKET/NAME`, which is read at its public address. `http://` is
            allowed for this machine alone (localhost, 127.0.0.1, ::1). A redirect may not leave the
            scheme.
        path: Where to write; its folder must exist.
        most: Bytes that are allowed; None allows any number.
        known_hash: SHA-256 that the file must have; None allows any.

    Raises:
        DownloadError: If the file cannot be reached, is not there, breaks off or has another hash.
        UserError: If the URL is not allowed or the file is too large.
        OSError: If the file cannot be written.
    """
    import pooch  # Slow to import, and seldom needed.

    _check_address(url, address := _address_of(url))
    fetch = _Downloader(url, most)
    logger = pooch.get_logger()
    level = logger.level
    with tempfile.TemporaryDirectory(prefix=INCOMPLETE, dir=path.parent.absolute()) as work:
        try:
            logger.setLevel("WARNING")
            pooch.retrieve(address, known_hash, path.name, work, downloader=fetch)
        except ValueError as error:
            if known_hash is None or isinstance(error, UserError):
                raise
            raise DownloadError(
                f"{url}: the file that came has another SHA-256 than {known_hash}"
            ) from error
        finally:
            logger.setLevel(level)
        Path(work, path.name).replace(path)


class _Downloader:
    """Fetches one file for pooch, within a number of bytes and with errors of one line.

    Pooch's own downloader has no limit, follows redirects to any scheme, and does not notice that
    an answer breaks off.
    """

    def __init__(self, url: str, most: int | None) -> None:
        self._url = url
        self._most = most

    def __call__(self, address: str, output_file: str, pooch: object) -> None:
        opener = urllib.request.build_opener(_SameScheme(self._url))
        response = self._receive(lambda: opener.open(address, timeout=_TIMEOUT_SECONDS))
        # Pooch makes a file that only its owner may read.
        os.unlink(output_file)
        with response, open(output_file, "xb") as file:
            expected = response.length
            self._check_size(expected or 0)
            with Progress(self._url, expected, "bytes", lines=False, scaled=True) as received:
                while chunk := self._receive(lambda: response.read(_CHUNK)):
                    self._check_size(file.tell() + len(chunk))
                    file.write(chunk)
                    received(len(chunk))
            if expected is not None and file.tell() != expected:
                raise DownloadError(
                    f"{self._url}: download broke off after {file.tell()} of {expected} bytes"
                )

    def _check_size(self, size: int) -> None:
        if self._most is not None and size > self._most:
            raise UserError(f"{self._url}: it has {size} bytes or more; allowed are {self._most}")

    def _receive(self, action: Callable[[], Any]) -> Any:
        """The value of `action`, any failure of which is the network's and not the disk's."""
        try:
            return action()
        except UserError:
            raise
        except urllib.error.HTTPError as error:
            text = f"{error.code} {error.reason}"
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            text = str(getattr(error, "reason", None) or reason(error))
        raise DownloadError(f"{self._url}: cannot be downloaded ({' '.join(text.split())})")


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses of the same scheme that could have been asked for."""

    def __init__(self, url: str) -> None:
        self._url = url

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        try:
            if urllib.parse.urlsplit(newurl).scheme != req.type:
                raise DownloadError(
                    f"{self._url}: redirects to {newurl}; allowed is another {req.type}:// address"
                )
            _check_address(self._url, newurl)
        except UserError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _address_of(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return _BUCKETS + rest if scheme.lower() == "gs" else url


def _check_address(url: str, address: str) -> None:
    try:
        parts = urllib.parse.urlsplit(address)
        host = parts.hostname
    except ValueError as error:
        raise UserError(f"{url}: no address of a file ({error})") from error
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise UserError(f"{url}: allowed are https:// and gs:// addresses")
