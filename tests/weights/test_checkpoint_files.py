"""A checkpoint is found wherever it lies, and what is none is refused in one line."""

import contextlib
import gzip
import hashlib
import tarfile

import pytest

from hpunet.io import download
from hpunet.io.errors import UserError
from hpunet.weights.tensorflow import checkpoint_files
from hpunet.weights.tensorflow.checkpoint_files import open_files
from tests.weights import serving
from tests.weights.serving import FILES, GOLDEN, NAME, tar, tar_gz

INDEX = f"checkpoint/{NAME}.index"
DATA = f"checkpoint/{NAME}.data-00000-of-00001"


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def server():
    with serving.serve() as server:
        yield server


def files_beside(prefix):
    return {p.name: p.read_bytes() for p in prefix.parent.iterdir() if p.name.startswith(NAME)}


CHECKPOINT = files_beside(GOLDEN / NAME)


def refusal(source, work):
    with pytest.raises(UserError) as caught, open_files(source, work):
        pass
    assert list(work.iterdir()) == []
    message = str(caught.value)
    assert message.startswith(str(source))
    assert "\n" not in message
    return message


def archive(tmp_path, contents, name="checkpoint.tar.gz"):
    path = tmp_path / name
    path.write_bytes(contents)
    return path


def member(name, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "target"
    return info


# What is taken.


@pytest.mark.parametrize("place", [NAME, f"{NAME}.index", f"{NAME}.data-00000-of-00001", ""])
def test_prefix_file_or_folder_is_opened_where_it_lies(place, work):
    with open_files(GOLDEN / place, work) as opened:
        assert opened.prefix == GOLDEN / NAME
        assert opened.label == NAME
    contents = FILES[INDEX] + FILES[DATA]
    assert opened.sha256 == hashlib.sha256(contents).hexdigest()


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("checkpoint.tar.gz", tar_gz()),
        ("checkpoint.TGZ", tar_gz()),
        ("checkpoint.tar", tar(FILES)),
        # Some programs unpack what they download and keep the name.
        ("unpacked.tar.gz", tar(FILES)),
        ("flat.tar", tar({name.rpartition("/")[2]: data for name, data in FILES.items()})),
        ("shadows.tar", tar({**FILES, f"checkpoint/._{NAME}.index": b"shadow"})),
        ("dots.tar", tar({f"./{name}": data for name, data in FILES.items()})),
    ],
)
def test_archive_is_unpacked_and_removed_afterwards(tmp_path, work, name, contents):
    path = archive(tmp_path, contents, name)
    with open_files(str(path), work) as opened:
        assert files_beside(opened.prefix) == CHECKPOINT
    assert opened.label == name
    assert opened.sha256 == hashlib.sha256(contents).hexdigest()
    assert list(work.iterdir()) == []


def test_archive_is_fetched_and_removed_afterwards(server, work):
    server.contents["/a/checkpoint.tar.gz"] = tar_gz()
    url = f"{server.url}/a/checkpoint.tar.gz"
    with open_files(url, work) as opened:
        assert files_beside(opened.prefix) == CHECKPOINT
    assert opened.label == url
    assert opened.sha256 == hashlib.sha256(tar_gz()).hexdigest()
    assert list(work.iterdir()) == []


def test_bucket_is_read_at_its_public_address(server, work, monkeypatch):
    monkeypatch.setattr(download, "_BUCKETS", f"{server.url}/")
    server.contents["/bucket/checkpoint.tar.gz"] = tar_gz()
    with open_files("gs://bucket/checkpoint.tar.gz", work) as opened:
        assert opened.label == "gs://bucket/checkpoint.tar.gz"


def test_error_of_whoever_uses_the_files_comes_through_and_nothing_stays(tmp_path, work):
    path = archive(tmp_path, tar_gz())
    with pytest.raises(OSError, match="of the caller"), open_files(path, work):
        raise OSError("of the caller")
    assert list(work.iterdir()) == []


# What is refused.


def test_address_that_is_not_there_is_refused(server, work):
    assert "404 Not Found" in refusal(f"{server.url}/checkpoint.tar.gz", work)


def test_server_that_cannot_be_reached_is_refused(server, work):
    # Nobody listens at the lowest port.
    assert "cannot be downloaded (" in refusal("http://127.0.0.1:1/checkpoint.tar.gz", work)


