"""Memory that a command frees stays with its process."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from hpunet.runtime import memory
from tests.commands import TIME_LIMIT

# One of the blocks is touched before counting, as the first step of training does.
PROGRAM = """
import resource, sys
import numpy as np
from hpunet.runtime import memory

if sys.argv[1] == "kept":
    memory.keep_freed()

def fill():
    np.empty(2**26, np.uint8).fill(1)

fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
# Python's own small objects may touch a new page now and then; a block has 32 huge ones at least.
FEW_FAULTS = 16


def faults(how):
    words = [sys.executable, "-c", PROGRAM, how]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        words, cwd=root, capture_output=True, text=True, timeout=TIME_LIMIT, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is told so")
def test_blocks_freed_and_taken_again_cost_page_faults_only_without_it():
    assert faults("kept") < FEW_FAULTS
    assert faults("as usual") > FEW_FAULTS


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch, system):
    monkeypatch.setattr(memory.sys, "platform", system)
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    memory.keep_freed()


def test_other_c_library_is_left_alone(monkeypatch):
    class Musl:
        """Has no function of glibc's."""

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: Musl())
    memory.keep_freed()
