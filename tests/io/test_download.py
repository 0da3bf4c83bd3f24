"""Downloads within limits, and where caches are."""

import hashlib
import os
import subprocess
import sys

import pytest

from hpunet.io import download
from hpunet.io.download import DownloadError, cache_folder, data_cache, file_name, is_url
from hpunet.io.errors import UserError
from tests.weights import serving

CONTENTS = bytes(range(256)) * 10


@pytest.fixture
def server():
    with serving.serve() as server:
        server.contents["/file"] = CONTENTS
        yield server


def fetch(url, folder, **limits):
    download.download(url, folder / "got", **limits)
    return (folder / "got").read_bytes()


def refusal(url, folder, kind=UserError, **limits):
    with pytest.raises(kind) as caught:
        fetch(url, folder, **limits)
    assert list(folder.iterdir()) == []
    message = str(caught.value)
    assert message.startswith(f"{url}: ")
    assert "\n" not in message
    return message


def test_file_is_fetched_whole_and_replaces_another(server, tmp_path, capfd):
    (tmp_path / "got").write_bytes(b"old")
    assert fetch(f"{server.url}/file", tmp_path, most=len(CONTENTS)) == CONTENTS
    assert [path.name for path in tmp_path.iterdir()] == ["got"]
    assert capfd.readouterr() == ("", "")


def test_answer_without_a_length_is_fetched(server, tmp_path):
    server.promised = None
    assert fetch(f"{server.url}/file", tmp_path, most=len(CONTENTS)) == CONTENTS


def test_others_may_read_the_file(server, tmp_path):
    before = os.umask(0o022)
    try:
        fetch(f"{server.url}/file", tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "got").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("promised", [0, None])
def test_file_that_is_too_large_is_refused(server, tmp_path, promised):
    server.promised = promised
    message = refusal(f"{server.url}/file", tmp_path, most=len(CONTENTS) - 1)
    assert f"bytes or more; allowed are {len(CONTENTS) - 1}" in message


def test_file_is_compared_with_a_known_hash(server, tmp_path):
    right = hashlib.sha256(CONTENTS).hexdigest()
    assert fetch(f"{server.url}/file", tmp_path, known_hash=right) == CONTENTS
    (tmp_path / "got").unlink()
    wrong = "0" * 64
    message = refusal(f"{server.url}/file", tmp_path, DownloadError, known_hash=wrong)
    assert f"the SHA-256 of the file is not {wrong}" in message


@pytest.mark.parametrize(
    "url", ["http://example.com/file", "http://127.0.0.1.example.com/file", "http://[::2]/file"]
)
def test_http_is_refused_but_for_this_machine(tmp_path, url):
    assert "allowed are https:// and gs://" in refusal(url, tmp_path)


def test_redirect_within_the_scheme_is_followed(server, tmp_path):
    server.redirects["/old"] = f"{server.url}/file"
    assert fetch(f"{server.url}/old", tmp_path) == CONTENTS


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("https://127.0.0.1:1/file", "redirects to https://127.0.0.1:1/file; allowed is another"),
        ("ftp://127.0.0.1:1/file", "redirects to ftp://127.0.0.1:1/file; allowed is another"),
        ("http://example.com/file", "allowed are https://"),
        ("file:///etc/hostname", "302 Found"),
    ],
)
def test_redirect_elsewhere_is_refused(server, tmp_path, target, problem):
    server.redirects["/old"] = target
    assert problem in refusal(f"{server.url}/old", tmp_path)
    assert server.requests == ["/old"]


def test_full_disk_is_no_download_error(server, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download.os, "unlink", refuse)
    with pytest.raises(OSError, match="No space left"):
        fetch(f"{server.url}/file", tmp_path)


def test_file_that_cannot_be_written_is_named_without_a_temporary_name(server, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        fetch(f"{server.url}/file", tmp_path / "missing")
    assert error.value.filename == str(tmp_path / "missing" / "got")


def test_addresses_are_told_from_files():
    for url in ("https://a/b", "GS://bucket/name", "http://a"):
        assert is_url(url)
    for path in ("a/b", "/a:b", "ftp://a", "C://a"):
        assert not is_url(path)
    assert file_name("https://a/b%20c.tar.gz?x=1/2#d") == "b c.tar.gz"


def test_caches_are_where_the_environment_says(monkeypatch, tmp_path):
    for name in ("HPUNET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "hpunet"
    assert data_cache() == tmp_path / ".cache" / "hpunet" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "hpunet"
    monkeypatch.setenv("HPUNET_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert data_cache() == tmp_path / "own" / "data"


def test_importing_brings_no_jax_and_no_requests():
    check = (
        "import hpunet.io.download, hpunet.io.locks, sys\n"
        "sys.exit(bool({'jax', 'requests', 'pooch', 'numpy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
