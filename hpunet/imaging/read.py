"""Reads users' images: files, folders, volumes and series."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hpunet.imaging.dicom import open_series
from hpunet.imaging.dicom_header import DicomImage, NoImageError, is_dicom, read_images
from hpunet.imaging.naming import (
    OF_DICOM,
    OF_PICTURES,
    distinct_names,
    names_below,
    names_of_series,
    suffix_of,
)
from hpunet.imaging.nifti import open_nifti
from hpunet.imaging.npy import open_npy
from hpunet.imaging.npz import open_npz
from hpunet.imaging.raster import open_raster
from hpunet.imaging.scan import Scan
from hpunet.imaging.selection import Volume, choose, parse_slices
from hpunet.io.errors import UserError

OPENERS = {
    **dict.fromkeys(OF_PICTURES, open_raster),
    ".npy": open_npy,
    ".npz": open_npz,
    **dict.fromkeys((".nii", ".nii.gz", ".hdr", ".img"), open_nifti),
}
ALLOWED = "PNG, TIFF, JPEG, npy, npz, NIfTI (.nii, .nii.gz, .hdr with .img) and DICOM"


# What a folder of samples holds; its masks are no images to draw on.
RESULTS = {"results.json", "index.html"}


class Found(NamedTuple):
    """What the user's files and folders hold.

    Attributes:
        scans: In the order of the files, each with a name of its own.
        left_out: Files in folders that hold no image: reports, contours, localizers, other
            formats. Hidden files are not among them.
    """

    scans: list[Scan]
    left_out: tuple[Path, ...]


def read_scans(paths: Sequence[str | Path], slices: str | None = None) -> list[Scan]:
    """The images of files and folders, as `find_scans` finds them."""
    return find_scans(paths, slices).scans


def find_scans(paths: Sequence[str | Path], slices: str | None = None) -> Found:
    """The images of files and folders, whose headers are read at once and pixels when needed.

    A file is one scan. Of a folder, and the folders in it, every picture and volume is one, and
    every series of DICOM files, whatever the names of these are. The format follows from the
    suffix; what has another one, or none, is DICOM if it begins so.

    Args:
        paths: Files and folders; links to folders inside of these are not followed, and folders
            that hold the results of an earlier command are passed over.
        slices: None, `all`, or numbers and ranges with their end excluded, such as `12`, `10:20`
            or `3,5,8`; they count from 0 and apply to every volume and series.

    Raises:
        UserError: If a file is missing, empty, given twice or unreadable, holds no gray or RGB
            image, a folder holds no image, or the slices are not in the volume.
    """
    wanted = parse_slices(slices)
    if not paths:
        raise UserError("no image is given; allowed are files and folders")
    groups = [(Path(path), _files(path)) for path in paths]
    _refuse_twice([file for _, files in groups for file in files])
    volumes: list[Volume] = []
    left_out: list[Path] = []
    for path, files in groups:
        if path.is_dir():
            inside, others = _open_folder(path, files)
            volumes += inside
            left_out += others
        else:
            volumes.append(_open_file(path, path.parent))
    if wanted not in (None, (slice(None),)) and all(volume.size == 1 for volume in volumes):
        raise UserError(
            f"--slices={slices}: {volumes[0].place} has a single slice; leave --slices out"
        )
    scans = [choose(volume, wanted, slices) for volume in volumes]
    names = distinct_names([volume.names for volume in volumes])
    named = [scan._replace(name=name) for scan, name in zip(scans, names, strict=True)]
    return Found(named, tuple(left_out))


def _files(named: str | Path) -> list[Path]:
    # Before it is a path: an empty text would be the folder at hand.
    if not os.path.exists(named):
        raise UserError(f"{str(named) or repr('')}: no such file or folder")
    path = Path(named)
    if not path.is_dir():
        return [path]
    files: list[Path] = []
    for folder, folders, names in os.walk(path, onerror=_refuse_folder):
        if RESULTS.issubset(names):
            folders.clear()
        else:
            files += [Path(folder, name) for name in names]
    return sorted((file for file in files if not _is_hidden(file, path)), key=_natural)


def _is_hidden(file: Path, base: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(base).parts)


def _refuse_folder(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts 2 before 10."""
    words = re.split(r"(\d+)", path.as_posix())
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def _refuse_twice(files: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for file in files:
        resolved = file.resolve()
        if resolved in seen:
            raise UserError(f"{file}: is given twice; allowed is once")
        seen.add(resolved)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path}: is neither a file nor a folder")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: is empty")


def _is_dicom(path: Path) -> bool:
    return suffix_of(path) in OF_DICOM or is_dicom(path)


def _open_file(path: Path, base: Path) -> Volume:
    _check_file(path)
    names = names_below(base, path)
    opener = OPENERS.get(suffix_of(path))
    if opener:
        return opener(path, names)
    if _is_dicom(path):
        return open_series(path, read_images(path), names)
    raise UserError(f"{path}: is of no known format; allowed are {ALLOWED}")


def _open_folder(folder: Path, files: Sequence[Path]) -> tuple[list[Volume], list[Path]]:
    """The volumes in a folder, sorted by name, and the files that hold none."""
    volumes: list[Volume] = []
    left_out: list[Path] = []
    series: dict[str, list[DicomImage]] = {}
    for file in files:
        if suffix_of(file) == ".img" and file.with_suffix(".hdr") in files:
            continue  # It comes with its header.
        if suffix_of(file) in OPENERS:
            volumes.append(_open_file(file, folder))
            continue
        images = _images_inside(file)
        if not images:
            left_out.append(file)
        elif images[0].num_frames:
            volumes.append(open_series(file, images, names_below(folder, file)))
        else:
            series.setdefault(images[0].series, []).extend(images)
    volumes += [_open_series(folder, images) for images in series.values()]
    if not volumes:
        raise UserError(f"{folder}: holds no image among {len(files)} files; allowed are {ALLOWED}")
    return sorted(volumes, key=lambda volume: _natural(Path(volume.names[0]))), left_out


def _images_inside(file: Path) -> list[DicomImage]:
    """The images of a file in a folder, none if it is no DICOM file or holds something else."""
    if suffix_of(file) in OF_DICOM:
        _check_file(file)
    try:
        return read_images(file) if file.is_file() and _is_dicom(file) else []
    except NoImageError:
        return []


def _open_series(folder: Path, images: Sequence[DicomImage]) -> Volume:
    paths = [image.path for image in images]
    # Resolved: the folder at hand has no name otherwise.
    place = Path(os.path.commonpath([path.parent for path in paths])).resolve()
    return open_series(place, images, names_of_series(folder, paths, images[0].series_number))
