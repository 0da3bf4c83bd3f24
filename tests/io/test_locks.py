"""One process at a time in a folder, and what killed ones leave there."""

import errno
import os
import signal
import subprocess
import sys
import threading

import filelock
import pytest

from hpunet.io.locks import clear_leftovers, exclusive

HOLD = """
import sys, time
from pathlib import Path
from hpunet.io.locks import exclusive
with exclusive(Path(sys.argv[1])) as alone:
    print(alone, flush=True)
    time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_threads_take_turns(tmp_path):
    inside, most = [], []

    def work():
        with exclusive(tmp_path / ".lock") as alone:
            inside.append(alone)
            most.append(len(inside))
            inside.remove(alone)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_lock_of_another_process_is_waited_for_and_ends_with_it(tmp_path):
    words = [sys.executable, "-c", HOLD, str(tmp_path / ".lock")]
    held = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert held.stdout.readline() == "True\n"
    got = threading.Event()

    def wait():
        with exclusive(tmp_path / ".lock"):
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.wait(0.2)
    held.send_signal(signal.SIGKILL)
    held.wait()
    held.stdout.close()
    thread.join(30)
    assert got.is_set()


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_work_goes_on_unlocked_where_the_file_system_knows_no_locks(tmp_path, monkeypatch, code):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with exclusive(tmp_path / ".lock") as alone:
        assert not alone
    assert names(tmp_path) == [".lock"]


def test_error_of_the_block_comes_through_and_frees_the_lock(tmp_path):
    with pytest.raises(OSError, match="of the block"), exclusive(tmp_path / ".lock"):
        raise OSError("of the block")
    with exclusive(tmp_path / ".lock") as alone:
        assert alone


def test_folder_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), exclusive(tmp_path / "none" / ".lock"):
        pass


def test_lock_is_the_one_that_earlier_versions_held(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(tmp_path / ".lock", timeout=0).acquire()


@pytest.mark.parametrize("alone", [False, True])
def test_unfinished_work_is_removed_if_it_is_nobody_elses(tmp_path, alone):
    for name in ("incomplete.old", "data.incomplete.1", "incomplete.new", "complete"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    for name in ("incomplete.old", "data.incomplete.1"):
        os.utime(tmp_path / name, (0, 0))
    clear_leftovers(tmp_path, alone)
    assert names(tmp_path) == (["complete"] if alone else ["complete", "incomplete.new"])
