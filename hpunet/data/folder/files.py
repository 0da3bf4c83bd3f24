"""Which files are the annotations of which image, by their names or by a table."""

import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hpunet.data.folder.faults import Faults
from hpunet.imaging.formats import IMAGE_SUFFIXES, MASK_SUFFIXES, is_stray, suffix_of

IMAGES, ANNOTATIONS = "images", "annotations"
NUMBERED = re.compile(r"(?P<name>.+)_(?P<annotator>a\d+)", re.DOTALL)


class ImageFiles(NamedTuple):
    """An image's file, or that of a volume, with the files of its annotations.

    Attributes:
        name: Its path below `images`, without the suffix.
        image: The file.
        masks: A file by the name of each annotator who looked at it.
        patient: Whose it is, or None if that is not known.
        split: The split that is given for it, or None.
    """

    name: str
    image: pathlib.Path
    masks: dict[str, pathlib.Path]
    patient: str | None
    split: str | None = None

    @property
    def group(self) -> str:
        """The patient, or where that is not known the image itself."""
        return self.name if self.patient is None else self.patient


def find_by_name(root: pathlib.Path, patient: str | None, faults: Faults) -> list[ImageFiles]:
    """The entries of a folder with `images` and `annotations`.

    Args:
        root: The folder.
        patient: A regular expression for the patient in an image's name, or None.
        faults: What is wrong is added to them.
    """
    images = _by_name(files_below(root, IMAGES, faults), IMAGE_SUFFIXES, faults)
    masks: dict[str, dict[str, pathlib.Path]] = {name: {} for name in images}
    for file, path in files_below(root, ANNOTATIONS, faults).items():
        stem = stem_of(file)
        found = _image_and_annotator(stem, images)
        if found is None:
            faults.add(path, _unmatched(stem, images))
        elif found[1] in masks[found[0]]:
            faults.add(path, f"is of the same image and annotator as {masks[found[0]][found[1]]}")
        else:
            masks[found[0]][found[1]] = path
    check_annotators(
        root, {name for by_annotator in masks.values() for name in by_annotator}, faults
    )
    entries = [
        ImageFiles(name, path, dict(sorted(masks[name].items())), patient_of(name, patient))
        for name, path in images.items()
    ]
    for entry in entries:
        check_patient(entry, patient, faults)
    return entries


def other_files(root: pathlib.Path) -> list[pathlib.Path]:
    """Files beside images and annotations that are of no format that is read."""
    files = (path for top in (IMAGES, ANNOTATIONS) for path in _walk(root / top, Faults()))
    return [path for path in files if suffix_of(path) not in (*IMAGE_SUFFIXES, *MASK_SUFFIXES)]


def check_annotators(root: pathlib.Path, names: set[str], faults: Faults) -> None:
    """Notes annotators whose names differ in case only: they are one on some computers."""
    lowered: dict[str, str] = {}
    for name in sorted(names):
        other = lowered.setdefault(name.casefold(), name)
        if other != name:
            faults.add(root, f"annotators {other!r} and {name!r} differ in case only")


def check_nesting(entries: Iterable[ImageFiles], faults: Faults) -> None:
    """Notes images whose name is that of a folder of others, as slices of a volume would be."""
    by_name = {entry.name: entry for entry in entries}
    for entry in by_name.values():
        for folder in pathlib.PurePosixPath(entry.name).parents:
            if str(folder) in by_name:
                other = by_name[str(folder)].image
                faults.add(entry.image, f"lies in a folder that is called as {other} is")


def check_patient(entry: ImageFiles, expression: str | None, faults: Faults) -> None:
    """Notes a patient that an expression should tell, or whose name no folder of results has."""
    name = entry.patient
    if name is None and expression is not None:
        faults.add(
            entry.image,
            f"its name {entry.name!r} has no patient by data.folder.patient={expression}",
        )
    if name is not None and (name in (".", "..") or "/" in name or "\\" in name):
        faults.add(entry.image, f"its patient is {name!r}; allowed are names without slashes")


