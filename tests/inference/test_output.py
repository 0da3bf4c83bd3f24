"""The folder of results appears whole or not at all."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from hpunet.inference.output import FORMAT, PAGE, RESULTS, check_replaceable, whole_folder
from hpunet.io.errors import UserError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_folder_appears_at_the_end(tmp_path):
    out = tmp_path / "new" / "out"
    with whole_folder(out, overwrite=False) as part:
        (part / RESULTS).write_text("{}")
        assert not out.exists()
    assert names(out) == [RESULTS]
    assert names(out.parent) == ["out"]


@pytest.mark.parametrize("error", [UserError("x"), KeyboardInterrupt(), ValueError("x")])
def test_any_error_leaves_nothing(tmp_path, error):
    def fail():
        with whole_folder(tmp_path / "out", overwrite=False) as part:
            (part / "file").write_text("")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == []


def write_results(folder, text=""):
    """What a command leaves: results of one image."""
    (folder / "a").mkdir(parents=True, exist_ok=True)
    (folder / "a" / "mean.png").write_text(text)
    (folder / PAGE).write_text(text)
    content = {"format": FORMAT, "images": [{"files": ["a/mean.png"]}]}
    (folder / RESULTS).write_text(json.dumps(content))


def test_error_keeps_the_results_that_were_to_be_replaced(tmp_path):
    old = tmp_path / "out"
    write_results(old, "old")
    with pytest.raises(UserError), whole_folder(old, overwrite=True):
        raise UserError("x")
    assert (old / PAGE).read_text() == "old"
    with whole_folder(old, overwrite=True) as part:
        write_results(part, "new")
    assert (old / PAGE).read_text() == "new"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_has_come_to_lie_there_meanwhile_is_kept_and_so_is_what_was_drawn(tmp_path, overwrite):
    out = tmp_path / "out"

    def draw():
        with whole_folder(out, overwrite) as part:
            write_results(part, "drawn")
            out.mkdir()
            (out / "thesis.tex").write_text("")

    with pytest.raises(
        UserError, match=r"other files, such as thesis\.tex.*is kept in (.*)"
    ) as error:
        draw()
    kept = tmp_path / str(error.value).rpartition("/")[2]
    assert (kept / PAGE).read_text() == "drawn"
    assert names(out) == ["thesis.tex"]
    assert names(tmp_path) == sorted(["out", kept.name])


def test_results_whose_replacement_was_killed_half_way_come_back(tmp_path):
    out = tmp_path / "out"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write_results(tmp_path / f".out.incomplete.{socket.gethostname()}.{dead.pid}.old", "old")
    with pytest.raises(UserError), whole_folder(out, overwrite=True):
        raise UserError("x")
    assert (out / PAGE).read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_full_disk_is_one_line(tmp_path):
    with (
        pytest.raises(UserError, match=r"--out=.*: .*cannot be written: No space left"),
        whole_folder(tmp_path / "out", overwrite=False),
    ):
        raise OSError(28, "No space left on device", "some.png")


def test_what_a_killed_command_left_is_removed_by_the_next(tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from hpunet.inference.output import whole_folder\n"
        "with whole_folder(Path(sys.argv[1]), overwrite=False) as part:\n"
        "    (part / 'half').write_text(''); print('ready', flush=True); time.sleep(60)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, out], stdout=subprocess.PIPE, text=True)
    assert killed.stdout.readline() == "ready\n"
    with whole_folder(out, overwrite=False) as part:
        # Another command at work is left alone.
        assert len(names(tmp_path)) == 2
        write_results(part)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert len(names(tmp_path)) == 2
    with whole_folder(out, overwrite=True) as part:
        write_results(part)
    assert names(tmp_path) == ["out"]


def test_new_and_empty_folders_are_allowed(tmp_path):
    check_replaceable(tmp_path / "new", overwrite=False)
    check_replaceable(tmp_path, overwrite=False)


def test_results_are_replaced_only_on_request(tmp_path):
    write_results(tmp_path)
    with pytest.raises(UserError, match="holds results already; --overwrite replaces them"):
        check_replaceable(tmp_path, overwrite=False)
    check_replaceable(tmp_path, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("results", [None, "{}", "[]", "no JSON", '{"format": "other"}', "own"])
def test_other_files_are_never_replaced(tmp_path, overwrite, results):
    if results == "own":
        write_results(tmp_path)
        (tmp_path / "a" / "thesis.tex").write_text("")
    elif results is not None:
        (tmp_path / RESULTS).write_text(results)
    (tmp_path / "z.tex").write_text("")
    with pytest.raises(
        UserError, match=r"holds other files, such as .*; allowed is a new or an em"
    ):
        check_replaceable(tmp_path, overwrite)


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="it is no folder"):
        check_replaceable(tmp_path / "file", overwrite=True)
