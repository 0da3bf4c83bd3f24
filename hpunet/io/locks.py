"""Locks on a folder that several processes share, on file systems that support locks."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from hpunet.io.atomic import INCOMPLETE, remove

# Without a lock, more recent unfinished work may belong to another process and is kept.
_STALE_SECONDS = 24 * 3600


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Waits for the lock `path` and holds it during the block.

    On a file system without locks the block runs unlocked, so it must be harmless if another
    process does the same work at the same time.

    Args:
        path: The lock file; created if missing, and never removed.

    Yields:
        Whether the lock is held.

    Raises:
        OSError: If the file cannot be created or opened.
    """
    path.open("a").close()
    # A soft lock of a killed process on another host would never be released.
    lock = FileLock(path, fallback_to_soft=False)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock)
        except (OSError, NotImplementedError):
            locked = False
        else:
            locked = True
        yield locked


def clear_leftovers(folder: Path, alone: bool) -> None:
    """Removes the unfinished work of killed processes from `folder`.

    Args:
        folder: The folder in which `*incomplete.*` is removed.
        alone: Whether a lock is held, so that all unfinished work is that of killed processes.
            Otherwise work that changed within the last day is kept.
    """
    for leftover in folder.glob(f"*{INCOMPLETE}*"):
        with contextlib.suppress(FileNotFoundError):
            if alone or time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                remove(leftover)