def files_below(root: pathlib.Path, top: str, faults: Faults) -> dict[str, pathlib.Path]:
    """Every file below `root/top` that may be an image or a mask, by its path below that."""
    found: dict[str, pathlib.Path] = {}
    for path in _walk(root / top, faults):
        if suffix_of(path) not in (*IMAGE_SUFFIXES, *MASK_SUFFIXES):
            continue
        problem = _problem(path, root)
        if problem:
            faults.add(_printable(path), problem)
            continue
        found[path.relative_to(root / top).as_posix()] = path
    return found


def _problem(path: pathlib.Path, root: pathlib.Path) -> str:
    """Why a file cannot be used, or nothing."""
    if not is_inside(path, root):
        return f"is a link that leads outside of {root} or nowhere, or no regular file"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied"
    return "" if _printable(path) == str(path) else "has a name that is not UTF-8"


def _printable(path: pathlib.Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode()


def is_inside(path: pathlib.Path, root: pathlib.Path) -> bool:
    """Whether a regular file is there and, with all links followed, lies in a folder."""
    return is_file(path) and path.resolve().is_relative_to(root.resolve())


def is_file(path: pathlib.Path) -> bool:
    """Whether there is a regular file of a name, which may be none that a file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def _walk(top: pathlib.Path, faults: Faults) -> Iterator[pathlib.Path]:
    """Every file that is not hidden, in order; links are followed, but to no folder twice."""
    seen: set[str] = set()

    def note(error: OSError) -> None:
        faults.add(str(error.filename), f"cannot be read: {error.strerror}")

    for place, folders, names in os.walk(top, onerror=note, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            faults.add(place, "is a link to a folder that is there already")
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_stray(name))
        yield from (pathlib.Path(place, n) for n in sorted(names) if not is_stray(n))


def stem_of(file: str) -> str:
    """A path without the suffix of a known format."""
    return file[: len(file) - len(suffix_of(pathlib.Path(file)))]


def _by_name(
    files: dict[str, pathlib.Path], suffixes: tuple[str, ...], faults: Faults
) -> dict[str, pathlib.Path]:
    found: dict[str, pathlib.Path] = {}
    lowered: dict[str, pathlib.Path] = {}
    for file, path in files.items():
        if suffix_of(path) not in suffixes:
            continue
        name = stem_of(file)
        other = lowered.setdefault(name.casefold(), path)
        if name in found:
            faults.add(path, f"has the same name as {other}; allowed is one image of a name")
            continue
        if other != path:
            faults.add(path, f"differs from {other} in case only; allowed are different names")
        found[name] = path
    return found


def _image_and_annotator(stem: str, images: dict[str, pathlib.Path]) -> tuple[str, str] | None:
    """The image and the annotator that the name of a mask tells, or None."""
    numbered = NUMBERED.fullmatch(stem)
    if numbered and numbered["name"] in images:
        return numbered["name"], numbered["annotator"]
    annotator, _, name = stem.partition("/")
    return (name, annotator) if name in images else None


def _unmatched(stem: str, images: dict[str, pathlib.Path]) -> str:
    numbered = NUMBERED.fullmatch(stem)
    wanted = {stem.partition("/")[2], numbered["name"] if numbered else ""} - {""}
    lowered = {name.casefold(): path for name, path in images.items()}
    for name in wanted:
        if name.casefold() in lowered:
            return f"differs from {lowered[name.casefold()]} in case only; allowed is the same name"
    named = " or ".join(sorted(f"{IMAGES}/{name}" for name in wanted))
    missing = f": there is no {named}" if named else ""
    return (
        f"is of no image{missing}; allowed are <annotator>/<name> and <name>_a<k> with "
        "the name of an image"
    )


def patient_of(name: str, expression: str | None) -> str | None:
    """The patient that an image's name tells: by an expression, else its first folder."""
    if expression is None:
        folder, slash, _ = name.partition("/")
        return folder if slash else None
    found = re.search(expression, name)
    return found[1] or None if found else None
