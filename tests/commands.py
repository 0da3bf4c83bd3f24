"""The package's commands, run in this process or in one of their own."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from absl.testing import flagsaver

from hpunet.cli import command

ROOT = Path(__file__).parents[1]
# Guards against a process that hangs; how busy the machine is does not matter.
TIME_LIMIT = 900


class Done(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def run_here(module: ModuleType, *words: object, folder: Path | None = None) -> Done:
    """Runs a command's module in this process, which has all that it imports and compiles.

    Args:
        module: The command, such as `hpunet.train`.
        *words: What stands behind its name on the command line.
        folder: Where it runs; without one, where the tests do.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    saved = flagsaver.save_flag_values(module.FLAGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module.__name__, *map(str, words)])
        if folder is not None:
            patch.chdir(folder)
        with (
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            pytest.raises(SystemExit) as stopped,
        ):
            command.run(module.main)
    flagsaver.restore_flag_values(saved, module.FLAGS)
    return Done(stopped.value.code, stdout.getvalue(), stderr.getvalue())


def run_process(words: list[str], folder: Path = ROOT, **variables: str) -> Done:
    """Runs Python on these words in a process of its own, which finds this package.

    Args:
        words: A module or program, and what stands behind it.
        folder: Where it runs.
        **variables: Variables of its environment besides this process's; it has one device.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""} | variables
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT,
    )
    return Done(done.returncode, done.stdout, done.stderr)
