"""Matches the files in folders of masks with images, by their names."""

import dataclasses
import hashlib
import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hpunet.io.errors import UserError, reason
from hpunet.io.listing import is_stray, refuse_unreadable

_PNG = re.compile(r"(?P<name>(?:.+/)?[^/]+)_(?P<kind>[a-z])(?P<number>[0-9]+)\.(?i:png)", re.DOTALL)
_NPZ = re.compile(r"(?P<name>.+)\.(?i:npz)", re.DOTALL)
_PICTURE = re.compile(r"(?P<name>.+)\.(?i:png)", re.DOTALL)


class FolderRole(NamedTuple):
    """The role of a folder.

    Attributes:
        flag: The flag that names the folder.
        noun: A word for its files.
        masks: Letters before the number of a mask.
        reconstructions: Letter before the number of a reconstruction, or "".
    """

    flag: str
    noun: str
    masks: str
    reconstructions: str

    @property
    def allowed(self) -> str:
        """Allowed names of its files, for messages."""
        pngs = "".join(f"<name>_{kind}<k>.png, " for kind in self.masks + self.reconstructions)
        return f"{pngs[:-2]} or <name>.npz"


PREDICTIONS = FolderRole("--predictions", "prediction", masks="s", reconstructions="r")
ANNOTATIONS = FolderRole("--annotations", "annotation", masks="al", reconstructions="")


@dataclasses.dataclass
class MaskFiles:
    """The files of one image in one folder: PNG files by number, or one npz."""

    masks: dict[int, pathlib.Path] = dataclasses.field(default_factory=dict)
    reconstructions: dict[int, pathlib.Path] = dataclasses.field(default_factory=dict)
    npz: pathlib.Path | None = None

    def paths(self) -> list[pathlib.Path]:
        """Returns all paths."""
        npz = [] if self.npz is None else [self.npz]
        return [*self.masks.values(), *self.reconstructions.values(), *npz]


def list_masks(folder: pathlib.Path, role: FolderRole) -> dict[str, MaskFiles]:
    """Lists the files of each image of a folder, sorted by the name of the image.

    Raises:
        UserError: If there is no such folder, if it holds no mask, if the name of a PNG or npz is
            not that of a mask, if two files are the same mask, or if an image has only
            reconstructions.
    """
    found: dict[str, MaskFiles] = {}
    others = []
    for name, path in _walk(folder, role.flag):
        if name.lower().endswith((".png", ".npz")):
            _add(found, name, path, role)
        else:
            others.append(name)
    if not found:
        held = f"; found is {others[0]!r}" if others else ""
        allowed = f"allowed are {role.allowed}{held}"
        raise UserError(f"{role.flag}={folder}: holds no {role.noun}; {allowed}")
    for files in found.values():
        if files.reconstructions and not files.masks:
            first = next(iter(files.reconstructions.values()))
            raise UserError(f"{first}: a reconstruction of an image without samples")
        _check_gaps(files.masks)
        _check_gaps(files.reconstructions)
    return dict(sorted(found.items()))


def _check_gaps(numbered: Mapping[int, pathlib.Path]) -> None:
    """Raises unless the numbers are consecutive: otherwise a file is missing."""
    numbers = sorted(numbered)
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise UserError(
                f"{numbered[after]}: number {before + 1} is missing before it; allowed are numbers "
                "that follow each other"
            )


def list_pictures(folder: pathlib.Path, names: Iterable[str]) -> dict[str, pathlib.Path]:
    """Finds the picture of each of the named images.

    Raises:
        UserError: If there is no such folder, or if a picture is missing or not unique.
    """
    found: dict[str, pathlib.Path] = {}
    for name, path in _walk(folder, "--images"):
        if match := _PICTURE.fullmatch(name):
            _put(found, match["name"], path)
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(f"--images={folder}: {count_names(missing, 'no <name>.png')}")
    return {name: found[name] for name in names}


def checksum(folder: pathlib.Path, images: Iterable[MaskFiles]) -> str:
    """Computes SHA-256 over relative paths and contents of the files of `images`.

    Raises:
        UserError: If a file cannot be read.
    """
    paths = {
        path.relative_to(folder).as_posix(): path for files in images for path in files.paths()
    }
    whole = hashlib.sha256()
    for name, path in sorted(paths.items()):
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {reason(error)}") from error
        whole.update(f"{digest} ".encode() + os.fsencode(name) + b"\n")
    return whole.hexdigest()


def count_names(names: list[str], what: str) -> str:
    """Formats the number of images that have `what`, with the first names."""
    images = f"{len(names)} images have" if len(names) > 1 else "1 image has"
    return f"{images} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def _add(found: dict[str, MaskFiles], name: str, path: pathlib.Path, role: FolderRole) -> None:
    png, npz = _PNG.fullmatch(name), _NPZ.fullmatch(name)
    match = png or npz
    if match is None or (png and png["kind"] not in role.masks + role.reconstructions):
        raise UserError(f"{path}: no name of {role.flag}; allowed are {role.allowed}")
    files = found.setdefault(match["name"], MaskFiles())
    if files.npz is not None or (npz and files.paths()):
        other = files.paths()[0]
        raise UserError(f"{path}: {other} is of the same image; allowed is one npz or PNG files")
    if png:
        numbered = files.masks if png["kind"] in role.masks else files.reconstructions
        _put(numbered, int(png["number"]), path)
    else:
        files.npz = path


def _put(found: dict[Any, pathlib.Path], key: Any, path: pathlib.Path) -> None:
    if key in found:
        raise UserError(f"{path}: the same image and number as {found[key]}")
    found[key] = path


def _walk(folder: pathlib.Path, flag: str) -> Iterator[tuple[str, pathlib.Path]]:
    """Yields relative path and path of every file in order; skips hidden files."""
    if not os.path.isdir(folder):
        problem = "is a file, not a folder" if os.path.exists(folder) else "no such folder"
        raise UserError(f"{flag}={folder}: {problem}")
    for place, folders, names in os.walk(folder, onerror=refuse_unreadable, followlinks=True):
        here = pathlib.Path(place)
        _check_loop(here, folder)
        folders[:] = sorted(name for name in folders if not is_stray(name))
        for name in sorted(name for name in names if not is_stray(name)):
            yield (here / name).relative_to(folder).as_posix(), here / name


def _check_loop(place: pathlib.Path, folder: pathlib.Path) -> None:
    """Raises if a folder is a link to one of its parents, which would be walked without end."""
    if place == folder or not place.is_symlink():
        return
    target = place.resolve()
    above = [parent for parent in place.parents if parent.is_relative_to(folder)]
    if any(parent.resolve() == target for parent in above):
        raise UserError(f"{place}: is a link to a folder that it lies in")
