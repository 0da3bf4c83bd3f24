"""Finds the images in files and folders that a user names."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hpunet.imaging.dicom import open_stacks
from hpunet.imaging.dicom_header import DicomImage, NoImageError, read_images
from hpunet.imaging.formats import (
    DICOM_SUFFIXES,
    READERS,
    check_file,
    is_dicom_file,
    open_file,
    suffix_of,
)
from hpunet.imaging.naming import PAGE, RESULTS, distinct_names, names_below, names_of_series
from hpunet.imaging.selection import choose, parse_slices
from hpunet.imaging.volume import Excluded, ReadMode, Volume
from hpunet.io.errors import UserError
from hpunet.io.listing import is_stray, natural_key

ALLOWED = "PNG, TIFF, JPEG, BMP, GIF, npy, npz, NIfTI (.nii, .nii.gz, .hdr with .img) and DICOM"
UNKNOWN = "unknown format"
# Kinds of skipped files that a message lists.
MOST_KINDS = 5


class Inputs(NamedTuple):
    """The images in files and folders that a user names.

    Attributes:
        volumes: One for each image, in the order of the files, with distinct names.
        left_out: Files that hold no image to segment (reports, contours, localizers, other formats)
            and images that do not belong to the volume of their series. Stray files are not listed.
        failed: Files, series and folders that cannot be read, or lack the selected slices.
    """

    volumes: list[Volume]
    left_out: list[Excluded]
    failed: list[Excluded]


class _Named(NamedTuple):
    """A volume with possible names for its results, the best first."""

    names: tuple[str, ...]
    volume: Volume


class _Search:
    """Volumes found so far, with what is left out and what fails."""

    def __init__(self, mode: ReadMode) -> None:
        self.mode = mode
        self.found: list[_Named] = []
        self.left_out: list[Excluded] = []
        self.failed: list[Excluded] = []

    def add_file(self, path: Path, base: Path) -> None:
        """Opens a file that is not part of a series."""
        names = names_below(base, path)
        try:
            if suffix_of(path) in READERS:
                self.found.append(_Named(names, open_file(path, self.mode)))
                return
            check_file(path)
            if not is_dicom_file(path):
                raise UserError(f"{path}: unknown format; allowed are {ALLOWED}")
            self._add_stacks(path, names, read_images(path))
        except UserError as error:
            self.failed.append(Excluded.by_error(path, error))

    def add_folder(self, folder: Path, files: Sequence[Path]) -> None:
        """Opens the files in a folder; each series of DICOM files is combined."""
        series: dict[tuple[str, ...], list[DicomImage]] = {}
        own = _Search(self.mode)
        for file in files:
            if suffix_of(file) == ".img" and file.with_suffix(".hdr") in files:
                continue  # Read with its header.
            if suffix_of(file) in READERS:
                own.add_file(file, folder)
            elif images := own._images_inside(file):
                if images[0].num_frames:
                    own._try_stacks(file, names_below(folder, file), images)
                else:
                    series.setdefault(images[0].series, []).extend(images)
        for images in series.values():
            own._add_series(folder, images)
        self.found += sorted(own.found, key=lambda one: natural_key(one.names[0]))
        self.left_out += own.left_out
        self.failed += own.failed
        if not own.found and not any(
            Path(each.place).is_relative_to(folder) for each in self.failed
        ):
            reason = f"contains no image (files: {_counted(files)}); allowed are {ALLOWED}"
            if example := next((one for one in own.left_out if one.reason != UNKNOWN), None):
                reason += f" ({example})"
            self.failed.append(Excluded(str(folder), reason))

    def _images_inside(self, file: Path) -> list[DicomImage]:
        """The images in a DICOM file; none for files without an image, which are left out."""
        try:
            if suffix_of(file) in DICOM_SUFFIXES:
                check_file(file)
            if is_dicom_file(file):
                return read_images(file)
            self.left_out.append(Excluded(str(file), UNKNOWN))
        except NoImageError as error:
            self.left_out.append(Excluded.by_error(file, error))
        except UserError as error:
            self.failed.append(Excluded.by_error(file, error))
        return []

    def _add_series(self, folder: Path, images: Sequence[DicomImage]) -> None:
        paths = [image.path for image in images]
        place = Path(os.path.commonpath([path.parent for path in paths]))
        # The current folder has no name otherwise.
        place = place if place.name not in ("", "..") else place.resolve()
        if len(images) == 1:
            # Such as one of several radiographs in a folder.
            self._try_stacks(paths[0], names_below(folder, paths[0]), images)
            return
        self._try_stacks(place, names_of_series(folder, paths, images[0].series_number), images)

    def _try_stacks(
        self, place: Path, names: tuple[str, ...], images: Sequence[DicomImage]
    ) -> None:
        try:
            self._add_stacks(place, names, images)
        except UserError as error:
            self.failed.append(Excluded.by_error(place, error))

    def _add_stacks(
        self, place: Path, names: tuple[str, ...], images: Sequence[DicomImage]
    ) -> None:
        volumes, left_out = open_stacks(place, images)
        for label, volume in volumes:
            own = tuple(f"{name}/{label}" for name in names) if label else names
            self.found.append(_Named(own, volume))
        self.left_out += left_out


def find_volumes(
    paths: Sequence[str | Path], slices: str | None = None, plane: str = "auto"
) -> Inputs:
    """Finds the images in files and folders; reads headers at once and pixels when needed.

    A file is one volume, of one or more slices. In a folder and its subfolders, each file is one
    volume, and each series of DICOM files is one, whatever the names of its files; a series of
    several stacks is several volumes. The suffix gives the format; a file with another suffix, or
    none, is DICOM if it begins like a DICOM file.

    A file or series that cannot be read does not stop the others. Images may hold NaN.

    Args:
        paths: Files and folders. Links to folders inside them are not followed. Stray files, and
            folders that hold the results of an earlier command, are skipped.
        slices: None, `all`, or numbers and ranges with their end excluded, such as `12`, `10:20`
            or `3,5,8`. Numbers start at 0 and apply to every volume and series.
        plane: The plane along which NIfTI volumes are cut, as in `ReadMode`.

    Raises:
        UserError: If a path does not exist, a file is given twice, or `slices` or `plane` fits no
            volume; or if no volume can be read, with the first reason.
    """
    wanted = parse_slices(slices)
    if not paths:
        raise UserError("no image is given; name files or folders")
    search = _Search(ReadMode(plane=plane, nan=True))
    groups = [(Path(path), _files(path, search.failed)) for path in paths]
    _refuse_twice([file for _, files in groups for file in files])
    for path, files in groups:
        if path.is_dir():
            search.add_folder(path, files)
        else:
            search.add_file(path, path.parent)
    named = search.found
    if named:
        _check_flags([one.volume for one in named], wanted, slices, plane)
    chosen: list[_Named] = []
    for one in named:
        try:
            chosen.append(one._replace(volume=choose(one.volume, wanted, slices)))
        except UserError as error:
            search.failed.append(Excluded.by_error(one.volume.place, error))
    refuse_if_none(chosen, search.failed)
    names = distinct_names([one.names for one in chosen])
    volumes = [one.volume._replace(name=name) for one, name in zip(chosen, names, strict=True)]
    return Inputs(volumes, search.left_out, search.failed)


def refuse_if_none(remaining: Sequence[object], failed: Sequence[Excluded]) -> None:
    """Refuses a command of whose images none is left, with the first reason.

    Raises:
        UserError: If nothing remains.
    """
    if not remaining:
        more = f" ({len(failed) - 1} more fail)" if len(failed) > 1 else ""
        raise UserError(f"{failed[0]}{more}")


def _check_flags(
    volumes: Sequence[Volume],
    wanted: tuple[int | slice, ...] | None,
    slices: str | None,
    plane: str,
) -> None:
    """Refuses flags that fit none of the volumes."""
    first = volumes[0].place
    if wanted not in (None, (slice(None),)) and all(len(one.pictures) == 1 for one in volumes):
        raise UserError(f"--slices={slices}: {first} has a single slice; leave --slices out")
    if plane != "auto" and all(one.kind != "nifti" for one in volumes):
        raise UserError(
            f"--plane={plane}: allowed are NIfTI volumes; {first} is read as it is stored"
        )


def _counted(files: Sequence[Path]) -> str:
    """The number of files with their suffixes."""
    kinds = Counter(file.suffix.lower() or "no suffix" for file in files)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(MOST_KINDS))
    return listed + (" and others" if len(kinds) > MOST_KINDS else "") or "none"


def _files(named: str | Path, failed: list[Excluded]) -> list[Path]:
    # Checked first, because `Path("")` is the current folder.
    if not os.path.exists(named):
        raise UserError(f"{str(named) or repr('')}: no such file or folder")
    path = Path(named)
    if not path.is_dir():
        return [path]

    def note(error: OSError) -> None:
        failed.append(Excluded(str(error.filename), f"cannot be read: {error.strerror}"))

    files: list[Path] = []
    for folder, folders, names in os.walk(path, onerror=note):
        # A folder with both holds results, whose masks are not images to segment.
        if {RESULTS, PAGE}.issubset(names):
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
