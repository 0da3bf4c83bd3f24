"""Finds the images in files and folders that a user names."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hpunet.imaging.dicom import open_series
from hpunet.imaging.dicom_header import DicomImage, NoImageError, is_dicom, read_images
from hpunet.imaging.formats import (
    DICOM_SUFFIXES,
    READERS,
    check_file,
    open_file,
    suffix_of,
)
from hpunet.imaging.naming import distinct_names, names_below, names_of_series
from hpunet.imaging.selection import choose, parse_slices
from hpunet.imaging.volume import Volume
from hpunet.io.errors import UserError
from hpunet.io.listing import is_stray, natural_key, refuse_unreadable

ALLOWED = "PNG, TIFF, JPEG, BMP, GIF, npy, npz, NIfTI (.nii, .nii.gz, .hdr with .img) and DICOM"
# A folder with both holds results, whose masks are not images to segment.
RESULTS = {"results.json", "index.html"}


class Inputs(NamedTuple):
    """The images in files and folders that a user names.

    Attributes:
        volumes: One for each image, in the order of the files, with distinct names.
        skipped: Files in folders that hold no image: reports, contours, localizers, other formats.
            Stray files are not listed.
    """

    volumes: list[Volume]
    skipped: tuple[Path, ...]


class _Named(NamedTuple):
    """A volume with possible names for its results, the best first."""

    names: tuple[str, ...]
    volume: Volume


def find_volumes(paths: Sequence[str | Path], slices: str | None = None) -> Inputs:
    """Finds the images in files and folders; reads headers at once and pixels when needed.

    A file is one volume, of one or more slices. In a folder and its subfolders, each file is one
    volume, and each series of DICOM files is one, whatever the names of its files. The suffix gives
    the format; a file with another suffix, or none, is DICOM if it begins like a DICOM file.

    Args:
        paths: Files and folders. Links to folders inside them are not followed. Stray files, and
            folders that hold the results of an earlier command, are skipped.
        slices: None, `all`, or numbers and ranges with their end excluded, such as `12`, `10:20`
            or `3,5,8`. Numbers start at 0 and apply to every volume and series.

    Raises:
        UserError: If a file is missing, empty, given twice or unreadable, if it holds no gray or
            RGB image, if a folder holds no image, or if a volume lacks the slices.
    """
    wanted = parse_slices(slices)
    if not paths:
        raise UserError("no image is given; name files or folders")
    groups = [(Path(path), _files(path)) for path in paths]
    _refuse_twice([file for _, files in groups for file in files])
    named: list[_Named] = []
    skipped: list[Path] = []
    for path, files in groups:
        if path.is_dir():
            inside, others = _open_folder(path, files)
            named += inside
            skipped += others
        else:
            named.append(_open_file(path, path.parent))
    if wanted not in (None, (slice(None),)) and all(len(one.volume.pictures) == 1 for one in named):
        raise UserError(
            f"--slices={slices}: {named[0].volume.place} has a single slice; leave --slices out"
        )
    chosen = [choose(one.volume, wanted, slices) for one in named]
    names = distinct_names([one.names for one in named])
    volumes = [volume._replace(name=name) for volume, name in zip(chosen, names, strict=True)]
    return Inputs(volumes, tuple(skipped))


def _files(named: str | Path) -> list[Path]:
    # Checked first, because `Path("")` is the current folder.
    if not os.path.exists(named):
        raise UserError(f"{str(named) or repr('')}: no such file or folder")
    path = Path(named)
    if not path.is_dir():
        return [path]
    files: list[Path] = []
    for folder, folders, names in os.walk(path, onerror=refuse_unreadable):
        if RESULTS.issubset(names):
            folders.clear()
            continue
        folders[:] = (name for name in folders if not is_stray(name))
        files += (Path(folder, name) for name in names if not is_stray(name))
    return sorted(files, key=lambda file: natural_key(file.as_posix()))


def _refuse_twice(files: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for file in files:
        resolved = file.resolve()
        if resolved in seen:
            raise UserError(f"{file}: is given twice")
        seen.add(resolved)


def _is_dicom(path: Path) -> bool:
    return suffix_of(path) in DICOM_SUFFIXES or is_dicom(path)


def _open_file(path: Path, base: Path) -> _Named:
    names = names_below(base, path)
    if suffix_of(path) in READERS:
        return _Named(names, open_file(path))
    check_file(path)
    if _is_dicom(path):
        return _Named(names, open_series(path, read_images(path)))
    raise UserError(f"{path}: unknown format; allowed are {ALLOWED}")


def _open_folder(folder: Path, files: Sequence[Path]) -> tuple[list[_Named], list[Path]]:
    """The volumes in a folder, sorted by name, and the files without an image."""
    found: list[_Named] = []
    skipped: list[Path] = []
    series: dict[str, list[DicomImage]] = {}
    for file in files:
        if suffix_of(file) == ".img" and file.with_suffix(".hdr") in files:
            continue  # Read with its header.
        if suffix_of(file) in READERS:
            found.append(_open_file(file, folder))
            continue
        images = _images_inside(file)
        if not images:
            skipped.append(file)
        elif images[0].num_frames:
            found.append(_Named(names_below(folder, file), open_series(file, images)))
        else:
            series.setdefault(images[0].series, []).extend(images)
    found += [_open_series(folder, images) for images in series.values()]
    if not found:
        raise UserError(f"{folder}: contains no image (files: {len(files)}); allowed are {ALLOWED}")
    return sorted(found, key=lambda one: natural_key(one.names[0])), skipped


def _images_inside(file: Path) -> list[DicomImage]:
    """The images in a DICOM file; none for other files, and for DICOM files without an image."""
    if suffix_of(file) in DICOM_SUFFIXES:
        check_file(file)
    try:
        return read_images(file) if file.is_file() and _is_dicom(file) else []
    except NoImageError:
        return []


def _open_series(folder: Path, images: Sequence[DicomImage]) -> _Named:
    paths = [image.path for image in images]
    # Resolved, because the current folder has no name otherwise.
    place = Path(os.path.commonpath([path.parent for path in paths])).resolve()
    names = names_of_series(folder, paths, images[0].series_number)
    return _Named(names, open_series(place, images))
