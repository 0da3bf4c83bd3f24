"""Matches the files of images and annotations by their names."""

import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hpunet.data.folder.faults import Faults
from hpunet.imaging.formats import IMAGE_SUFFIXES, MASK_SUFFIXES, is_dicom_file, suffix_of
from hpunet.io.listing import is_stray

IMAGES, ANNOTATIONS = "images", "annotations"
NUMBERED = re.compile(r"(?P<name>.+)_(?P<annotator>a\d+)", re.DOTALL)


class ImageFiles(NamedTuple):
    """The file of an image or volume, with the files of its annotations.

    Attributes:
        name: The path below `images`, without the suffix.
        image: The file, or the folder of a DICOM series.
        masks: The file of each annotator who looked at the image, by the annotator's name.
        patient: The patient, or None if unknown.
        split: The split that is given for the image, or None.
    """

    name: str
    image: pathlib.Path
    masks: dict[str, pathlib.Path]
    patient: str | None
    split: str | None = None

    @property
    def group(self) -> str:
        """The patient, or the name of the image if the patient is unknown."""
        return self.name if self.patient is None else self.patient

    @property
    def files(self) -> dict[str, pathlib.Path]:
        """All files: those of the image, and the mask of each annotator by the annotator's name."""
        image = {"": self.image}
        if self.image.is_dir():
            image = {f"/{file.name}": file for file in _dicom_files(self.image)}
        return {**image, **self.masks}


def find_by_name(root: pathlib.Path, patient: str | None, faults: Faults) -> list[ImageFiles]:
    """Finds the images of a folder with `images` and `annotations`.

    Args:
        root: The folder.
        patient: A regular expression for the patient in the name of an image, or None.
        faults: Faults are added to this list.
    """
    images = _by_name(files_below(root, IMAGES, faults), IMAGE_SUFFIXES, faults)
    annotations = files_below(root, ANNOTATIONS, faults)
    _add_series(root, images, [stem_of(file) for file in annotations])
    masks: dict[str, dict[str, pathlib.Path]] = {name: {} for name in images}
    for file, path in annotations.items():
        stem = stem_of(file)
        found = _image_and_annotator(stem, images)
        if found is None:
            faults.add(path, _unmatched(stem, images))
        elif found[1] in masks[found[0]]:
            faults.add(path, f"has the same image and annotator as {masks[found[0]][found[1]]}")
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
    """Files in `images` and `annotations` whose formats are not read."""
    files = (path for top in (IMAGES, ANNOTATIONS) for path in _walk(root / top, Faults()))
    return [path for path in files if not _is_read(path)]


def _is_read(path: pathlib.Path) -> bool:
    return suffix_of(path) in (*IMAGE_SUFFIXES, *MASK_SUFFIXES) or _is_unnamed_dicom(path)


def _is_unnamed_dicom(path: pathlib.Path) -> bool:
    """Whether a file without a known suffix, as scanners write them, is DICOM."""
    return not suffix_of(path) and os.access(path, os.R_OK) and is_dicom_file(path)


def check_annotators(root: pathlib.Path, names: set[str], faults: Faults) -> None:
    """Adds a fault for annotators whose names differ in case only, which some systems ignore."""
    lowered: dict[str, str] = {}
    for name in sorted(names):
        other = lowered.setdefault(name.casefold(), name)
        if other != name:
            faults.add(root, f"annotators {other!r} and {name!r} differ in case only")


def check_nesting(entries: Iterable[ImageFiles], faults: Faults) -> None:
    """Adds a fault for images whose name is also a folder of images, as slices of a volume have."""
    by_name = {entry.name: entry for entry in entries}
    for entry in by_name.values():
        for folder in pathlib.PurePosixPath(entry.name).parents:
            if str(folder) in by_name:
                other = by_name[str(folder)].image
                faults.add(entry.image, f"is in a folder that has the name of {other}")


def check_patient(entry: ImageFiles, expression: str | None, faults: Faults) -> None:
    """Adds a fault for an unknown patient, or one whose name cannot be a folder of results."""
    name = entry.patient
    if name is None and expression is not None:
        faults.add(
            entry.image,
            f"its name {entry.name!r} has no patient by data.folder.patient={expression}",
        )
    if name is not None and (name in (".", "..") or "/" in name or "\\" in name):
        faults.add(entry.image, f"its patient is {name!r}; allowed are names without slashes")