@pytest.mark.parametrize("url", ["http:///checkpoint.tar.gz", "http://[/checkpoint.tar.gz"])
def test_address_that_is_none_is_refused(url, work):
    refusal(url, work)


def test_download_that_breaks_off_is_refused_with_both_lengths(server, work):
    server.contents["/checkpoint.tar.gz"] = tar_gz()
    server.promised = 7
    message = refusal(f"{server.url}/checkpoint.tar.gz", work)
    length = len(tar_gz())
    assert f"ended after {length} of {length + 7} bytes" in message


@pytest.mark.parametrize("promised", [0, -1])
def test_download_that_is_too_large_is_refused(server, work, monkeypatch, promised):
    monkeypatch.setattr(checkpoint_files, "_MOST_BYTES", len(tar_gz()) - 1 + promised)
    server.contents["/checkpoint.tar.gz"] = tar_gz()
    assert "bytes or more; allowed are" in refusal(f"{server.url}/checkpoint.tar.gz", work)


def test_address_of_no_archive_is_refused_before_it_is_fetched(server, work):
    assert "allowed are archives" in refusal(f"{server.url}/{NAME}.index", work)
    assert server.requests == []


@pytest.mark.parametrize("name", ["none.tar.gz", "none", "none.ckpt.index"])
def test_file_that_is_not_there_is_refused(tmp_path, work, name):
    refusal(tmp_path / name, work)


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (b"", "corrupt"),
        (b"These are no weights. " * 100, "corrupt"),
        (gzip.compress(b"These are no weights. " * 100), "corrupt"),
        (tar_gz()[: len(tar_gz()) // 2], "cut short"),
        (tar_gz()[:-4], "cut short"),
        (tar_gz()[:-8] + b"\0" * 8, "corrupt"),
        (tar(FILES)[: len(tar(FILES)) // 2], "cut short"),
    ],
    ids=["empty", "text", "gzipped text", "half", "no length", "wrong checksum", "half a tar"],
)
def test_broken_archive_is_refused(tmp_path, work, contents, problem):
    path = archive(tmp_path, contents)
    assert f"the archive is {problem}" in refusal(path, work)


def test_flipped_byte_anywhere_is_refused_or_harmless(tmp_path, work):
    contents = tar_gz()
    for place in range(0, len(contents), len(contents) // 50):
        broken = bytearray(contents)
        broken[place] ^= 0x55
        path = archive(tmp_path, bytes(broken))
        with contextlib.suppress(UserError), open_files(path, work) as opened:
            assert files_beside(opened.prefix) == CHECKPOINT
        assert list(work.iterdir()) == []


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "absolute"])
def test_member_that_leads_outside_is_refused(tmp_path, work, name):
    name = name.replace("absolute", f"{tmp_path}/outside")
    path = archive(tmp_path, tar({**FILES, name: b"outside"}))
    assert "leads outside" in refusal(path, work)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_member_that_is_no_file_is_refused(tmp_path, work, kind):
    path = archive(tmp_path, tar(FILES, member("other", kind)))
    assert "'other' is neither a file nor a folder" in refusal(path, work)


@pytest.mark.parametrize("name", ["a", "a/b", "n" * 300])
def test_member_that_cannot_be_written_is_refused(tmp_path, work, name):
    path = archive(tmp_path, tar({"a/b": b"", **FILES}, member(name)))
    assert "cannot be unpacked" in refusal(path, work)


def test_archive_that_grows_without_bound_is_refused(tmp_path, work, monkeypatch):
    path = archive(tmp_path, tar_gz())
    monkeypatch.setattr(checkpoint_files, "_MOST_BYTES", 1000)
    assert "which no checkpoint does" in refusal(path, work)
    monkeypatch.undo()
    monkeypatch.setattr(checkpoint_files, "_MOST_MEMBERS", 2)
    assert "more than 2 files" in refusal(path, work)


def test_archive_without_checkpoint_is_refused(tmp_path, work):
    path = archive(tmp_path, tar({"README": b"none", DATA: b"data"}))
    assert "hold one TensorFlow checkpoint" in refusal(path, work)
    assert "found: none" in refusal(path, work)


def test_archive_of_several_checkpoints_is_refused_with_their_names(tmp_path, work):
    path = archive(tmp_path, tar({**FILES, "second/model.index": b"index"}))
    assert f"found: {INDEX}, second/model.index" in refusal(path, work)
