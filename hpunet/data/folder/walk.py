"""Finds the files of images and annotations, follows links, and counts what is skipped."""

import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from hpunet.data.folder.faults import Faults
from hpunet.imaging.formats import IMAGE_SUFFIXES, MASK_SUFFIXES, is_dicom_file, suffix_of
from hpunet.io.errors import UserError, reason
from hpunet.io.listing import is_stray

IMAGES, ANNOTATIONS = "images", "annotations"
# Entries of a folder, and formats, that are named in a message.
MOST_LISTED = 8


def folder_of(root: pathlib.Path, name: str) -> pathlib.Path | None:
    """The folder `name` of a folder, in any case of letters if there is only one, or None.

    Raises:
        UserError: If it is a link to nothing, or cannot be told from another one.
    """
    exact = root / name
    if exact.is_dir():
        return exact
    found = [root / entry for entry in _entries(root) if entry.casefold() == name]
    for path in found:
        if is_broken(path):
            raise UserError(f"{path}: {broken_text(path)}")
    folders = [path for path in found if path.is_dir()]
    if len(folders) > 1:
        listed = ", ".join(path.name for path in folders)
        raise UserError(f"{root}: holds {listed}, which differ in case only; allowed is one")
    return folders[0] if folders else None


def contents_text(root: pathlib.Path) -> str:
    """What a folder holds, for a message."""
    names = [name for name in _entries(root) if not is_stray(name)]
    listed = ", ".join(names[:MOST_LISTED]) + (", ..." if len(names) > MOST_LISTED else "")
    return f"it holds {listed or 'nothing'}"


def _entries(root: pathlib.Path) -> list[str]:
    try:
        return sorted(os.listdir(root))
    except OSError as error:
        raise UserError(f"{root}: cannot be read: {reason(error)}") from error


def files_below(top: pathlib.Path, faults: Faults) -> dict[str, pathlib.Path]:
    """Files below a folder that may be images or masks, by their relative paths.

    Links are followed, wherever they lead.
    """
    found: dict[str, pathlib.Path] = {}
    for path in _walk(top, faults):
        # The target of a broken link may be a folder, so the suffix says nothing.
        if not (is_known(path) or is_broken(path)):
            continue
        problem = problem_of(path)
        if problem:
            faults.add(printable(path), problem)
            continue
        found[path.relative_to(top).as_posix()] = path
    return found


def other_files(tops: Iterable[pathlib.Path]) -> list[pathlib.Path]:
    """Files below folders whose formats are not read."""
    files = (path for top in tops for path in _walk(top, Faults()))
    return [path for path in files if not (is_known(path) or is_broken(path))]


def is_known(path: pathlib.Path) -> bool:
    """Whether the format of a file is read, by its suffix.

    Files without a suffix are read if they are DICOM, as scanners write them.
    """
    return suffix_of(path) in (*IMAGE_SUFFIXES, *MASK_SUFFIXES) or (
        not suffix_of(path) and os.access(path, os.R_OK) and is_dicom_file(path)
    )


def formats_text(files: Sequence[pathlib.Path]) -> str:
    """The formats of skipped files with their numbers, and those that are read."""
    counts = Counter(path.suffix.lower() or "without a suffix" for path in files)
    listed = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(MOST_LISTED))
    listed += ", ..." if len(counts) > MOST_LISTED else ""
    return f"{listed}; formats that are read: {', '.join(IMAGE_SUFFIXES)}"


def skipped_text(files: Sequence[pathlib.Path]) -> str:
    """An addition to messages on missing images or masks: the files that were skipped, if any."""
    if not files:
        return ""
    plural = "s" if len(files) > 1 else ""
    return f"; skipped {len(files)} file{plural} of other formats: {formats_text(files)}"


def problem_of(path: pathlib.Path) -> str:
    """The reason why a file cannot be used, or an empty text."""
    if is_broken(path):
        return broken_text(path)
    if not is_file(path):
        return "is not a regular file"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied"
    return "" if printable(path) == str(path) else "has a name that is not UTF-8"


def is_broken(path: pathlib.Path) -> bool:
    """Whether a path is a link whose target does not exist."""
    try:
        return path.is_symlink() and not path.exists()
    except (OSError, ValueError):
        return False


def broken_text(path: pathlib.Path) -> str:
    """What is wrong with a broken link."""
    try:
        target = os.readlink(path)
    except OSError:
        return "is a link that cannot be followed"
    return f"is a broken link: its target {os.fsencode(target).decode(errors='replace')} is missing"


def printable(path: pathlib.Path) -> str:
    """A path as text that can be encoded."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def is_file(path: pathlib.Path) -> bool:
    """Whether a path is a regular file; also for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _walk(top: pathlib.Path, faults: Faults) -> Iterator[pathlib.Path]:
    """All files but stray ones, in order; links are followed, but no folder is visited twice."""
    seen: set[str] = set()

    def note(error: OSError) -> None:
        faults.add(str(error.filename), f"cannot be read: {error.strerror}")

    for place, folders, names in os.walk(top, onerror=note, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            faults.add(place, "is a link to a folder that was already visited")
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_stray(name))
        yield from (pathlib.Path(place, n) for n in sorted(names) if not is_stray(n))