def files_below(root: pathlib.Path, top: str, faults: Faults) -> dict[str, pathlib.Path]:
    """Files below `root/top` that may be images or masks, by their relative paths."""
    found: dict[str, pathlib.Path] = {}
    for path in _walk(root / top, faults):
        if not _is_read(path):
            continue
        problem = _problem(path, root)
        if problem:
            faults.add(_printable(path), problem)
            continue
        found[path.relative_to(root / top).as_posix()] = path
    return found


def _problem(path: pathlib.Path, root: pathlib.Path) -> str:
    """The reason why a file cannot be used, or an empty text."""
    if not is_inside(path, root):
        return f"is a broken link, a link to a file outside of {root}, or not a regular file"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied"
    return "" if _printable(path) == str(path) else "has a name that is not UTF-8"


def _printable(path: pathlib.Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode()


def is_inside(path: pathlib.Path, root: pathlib.Path) -> bool:
    """Whether a path is a regular file that, with all links followed, is in a folder."""
    return is_file(path) and path.resolve().is_relative_to(root.resolve())


def is_file(path: pathlib.Path) -> bool:
    """Whether a path is a regular file; also for names that no file can have."""
    try:
        return path.is_file()
    except OSError:
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


def stem_of(file: str) -> str:
    """A path without the suffix of a known format."""
    return file[: len(file) - len(suffix_of(pathlib.Path(file)))]


def _by_name(
    files: dict[str, pathlib.Path], suffixes: tuple[str, ...], faults: Faults
) -> dict[str, pathlib.Path]:
    found: dict[str, pathlib.Path] = {}
    lowered: dict[str, pathlib.Path] = {}
    for file, path in files.items():
        if suffix_of(path) not in suffixes and not _is_unnamed_dicom(path):
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


def _add_series(root: pathlib.Path, images: dict[str, pathlib.Path], stems: Iterable[str]) -> None:
    """Makes one image of each folder of DICOM files that has the name of an annotation."""
    for stem in stems:
        numbered = NUMBERED.fullmatch(stem)
        for name in (stem.partition("/")[2], numbered["name"] if numbered else ""):
            folder = root / IMAGES / name
            if name and name not in images and folder.is_dir() and _dicom_files(folder):
                for file in [file for file, path in images.items() if path.parent == folder]:
                    del images[file]
                images[name] = folder


def _dicom_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The DICOM files right in a folder, in order."""
    files = (path for path in sorted(folder.iterdir()) if is_file(path) and not is_stray(path.name))
    return [path for path in files if is_dicom_file(path)]


def _image_and_annotator(stem: str, images: dict[str, pathlib.Path]) -> tuple[str, str] | None:
    """The image and the annotator in the name of a mask, or None."""
    numbered = NUMBERED.fullmatch(stem)
    if numbered and numbered["name"] in images:
        return numbered["name"], numbered["annotator"]
    annotator, _, name = stem.partition("/")
    return (name, annotator) if name in images else None


def _unmatched(stem: str, images: dict[str, pathlib.Path]) -> str:
    numbered = NUMBERED.fullmatch(stem)
    names = {stem.partition("/")[2], numbered["name"] if numbered else ""} - {""}
    lowered = {name.casefold(): path for name, path in images.items()}
    for name in names:
        if name.casefold() in lowered:
            return f"differs from {lowered[name.casefold()]} in case only; allowed is the same name"
    named = " or ".join(sorted(f"{IMAGES}/{name}" for name in names))
    missing = f": there is no {named}" if named else ""
    return (
        f"belongs to no image{missing}; allowed are <annotator>/<name> and <name>_a<k> with "
        "the name of an image"
    )


def patient_of(name: str, expression: str | None) -> str | None:
    """The patient in the name of an image: by an expression, otherwise its first folder."""
    if expression is None:
        folder, slash, _ = name.partition("/")
        return folder if slash else None
    found = re.search(expression, name)
    return found[1] or None if found else None
