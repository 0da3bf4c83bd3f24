"""Names of the folders of results, one for each input of a command."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from hpunet.imaging.formats import suffix_of

# The record and the page in a folder of results, and the format that the record names.
RESULTS, RESULTS_FORMAT = "results.json", "hpunet-samples-1"
PAGE = "index.html"
# Names that the command itself uses, and prefixes of hidden and temporary names.
OWN_FILES = (PAGE, RESULTS)
OWN_STARTS = (".", "samples.scratch")


def names_below(base: Path, path: Path) -> tuple[str, ...]:
    """Possible names for the results of a file, the best first.

    Args:
        base: The folder that the user named, or the one that holds the named file.
        path: The file, below `base`.
    """
    full = path.relative_to(base).as_posix()
    short = full.removesuffix(path.name[len(path.name) - len(suffix_of(path)) :])
    # Such as those of `.png` and `...png`.
    short = full if short.rpartition("/")[2] in ("", ".", "..") else short
    outer = _outer(base)
    return (short, full, f"{outer}/{short}", f"{outer}/{full}")


def names_of_series(base: Path, paths: Sequence[Path], number: int | None) -> tuple[str, ...]:
    """Possible names for the results of a series, the best first.

    Args:
        base: The folder that the user named.
        paths: The files of the series, below `base`.
        number: The number of the series, if it has one.
    """
    parents = [path.relative_to(base).parent.parts for path in paths]
    shared = [parts[0] for parts in zip(*parents, strict=False) if len(set(parts)) == 1]
    outer = _outer(base)
    inner = "/".join(shared) or outer
    series = f"series-{0 if number is None else number}"
    return (inner, f"{inner}/{series}", f"{outer}/{inner}/{series}")


def _outer(base: Path) -> str:
    # The root of the disk has no name.
    return base.resolve().name or "root"


def distinct_names(candidates: Sequence[Sequence[str]]) -> list[str]:
    """One name for each input; no name is the folder of another.

    Args:
        candidates: Possible names for each input, the best first.

    Returns:
        For each input, the first of its names that no other input has and the command itself does
        not use. If there is none, a number is appended. Names that differ in case only count as
        equal, as on some file systems.
    """
    levels = [0] * len(candidates)
    while True:
        names = [those[level] for those, level in zip(candidates, levels, strict=True)]
        clashing = _clashing(names)
        movable = [index for index in clashing if levels[index] + 1 < len(candidates[index])]
        if not movable:
            return _numbered(names, clashing)
        for index in movable:
            levels[index] += 1


def _clashing(names: Sequence[str]) -> list[int]:
    keys = [name.casefold() for name in names]
    counts = Counter(keys)
    folders = {str(folder) for key in keys for folder in PurePosixPath(key).parents}
    return [
        index
        for index, key in enumerate(keys)
        if counts[key] > 1 or key in folders or _is_reserved(key)
    ]


def _is_reserved(name: str) -> bool:
    first = name.casefold().partition("/")[0]
    return first in OWN_FILES or first.startswith(OWN_STARTS)


def _numbered(names: list[str], clashing: Sequence[int]) -> list[str]:
    for index in clashing:
        if _is_reserved(names[index]):
            names[index] = f"image-{names[index]}"
        base, number = names[index], 1
        while index in _clashing(names):
            number += 1
            names[index] = f"{base}-{number}"
    return names
