import ctypes
import gc
import importlib
import os
import platform
import sys
import tempfile
from pathlib import Path

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
)
os.environ["JAX_PLATFORMS"] = "cpu"

GLIBC = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
if GLIBC is not None:
    # One heap for all threads, before any starts: those of XLA's compiler would each keep the
    # memory of what they compiled.
    M_ARENA_MAX = -8
    GLIBC.mallopt(M_ARENA_MAX, 1)

from jaxtyping import install_import_hook  # noqa: E402

# What a hooked module imports of others would be compiled anew, in each process and for nothing.
for name in ("grain.python", "haiku", "jax", "matplotlib.figure", "optax", "orbax.checkpoint"):
    importlib.import_module(name)
CHECKED = ("models", "objectives", "training", "data", "evaluation", "inference")
# Before anything of hpunet is imported: from here on every annotated shape and dtype is checked.
install_import_hook([f"hpunet.{package}" for package in CHECKED], "beartype.beartype")

import hypothesis  # noqa: E402
import jax  # noqa: E402
import pytest  # noqa: E402
from absl import flags  # noqa: E402
from absl.testing import flagsaver  # noqa: E402

from hpunet.cli import command  # noqa: E402
from hpunet.runtime import compilation_cache  # noqa: E402

# What the suite compiles takes a third of this.
MOST_COMPILED_BYTES = 1024**3
# Of a worker, between two tests.
MOST_RESIDENT_BYTES = 1.4 * 1024**3
# The files that take longest, first: whoever ends last has little left to wait for.
LONGEST = (
    "integration/test_parity.py",
    "integration/test_notebook.py",
    "integration/test_readme.py",
    "integration/test_resume.py",
    "training/test_loop.py",
    "test_own_images.py",
    "integration/test_hosts.py",
    "test_speed_experiment.py",
    "evaluation/test_evaluate.py",
    "models/test_sampling.py",
    "integration/test_devices.py",
    "data/test_pipeline.py",
    "training/test_step_precision.py",
)

# Small programs are the most, and reading one takes a fraction of compiling it.
COMPILATION_CACHE = {
    "persistent_cache_min_compile_time_secs": 0.0,
    "persistent_cache_min_entry_size_bytes": -1,
}

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# Grain reads absl's flags, which only a command parses.
flags.FLAGS.mark_as_parsed()

# How long drawing or testing an example takes says how busy the machine is, and nothing else.
UNHURRIED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("fast", max_examples=25, **UNHURRIED)
hypothesis.settings.register_profile("thorough", max_examples=1000, **UNHURRIED)
hypothesis.settings.load_profile("fast")


def pytest_configure(config):
    """Lets JAX keep what it compiles for the next run, and for the commands that tests start."""
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if folder is None and hasattr(config, "cache"):
        folder = config.cache.mkdir("jax")
        if not hasattr(config, "workerinput"):
            compilation_cache.clear_oldest(folder, MOST_COMPILED_BYTES)
    elif folder is None:
        # As with pytest's `-p no:cacheprovider`: for this run alone.
        temporary = tempfile.TemporaryDirectory(prefix="hpunet-tests-")
        config.add_cleanup(temporary.cleanup)
        folder = temporary.name
    settings = {"compilation_cache_dir": str(folder)} | COMPILATION_CACHE
    for name, value in settings.items():
        os.environ[f"JAX_{name.upper()}"] = str(value)
        jax.config.update(f"jax_{name}", value)


def pytest_collection_modifyitems(items):
    """Puts the files that take longest first; the order within a file stays."""
    tests = os.path.dirname(__file__)
    places = {os.path.join(tests, *name.split("/")): i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))


@pytest.fixture(autouse=True, scope="module")
def memory_of_a_module():
    """Gives back the programs that a module compiled: they would pile up to gigabytes."""
    yield
    free_memory()


@pytest.fixture(autouse=True)
def memory_of_a_worker():
    """Gives back compiled programs between the tests of a module once they take much memory."""
    yield
    if GLIBC is not None and resident_bytes() > MOST_RESIDENT_BYTES:
        free_memory()


@pytest.fixture
def memory_of_a_test():
    """Gives back what a test compiled, for modules whose tests share no programs."""
    yield
    free_memory()


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def free_memory():
    jax.clear_caches()
    gc.collect()
    if GLIBC is not None:
        GLIBC.malloc_trim(0)


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def compiled_programs():
    """One event for each program that the test compiles or reads from the cache."""
    events = []

    def note(event, seconds, **details):
        del seconds, details
        if "backend_compile" in event:
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    yield events
    jax.monitoring.unregister_event_duration_listener(note)


@pytest.fixture(scope="module")
def quick_compilation():
    """Halves what compiling a tiny network takes, which is most of what such a test takes."""
    jax.config.update("jax_disable_most_optimizations", True)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    del os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"]


@pytest.fixture(scope="module")
def coarse_figures():
    """Figures for print have a twentieth of their pixels, which take most of a test's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("hpunet.figures.saving"), "PRINT_RESOLUTION", 60)
        yield


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
