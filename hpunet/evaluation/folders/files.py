"""Matches the files in folders of masks with images, by their names."""

import dataclasses
import hashlib
import itertools
import os
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hpunet.evaluation.folders.sampled import SampledFiles, read_results, sampled_place
from hpunet.imaging.formats import IMAGE_SUFFIXES, MASK_SUFFIXES, suffix_of
from hpunet.io.errors import UserError
from hpunet.io.listing import is_stray, refuse_unreadable

_NUMBERED = re.compile(r"(?P<name>(?:.+/)?[^/]+)_(?P<kind>[a-z])(?P<number>[0-9]+)", re.DOTALL)
_SLICE = re.compile(r"(?P<volume>.+)/slice_(?P<number>[0-9]+)", re.DOTALL)
# Formats of one mask in each file; in a file of another format, planes may be annotators.
SINGLE = (".png", ".bmp", ".gif")


class FolderRole(NamedTuple):
    """The role of a folder.

    Attributes:
        flag: The flag that names the folder.
        noun: A word for its files.
        masks: Letters before the number of a mask.
        reconstructions: Letter before the number of a reconstruction, or "".
        more: Other allowed names, for messages.
    """

    flag: str
    noun: str
    masks: str
    reconstructions: str
    more: str

    @property
    def allowed(self) -> str:
        """Allowed names of its files, for messages."""
        pngs = "".join(f"<name>_{kind}<k>.png, " for kind in self.masks + self.reconstructions)
        return f"{pngs}{self.more} or <name>.npz"


PREDICTIONS = FolderRole(
    "--predictions", "prediction", masks="s", reconstructions="r", more="<name>/sample_<k>.png"
)
ANNOTATIONS = FolderRole(
    "--annotations", "annotation", masks="al", reconstructions="", more="<annotator>/<name>.png"
)


@dataclasses.dataclass
class MaskFiles:
    """The files of one image in one folder.

    Attributes:
        masks: The file of each mask, by its number or by its annotator.
        reconstructions: The file of each reconstruction, by its number.
        whole: One file with all masks instead, such as an npz, or None.
        slices: Numbers of the slices of a volume that have masks; None for all.
        may_lack_slices: Whether slices may be empty because they were not drawn.
        plane: The plane in which a NIfTI volume was cut; None if it is not recorded.
    """

    masks: dict[int | str, pathlib.Path] = dataclasses.field(default_factory=dict)
    reconstructions: dict[int, pathlib.Path] = dataclasses.field(default_factory=dict)
    whole: pathlib.Path | None = None
    slices: tuple[int, ...] | None = None
    may_lack_slices: bool = False
    plane: str | None = None

    def paths(self) -> list[pathlib.Path]:
        """Returns all paths."""
        whole = [] if self.whole is None else [self.whole]
        return [*self.masks.values(), *self.reconstructions.values(), *whole]


class _Place(NamedTuple):
    """The place of a file: its image and, unless it holds all masks, which mask it is."""

    name: str
    kind: str = ""
    key: int | str = 0


def list_masks(
    folder: pathlib.Path, role: FolderRole, images: Collection[str] = ()
) -> dict[str, MaskFiles]:
    """Lists the files of each image of a folder, sorted by the name of the image.

    Args:
        folder: The folder.
        role: What it holds.
        images: Known names of images, by which masks in folders of annotators are recognised.

    Raises:
        UserError: If there is no such folder, if it holds no mask, if the name of a mask is unknown
            or two files are the same mask, or if an image has only reconstructions.
    """
    walked = list(_walk(folder, role.flag))
    if role is PREDICTIONS and (results := read_results(folder)):
        return _of_results(folder, results)
    found: dict[str, MaskFiles] = {}
    others, unknown, known = [], [], frozenset(images)
    for name, path in walked:
        place = _place_of(name, path, role, known)
        if place is not None:
            _add(found, place, path)
            if suffix_of(path).startswith(".nii") and sampled_place(name):
                found[place.name].may_lack_slices = True
        elif suffix_of(path) in MASK_SUFFIXES:
            unknown.append((name, path))
        else:
            others.append(name)
    annotators = {key for files in found.values() for key in files.masks if isinstance(key, str)}
    for name, path in unknown:
        annotator, _, rest = _stem_of(name, path).partition("/")
        if annotator in annotators and rest:
            _add(found, _Place(rest, "a", annotator), path)
        # `sample` writes maps beside the samples.
        elif not (role is PREDICTIONS and _is_map(name, path, found)):
            raise UserError(f"{path}: no name of {role.flag}; allowed are {role.allowed}")
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


