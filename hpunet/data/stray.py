"""What computers leave in folders without being asked."""

_NAMES = {"Thumbs.db", "desktop.ini", "__MACOSX"}


def is_stray(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or put there by a computer."""
    return name.startswith(".") or name in _NAMES
