"""Keeps compiled programs, so that the next command with the same network need not compile."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import jax

from hpunet.io.download import cache_folder

# A training step of the LIDC network takes 3 MB on a CPU.
MOST_BYTES = 1024**3
# JAX's default of one second leaves out dozens of small programs.
LEAST_SECONDS = 0.1
SUFFIX = "-cache"


def use() -> None:
    """Lets JAX keep compiled programs in `$HPUNET_CACHE/compiled`, else `~/.cache/hpunet/compiled`.

    JAX's own variables take precedence: `JAX_COMPILATION_CACHE_DIR` names another folder, which is
    left to JAX, and `JAX_ENABLE_COMPILATION_CACHE=false` keeps nothing. The name of a program
    contains the processor's features and the versions of JAX and XLA, so machines may share a
    folder. If the folder cannot be written, a line on stderr says so and nothing is kept.
    """
    # mypy does not know these attributes, which JAX makes when it is imported.
    settings: Any = jax.config
    chosen = settings.jax_compilation_cache_dir is not None
    if chosen or not settings.jax_enable_compilation_cache:
        return
    folder = cache_folder() / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        print(f"{folder}: cannot be written, so compiled programs are not kept", file=sys.stderr)
        return
    clear_oldest(folder, MOST_BYTES)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)


def clear_oldest(folder: Path, most_bytes: int) -> None:
    """Removes the least recently used programs until the others fit into `most_bytes`.

    JAX's own limit needs one more package and holds a lock. Here, no lock is needed: files that
    another process removes or writes at the same time do no harm.
    """
    used: list[tuple[float, int, Path]] = []
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            stat = path.stat()
            # Some file systems do not record when a file is read.
            used.append((max(stat.st_atime, stat.st_mtime), stat.st_size, path))
    kept = 0
    for _, size, path in sorted(used, reverse=True):
        kept += size
        if kept > most_bytes:
            with contextlib.suppress(OSError):
                path.unlink()
