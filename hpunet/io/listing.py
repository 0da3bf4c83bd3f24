"""Listing of folders: the order of names, the entries to skip, and unreadable folders."""

import re
from typing import NoReturn

from hpunet.io.errors import UserError, reason

# Created by operating systems.
STRAY_NAMES = {"Thumbs.db", "desktop.ini", "__MACOSX"}


def natural_key(name: str) -> list[tuple[int, str]]:
    """A sort key that places a2 before a10."""
    words = re.split(r"(\d+)", name)
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def is_stray(name: str) -> bool:
    """Whether a file or folder is hidden or created by an operating system, judged by its name.

    Every search of a folder for images or masks skips such files and folders.
    """
    return name.startswith(".") or name in STRAY_NAMES


def refuse_unreadable(error: OSError) -> NoReturn:
    """Raises UserError for a folder that cannot be listed; the `onerror` of `os.walk`."""
    raise UserError(f"{error.filename}: cannot be read: {reason(error)}") from error
