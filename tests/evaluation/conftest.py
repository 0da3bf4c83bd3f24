"""The evaluate command, run in this process, and a run's folder for it."""

import functools
import shutil

import pytest

from hpunet import evaluate
from tests.evaluation import tiny_network
from tests.evaluation.folder_files import open_in


@pytest.fixture
def opened(tmp_path):
    return functools.partial(open_in, tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run's folder; its data are prepared at the first use."""
    folder = tmp_path_factory.mktemp("trained")
    return tiny_network.write_workdir(folder / "run", folder / "prepared")


@pytest.fixture
def workdir(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def evaluated(run_command):
    """Runs the command and gives exit code, stdout and stderr."""
    return functools.partial(run_command, evaluate)


@pytest.fixture
def refused(refusal_of):
    """Runs the command on a mistake and gives the one line that it prints."""
    return functools.partial(refusal_of, evaluate)
