"""The folder of results appears whole or not at all."""

import signal
import subprocess
import sys

import pytest

from hpunet.errors import UserError
from hpunet.hypotheses.output import RESULTS, check_replaceable, whole_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_folder_appears_at_the_end(tmp_path):
    out = tmp_path / "new" / "out"
    with whole_folder(out) as part:
        (part / RESULTS).write_text("{}")
        assert not out.exists()
    assert names(out) == [RESULTS]
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


def test_error_keeps_the_results_that_were_to_be_replaced(tmp_path):
    old = tmp_path / "out"
    old.mkdir()
    (old / RESULTS).write_text("old")
    with pytest.raises(UserError), whole_folder(old):
        raise UserError("x")
    assert (old / RESULTS).read_text() == "old"
    with whole_folder(old) as part:
        (part / RESULTS).write_text("new")
    assert (old / RESULTS).read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_full_disk_is_one_line(tmp_path):
    with (
        pytest.raises(UserError, match=r"--out=.*: .*cannot be written: No space left"),
        whole_folder(tmp_path / "out"),
    ):
        raise OSError(28, "No space left on device", "some.png")


def test_what_a_killed_command_left_is_removed_by_the_next(tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from hpunet.hypotheses.output import whole_folder\n"
        "with whole_folder(Path(sys.argv[1])) as part:\n"
        "    (part / 'half').write_text(''); print('ready', flush=True); time.sleep(60)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, out], stdout=subprocess.PIPE, text=True)
    assert killed.stdout.readline() == "ready\n"
    with whole_folder(out) as part:
        # Another command at work is left alone.
        assert len(names(tmp_path)) == 2
        (part / RESULTS).write_text("{}")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert len(names(tmp_path)) == 2
    with whole_folder(out) as part:
        (part / RESULTS).write_text("{}")
    assert names(tmp_path) == ["out"]


def test_new_and_empty_folders_are_allowed(tmp_path):
    check_replaceable(tmp_path / "new", overwrite=False)
    check_replaceable(tmp_path, overwrite=False)


def test_results_are_replaced_only_on_request_and_other_files_never(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="holds other files; allowed is a new or an empty"):
            check_replaceable(tmp_path, overwrite)
    (tmp_path / RESULTS).write_text("{}")
    with pytest.raises(UserError, match="holds results already; --overwrite replaces them"):
        check_replaceable(tmp_path, overwrite=False)
    check_replaceable(tmp_path, overwrite=True)


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="it is no folder"):
        check_replaceable(tmp_path / "file", overwrite=True)
