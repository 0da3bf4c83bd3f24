"""Files that appear whole or not at all, and what killed processes leave."""

import os
import socket
import subprocess
import sys

import pytest

from hpunet.io.atomic import is_running, written_whole

HOST = socket.gethostname()


@pytest.fixture
def dead():
    """The number of a process that no longer runs."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_once_it_is_whole(tmp_path):
    with written_whole(tmp_path / "file") as file:
        file.write(b"whole")
        assert not (tmp_path / "file").exists()
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_error_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_bytes(b"old")

    def write():
        with written_whole(tmp_path / "file") as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_two_processes_do_not_write_into_each_other(tmp_path, monkeypatch):
    with written_whole(tmp_path / "file") as ours:
        ours.write(b"our")
        ours.flush()
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: 1)
            with written_whole(tmp_path / "file") as theirs:
                theirs.write(b"theirs")
        assert (tmp_path / "file").read_bytes() == b"theirs"
        ours.write(b"s")
    assert (tmp_path / "file").read_bytes() == b"ours"
    assert names(tmp_path) == ["file"]


def test_what_dead_processes_of_this_host_left_is_removed(tmp_path, dead):
    kept = [f"file.elsewhere.{dead}.part", f"file.{HOST}.{os.getpid()}0.d", "file.part", "x.1.part"]
    kept += [f"other.{HOST}.{os.getppid()}.part"]
    for name in [*kept, f"file.{HOST}.{dead}.part", f"other.{HOST}.{dead}.part"]:
        (tmp_path / name).touch()
    with written_whole(tmp_path / "file"):
        pass
    assert names(tmp_path) == sorted([*kept, "file"])


def test_running_processes_are_told_from_dead_ones(dead):
    assert is_running(os.getpid())
    assert not is_running(dead)


@pytest.mark.parametrize("error", [PermissionError, OverflowError])
def test_process_that_may_not_be_asked_counts_as_running(monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(os, "kill", refuse)
    assert is_running(1)
