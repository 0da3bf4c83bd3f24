"""Files and folders that appear complete or not at all, and what killed processes leave."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from hpunet.io import atomic
from hpunet.io.atomic import (
    check_writable,
    is_running,
    remove,
    whole_folder,
    write_json,
    write_whole,
    written_whole,
)
from hpunet.io.errors import UserError, writing_to

HOST = socket.gethostname()


@pytest.fixture
def dead():
    """The number of a process that no longer runs."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Files.


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


def test_two_threads_do_not_write_into_each_other(tmp_path):
    with written_whole(tmp_path / "file") as ours:
        ours.write(b"ours")
        thread = threading.Thread(target=write_whole, args=(tmp_path / "file", b"theirs"))
        thread.start()
        thread.join()
        assert (tmp_path / "file").read_bytes() == b"theirs"
    assert (tmp_path / "file").read_bytes() == b"ours"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127])
def test_longest_names_can_be_written(tmp_path, name):
    write_whole(tmp_path / name, b"file")
    (tmp_path / name).unlink()
    with whole_folder(tmp_path / name):
        pass
    assert names(tmp_path) == [name]


def test_what_dead_processes_of_this_host_left_is_removed(tmp_path, dead):
    kept = [f"file.elsewhere.{dead}.part", f"file.{HOST}.{os.getpid()}0.d", "file.part", "x.1.part"]
    kept += [f"other.{HOST}.{os.getppid()}.part"]
    left = [f"file.{HOST}.{dead}.part", f"other.123.{HOST}.{dead}.part"]
    for name in [*kept, *left]:
        (tmp_path / name).touch()
    with written_whole(tmp_path / "file"):
        pass
    assert names(tmp_path) == sorted([*kept, "file"])


def test_error_names_the_file_and_not_its_temporary_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_whole(tmp_path / "missing" / "file", b"")
    assert error.value.filename == str(tmp_path / "missing" / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory") as error:
        write_whole(tmp_path / "folder", b"")
    assert (error.value.filename, error.value.filename2) == (str(tmp_path / "folder"), None)
    assert names(tmp_path) == ["folder"]


def test_file_may_be_read_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_json_is_indented_and_ends_its_last_line(tmp_path):
    write_json(tmp_path / "file.json", {"a": [1, None]})
    text = (tmp_path / "file.json").read_text()
    assert json.loads(text) == {"a": [1, None]}
    assert text.startswith('{\n  "a"')
    assert text.endswith("}\n")


# Folders.


def test_folder_appears_at_the_end(tmp_path):
    out = tmp_path / "new" / "out"
    with whole_folder(out) as part:
        (part / "file").write_text("")
        assert not out.exists()
    assert names(out) == ["file"]
    assert names(out.parent) == ["out"]


@pytest.mark.parametrize("error", [UserError("x"), KeyboardInterrupt(), ValueError("x")])
def test_any_error_leaves_nothing(tmp_path, error):
    def fail():
        with whole_folder(tmp_path / "out") as part:
            (part / "file").write_text("")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == []


def fill(folder, text=""):
    (folder / "a").mkdir(parents=True, exist_ok=True)
    (folder / "a" / "file").write_text(text)


def test_error_keeps_the_folder_that_was_to_be_replaced(tmp_path):
    old = tmp_path / "out"
    fill(old, "old")
    with pytest.raises(UserError), whole_folder(old):
        raise UserError("x")
    assert (old / "a" / "file").read_text() == "old"
    with whole_folder(old) as part:
        fill(part, "new")
    assert (old / "a" / "file").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_folder_that_may_not_be_replaced_stays_and_the_new_one_is_kept_beside(tmp_path):
    out = tmp_path / "out"
    fill(out, "old")

    def refuse():
        raise UserError("other files")

    with pytest.raises(UserError, match=r"^other files; the new results are kept in ") as error:
        write_folder(out, refuse)
    kept = tmp_path / str(error.value).rpartition("/")[2]
    assert (kept / "a" / "file").read_text() == "new"
    assert (out / "a" / "file").read_text() == "old"
    assert names(tmp_path) == sorted(["out", kept.name])


def write_folder(out, check):
    with whole_folder(out, check) as part:
        fill(part, "new")


def test_folder_whose_replacement_was_killed_half_way_is_restored(tmp_path, dead):
    out = tmp_path / "out"
    fill(tmp_path / f".out.incomplete.{HOST}.{dead}.old", "old")
    with pytest.raises(UserError), whole_folder(out):
        raise UserError("x")
    assert (out / "a" / "file").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_full_disk_is_one_line(tmp_path):
    with (
        pytest.raises(UserError, match=r"out: cannot be written: the disk is full$"),
        whole_folder(tmp_path / "out"),
    ):
        raise OSError(28, "No space left on device", "some.png")


def test_file_that_cannot_be_written_is_named(tmp_path):
    with (
        pytest.raises(UserError, match=rf"^{tmp_path}/out/a\.png: cannot be written: Permission"),
        writing_to(tmp_path / "out"),
    ):
        raise OSError(13, "Permission denied", str(tmp_path / "out" / "a.png"))


def test_a_temporary_file_is_not_named(tmp_path):
    with (
        pytest.raises(UserError, match=r"/out: cannot be written: Permission denied$"),
        whole_folder(tmp_path / "out") as part,
    ):
        raise OSError(13, "Permission denied", str(part / "a.png"))


def test_what_a_killed_command_left_is_removed_by_the_next(tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from hpunet.io.atomic import whole_folder\n"
        "with whole_folder(Path(sys.argv[1])) as part:\n"
        "    (part / 'half').write_text(''); print('ready', flush=True); time.sleep(60)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, out], stdout=subprocess.PIPE, text=True)
    assert killed.stdout.readline() == "ready\n"
    with whole_folder(out) as part:
        # Another command at work is left alone.
        assert len(names(tmp_path)) == 2
        fill(part)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert len(names(tmp_path)) == 2
    with whole_folder(out) as part:
        fill(part)
    assert names(tmp_path) == ["out"]


def test_folder_that_is_or_can_be_made_is_writable(tmp_path):
    check_writable(tmp_path, "--out")
    check_writable(tmp_path / "a" / "b", "--out")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_folder_that_cannot_be_written_is_refused_with_its_flag(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^--out=[^\n]*$"):
        check_writable(tmp_path / name, "--out")


def test_link_is_removed_and_not_its_target(tmp_path):
    fill(tmp_path / "target")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("link", "target/a/file", "none"):
        remove(tmp_path / name)
    assert names(tmp_path) == ["target"]
    remove(tmp_path / "target")
    assert names(tmp_path) == []


# Processes.


def test_running_processes_are_told_from_dead_ones(dead):
    assert is_running(os.getpid())
    assert not is_running(dead)


@pytest.mark.parametrize("error", [PermissionError, OverflowError])
def test_process_that_may_not_be_asked_counts_as_running(monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(atomic.os, "kill", refuse)
    assert is_running(1)
