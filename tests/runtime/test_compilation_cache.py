"""What commands compile is kept for the next one, in a bounded folder."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from hpunet.runtime import compilation_cache
from tests.commands import TIME_LIMIT

# Quick to compile; how long it takes must not matter.
PROGRAM = """
import jax, numpy as np
from hpunet.runtime import compilation_cache
compilation_cache.LEAST_SECONDS = 0.0
compilation_cache.use()
print(jax.pmap(lambda x: (x + 1, x.sum()), donate_argnums=0)(np.ones((1, 3)))[1])
"""


def run(**environment):
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_", "HPUNET"))
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        env={**inherited, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=True,
    )


def programs(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*-cache")}


def test_second_process_compiles_nothing_anew(tmp_path):
    first = run(HPUNET_CACHE=str(tmp_path))
    kept = programs(tmp_path / "compiled")
    assert kept
    second = run(HPUNET_CACHE=str(tmp_path), JAX_LOG_COMPILES="1", JAX_EXPLAIN_CACHE_MISSES="1")
    assert programs(tmp_path / "compiled") == kept
    assert second.stdout == first.stdout
    assert first.stderr == ""
    assert "Persistent compilation cache hit" in second.stderr
    assert "PERSISTENT COMPILATION CACHE MISS" not in second.stderr


@pytest.mark.parametrize(
    "variable", [{"JAX_ENABLE_COMPILATION_CACHE": "false"}, {"JAX_COMPILATION_CACHE_DIR": ""}]
)
def test_jax_variables_turn_it_off(tmp_path, variable):
    run(HPUNET_CACHE=str(tmp_path), **variable)
    assert list(tmp_path.iterdir()) == []


def test_jax_variable_names_another_folder(tmp_path):
    run(HPUNET_CACHE=str(tmp_path / "own"), JAX_COMPILATION_CACHE_DIR=str(tmp_path / "other"))
    assert not (tmp_path / "own").exists()


def test_folder_that_cannot_be_made_costs_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    done = run(HPUNET_CACHE=str(tmp_path / "file"))
    assert done.stdout
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / "file" / "compiled") in done.stderr


def test_program_that_was_cut_short_is_compiled_anew(tmp_path):
    first = run(HPUNET_CACHE=str(tmp_path))
    kept = list((tmp_path / "compiled").glob("*-cache"))
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:100])
    assert run(HPUNET_CACHE=str(tmp_path)).stdout == first.stdout


def test_programs_unused_for_longest_make_room(tmp_path):
    for number in range(5):
        path = tmp_path / f"{number}-cache"
        path.write_bytes(bytes(10))
        os.utime(path, (number, 0))
    os.utime(tmp_path / "0-cache", (9, 0))
    (tmp_path / "other").write_bytes(bytes(1000))
    compilation_cache.clear_oldest(tmp_path, 30)
    assert {p.name for p in tmp_path.iterdir()} == {"0-cache", "3-cache", "4-cache", "other"}


def test_tests_leave_the_users_cache_alone():
    before = jax.config.jax_compilation_cache_dir
    compilation_cache.use()
    assert jax.config.jax_compilation_cache_dir == before
