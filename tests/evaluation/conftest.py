"""The evaluate command, run in this process, and a run's folder for it."""

import shutil
import sys

import pytest
from absl.testing import flagsaver

from hpunet import command, evaluate
from tests.evaluation import judging


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run's folder; its data are prepared at the first use."""
    folder = tmp_path_factory.mktemp("trained")
    return judging.write_workdir(folder / "run", folder / "prepared")


@pytest.fixture
def workdir(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def evaluated(monkeypatch, capsys):
    """Runs the command and gives exit code, stdout and stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["hpunet.evaluate", *map(str, words)])
        saved = flagsaver.save_flag_values(evaluate.FLAGS)
        with pytest.raises(SystemExit) as stopped:
            command.run(evaluate.main)
        flagsaver.restore_flag_values(saved, evaluate.FLAGS)
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


@pytest.fixture
def refused(evaluated):
    """Runs the command on a mistake and gives the one line that it prints."""

    def run(*words):
        code, out, err = evaluated(*words)
        assert code == command.USER_ERROR
        assert out == ""
        assert len(err.splitlines()) == 1, err
        return err

    return run
