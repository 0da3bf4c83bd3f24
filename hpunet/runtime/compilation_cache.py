"""Caches compiled programs on disk for later commands with the same network."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import jax

from hpunet.io.download import cache_folder

# A training step of the LIDC network takes 3 MB on a CPU.
MOST_BYTES = 1024**3
# JAX's default of one second excludes dozens of small programs.
LEAST_SECONDS = 0.1
SUFFIX = "-cache"


def use() -> None:
    """Lets JAX cache compiled programs in the folder `compiled` of `cache_folder()`.

    JAX's own variables take precedence: `JAX_COMPILATION_CACHE_DIR` selects another folder, which
    JAX manages, and `JAX_ENABLE_COMPILATION_CACHE=false` disables the cache. The name of a cached
    program contains the processor's features and the versions of JAX and XLA, so several machines
    can share a folder. If the folder is not writable, the cache is disabled with a line on stderr.
    """
    # mypy does not know these attributes, which JAX creates at import.
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

    JAX's own limit requires another package and a lock. This function needs no lock: it tolerates
    files that another process removes or writes at the same time.

    Args:
        folder: Folder of the cache.
        most_bytes: Maximum total size in bytes.
    """
    used: list[tuple[float, int, Path]] = []
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            stat = path.stat()
            # Some file systems do not record access times.
            used.append((max(stat.st_atime, stat.st_mtime), stat.st_size, path))
    kept = 0
    for _, size, path in sorted(used, reverse=True):
        kept += size
        if kept > most_bytes:
            with contextlib.suppress(OSError):
                path.unlink()
