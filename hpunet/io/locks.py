"""Work on a folder that several processes may share: one at a time, where locks are known."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from hpunet.io.atomic import INCOMPLETE, remove

# Without a lock, unfinished work this recent may be another process's and is left alone.
_STALE_SECONDS = 24 * 3600


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Waits for the lock `path` and holds it during the block.

    Some file systems know no locks. The block then runs unlocked, so it must do no harm if another
    process does the same work at the same time.

    Args:
        path: A file that is made if missing and stays.

    Yields:
        Whether the lock is held.

    Raises:
        OSError: If the file cannot be made or opened.
    """
    path.open("a").close()
    # A soft lock would stay for good if another host's process were killed.
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
        folder: Where `*incomplete.*` is removed.
        alone: Whether a lock is held, so that no unfinished work can be another process's current
            one. Otherwise what changed within the last day stays.
    """
    for leftover in folder.glob(f"*{INCOMPLETE}*"):
        with contextlib.suppress(FileNotFoundError):
            if alone or time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                remove(leftover)