def _of_results(folder: pathlib.Path, results: Mapping[str, SampledFiles]) -> dict[str, MaskFiles]:
    """The files that a record of `sample` lists."""
    found: dict[str, MaskFiles] = {}
    for image in results.values():
        for name in image.files:
            place = sampled_place(name)
            if place is not None:
                key = 0 if place[1] is None else place[1]
                kind = "" if place[1] is None else "s"
                _add(found, _Place(place[0], kind, key), folder / name)
                # Slices may have folders of their own.
                found[place[0]].plane = image.plane
        if image.name in found:
            found[image.name].slices = image.slices
    return dict(sorted(found.items()))


def _place_of(
    name: str, path: pathlib.Path, role: FolderRole, images: frozenset[str]
) -> _Place | None:
    """The place of a file by its name, or None if it is no mask of this role."""
    suffix, stem = suffix_of(path), _stem_of(name, path)
    if role is PREDICTIONS and (sampled := sampled_place(name)):
        image, number = sampled
        image = image or path.parent.name
        return _Place(image) if number is None else _Place(image, "s", number)
    if suffix not in MASK_SUFFIXES:
        return None
    numbered = _NUMBERED.fullmatch(stem)
    if numbered and numbered["kind"] not in role.masks + role.reconstructions:
        numbered = None
    annotator, _, rest = stem.partition("/")
    if role is ANNOTATIONS:
        if stem in images and suffix not in SINGLE:
            return _Place(stem)
        if rest in images and not (numbered and numbered["name"] in images):
            return _Place(rest, "a", annotator)
    is_archive = suffix == ".npz" and not (numbered and numbered["name"] in images)
    if is_archive:
        return _Place(stem)
    if numbered:
        kind = "r" if numbered["kind"] == role.reconstructions else "s"
        return _Place(numbered["name"], kind, int(numbered["number"]))
    return None


def _stem_of(name: str, path: pathlib.Path) -> str:
    return name[: len(name) - len(suffix_of(path))]


def _is_map(name: str, path: pathlib.Path, found: Mapping[str, MaskFiles]) -> bool:
    folder, _, base = name.rpartition("/")
    folder = folder or path.parent.name
    known = any(image == folder or image.startswith(f"{folder}/") for image in found)
    return known and base.startswith(("mean", "std", "entropy"))


def volume_of(name: str) -> tuple[str, int] | None:
    """The volume and the number of the slice in the name of an image; None if it has none."""
    found = _SLICE.fullmatch(name)
    return None if found is None else (found["volume"], int(found["number"]))


def _check_gaps(masks: Mapping[Any, pathlib.Path]) -> None:
    """Raises unless the numbers are consecutive: otherwise a file is missing."""
    numbers = sorted(key for key in masks if isinstance(key, int))
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise UserError(
                f"{masks[after]}: number {before + 1} is missing before it; allowed are numbers "
                "that follow each other"
            )


def list_pictures(folder: pathlib.Path, names: Iterable[str]) -> dict[str, pathlib.Path]:
    """Finds the picture of each of the named images: a PNG, or else a file of another format.

    Raises:
        UserError: If there is no such folder, or if a picture is missing or not unique.
    """
    pngs: dict[str, pathlib.Path] = {}
    others: dict[str, pathlib.Path] = {}
    wanted = frozenset(names)
    for name, path in _walk(folder, "--images"):
        suffix, stem = suffix_of(path), _stem_of(name, path)
        if suffix in IMAGE_SUFFIXES and stem in wanted:
            _put(pngs if suffix == ".png" else others, stem, path)
    missing = [name for name in sorted(wanted) if name not in pngs and name not in others]
    if missing:
        raise UserError(f"--images={folder}: {count_names(missing, 'no <name>.png')}")
    return {name: pngs.get(name) or others[name] for name in wanted}


def checksum(folder: pathlib.Path, paths: Iterable[pathlib.Path]) -> str:
    """Computes SHA-256 over relative paths and contents of files.

    Of a file that cannot be read, the path alone counts: its image is not scored.
    """
    relative = {path.relative_to(folder).as_posix(): path for path in paths}
    whole = hashlib.sha256()
    for name, path in sorted(relative.items()):
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            digest = "unreadable"
        whole.update(f"{digest} ".encode() + os.fsencode(name) + b"\n")
    return whole.hexdigest()


def count_names(names: list[str], what: str) -> str:
    """Formats the number of images that have `what`, with the first names."""
    images = f"{len(names)} images have" if len(names) > 1 else "1 image has"
    return f"{images} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def _add(found: dict[str, MaskFiles], place: _Place, path: pathlib.Path) -> None:
    files = found.setdefault(place.name, MaskFiles())
    if files.whole is not None or (not place.kind and files.paths()):
        other = files.paths()[0]
        raise UserError(
            f"{path}: {other} is of the same image; allowed is one file with all masks, or one "
            "file for each mask"
        )
    if not place.kind:
        files.whole = path
    elif place.kind == "r":
        _put(files.reconstructions, place.key, path)
    else:
        _put(files.masks, place.key, path)


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
