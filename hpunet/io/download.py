"""Downloads of published files, and the folders of caches."""

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
    """A file cannot be downloaded."""


def cache_folder() -> Path:
    """The folder of all caches: `$HPUNET_CACHE`, `$XDG_CACHE_HOME/hpunet` or `~/.cache/hpunet`."""
    own = os.environ.get("HPUNET_CACHE")
    usual = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(own) if own else Path(usual, "hpunet")


def data_cache() -> Path:
    """The folder of prepared data sets, unless `data.prepared_dir` names another."""
    return cache_folder() / "data"


def is_url(source: str) -> bool:
    """Whether a text is a URL rather than the path of a file."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


def file_name(url: str) -> str:
    """The last part of a URL's path."""
    path = url.partition("#")[0].partition("?")[0]
    return urllib.parse.unquote(path.rpartition("/")[2])


def download(url: str, path: Path, most: int | None = None, known_hash: str | None = None) -> None:
    """Downloads a file atomically, with a progress bar on a terminal.

    Args:
        url: `https://...`, or `gs://BUCKET/NAME`, which is read at its public address. `http://` is
            allowed for this machine only (localhost, 127.0.0.1, ::1). A redirect must keep the
            scheme.
        path: The file to write; its folder must exist.
        most: Largest allowed size in bytes; None allows any.
        known_hash: Required SHA-256 of the file; None allows any.

    Raises:
        DownloadError: If the download fails or is incomplete, or the file has another hash.
        UserError: If the URL is not allowed or the file is too large.
        OSError: If the file cannot be written. It names `path`, never a temporary file.
    """
    import pooch  # Slow to import and rarely needed.

    _check_address(url, address := _address_of(url))
    fetch = _Downloader(url, most)
    logger = pooch.get_logger()
    level = logger.level
    try:
        logger.setLevel("WARNING")
        with tempfile.TemporaryDirectory(prefix=INCOMPLETE, dir=path.parent.absolute()) as work:
            pooch.retrieve(address, known_hash, path.name, work, downloader=fetch)
            Path(work, path.name).replace(path)
    except ValueError as error:
        if known_hash is None or isinstance(error, UserError):
            raise
        raise DownloadError(f"{url}: the SHA-256 of the file is not {known_hash}") from error
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        logger.setLevel(level)


class _Downloader:
    """Downloads one file for pooch, with a size limit and errors of one line.

    Pooch's own downloader has no limit, follows redirects to any scheme, and does not detect
    incomplete responses.
    """

    def __init__(self, url: str, most: int | None) -> None:
        self._url = url
        self._most = most

    def __call__(self, address: str, output_file: str, pooch: object) -> None:
        opener = urllib.request.build_opener(_SameScheme(self._url))
        response = self._receive(lambda: opener.open(address, timeout=_TIMEOUT_SECONDS))
        # Pooch creates a file that only its owner can read.
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
                    f"{self._url}: the download ended after {file.tell()} of {expected} bytes"
                )

    def _check_size(self, size: int) -> None:
        if self._most is not None and size > self._most:
            raise UserError(f"{self._url}: has {size} bytes or more; allowed are {self._most}")

    def _receive(self, action: Callable[[], Any]) -> Any:
        """Returns the value of `action`; reports its failures as those of the network."""
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
    """Follows redirects only to allowed addresses of the same scheme."""

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
        raise UserError(f"{url}: not a valid address ({error})") from error
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise UserError(f"{url}: allowed are https:// and gs:// addresses")
