import atexit
import os
import shutil
import sys
import tempfile

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
)
os.environ["JAX_PLATFORMS"] = "cpu"

from jaxtyping import install_import_hook

# Before anything of hpunet is imported: from here on every annotated shape and dtype is checked.
install_import_hook(
    ["hpunet.models", "hpunet.objectives", "hpunet.training", "hpunet.data", "hpunet.evaluation"],
    "beartype.beartype",
)

import jax  # noqa: E402
import pytest  # noqa: E402
from absl import flags  # noqa: E402
from absl.testing import flagsaver  # noqa: E402

from hpunet.cli import command  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# Grain reads absl's flags, which only a command parses.
flags.FLAGS.mark_as_parsed()

# Many tests compile the same tiny programs; commands started by tests find them here, too.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="hpunet-tests-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(scope="module")
def quick_compilation():
    """Halves what compiling a tiny network takes, which is most of what such a test takes."""
    jax.config.update("jax_disable_most_optimizations", True)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    del os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"]


@pytest.fixture
def run_command(monkeypatch, capsys):
    """Runs a command's module in this process and gives exit code, stdout and stderr."""

    def run(module, *words):
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, words)])
        saved = flagsaver.save_flag_values(module.FLAGS)
        with pytest.raises(SystemExit) as stopped:
            command.run(module.main)
        flagsaver.restore_flag_values(saved, module.FLAGS)
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


@pytest.fixture
def refusal_of(run_command):
    """Runs a command's module on mistaken words and gives the one line that it prints."""

    def run(module, *words):
        code, out, err = run_command(module, *words)
        assert code == command.USER_ERROR
        assert out == ""
        assert len(err.splitlines()) == 1, err
        return err

    return run
