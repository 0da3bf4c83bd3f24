"""Matches the files of images and annotations by a CSV table."""

import csv
import io
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hpunet.config.data import FolderConfig
from hpunet.data.folder.channels import channels_beside, dicom_files
from hpunet.data.folder.faults import Faults
from hpunet.data.folder.files import (
    Found,
    ImageFiles,
    MaskFile,
    check_annotators,
    check_patient,
    stem_of,
)
from hpunet.data.folder.patients import SplitFolders, patient_of
from hpunet.data.folder.walk import (
    IMAGES,
    broken_text,
    formats_text,
    is_broken,
    is_file,
    is_known,
)
from hpunet.imaging.formats import suffix_of
from hpunet.io.errors import UserError

# Characters of an arbitrary path in a message.
MOST_SHOWN = 300
NEEDED = ("image", "annotator", "mask")
OPTIONAL = ("patient", "split", "class")
DELIMITERS = ("\t", ";", ",")


class _Place(NamedTuple):
    """A line of a table, for messages.

    Attributes:
        root: The folder of its paths.
        line: The table and the number of the line.
        classes: All classes that the table names.
        faults: The faults so far.
    """

    root: pathlib.Path
    line: str
    classes: tuple[str, ...]
    faults: Faults

    def image_of(self, named: str) -> pathlib.Path | None:
        """`path_of` an image, which may also be the folder of a DICOM series."""
        path = self._path_of(named)
        if path is None or _is_series(path):
            return path
        return self._checked(path)

    def path_of(self, named: str) -> pathlib.Path | None:
        """The file that a line names, below the folder; otherwise adds a fault.

        Paths are relative to the folder, or absolute. Backslashes also separate folders.
        """
        path = self._path_of(named)
        return None if path is None else self._checked(path)

    def _path_of(self, named: str) -> pathlib.Path | None:
        path = self._lexical(named)
        if not os.path.exists(path) and "\\" in named:
            path = self._lexical(named.replace("\\", "/"))
        tops = (os.path.abspath(self.root), os.path.realpath(self.root))
        top = next((top for top in tops if path.is_relative_to(top)), None)
        if top is None:
            problem = f"leads outside of {self.root}; allowed are paths below it"
            self.faults.add(str(path)[:MOST_SHOWN], f"{problem} ({self.line})")
            return None
        return self.root / path.relative_to(top)

    def _checked(self, found: pathlib.Path) -> pathlib.Path | None:
        channels = () if is_file(found) else channels_beside(found, suffix_of(found))
        if not (is_file(found) or channels):
            problem = broken_text(found) if is_broken(found) else "is not a file"
            self.faults.add(str(found)[:MOST_SHOWN], f"{problem} ({self.line})")
            return None
        if not is_known(found):
            problem = f"is of a format that is not read: {formats_text([found])}"
            self.faults.add(found, f"{problem} ({self.line})")
            return None
        return found

    def _lexical(self, named: str) -> pathlib.Path:
        return pathlib.Path(os.path.abspath(self.root / named))


def _is_series(path: pathlib.Path) -> bool:
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK) and bool(dicom_files(path))


def find_by_table(
    root: pathlib.Path, table: pathlib.Path, config: FolderConfig, faults: Faults
) -> Found:
    """Reads the images that a table lists, by paths relative to `root`.

    Args:
        root: The folder.
        table: The CSV file. A line without a mask means that its annotator did not look at the
            image. Several masks of an annotator need the column `class`.
        config: Gives the patients of images without one in the table, and the names of classes.
        faults: Faults are added to this list.

    Raises:
        UserError: If the table cannot be read or lacks a column.
    """
    entries: dict[pathlib.Path, ImageFiles] = {}
    rows = list(read_table(table, NEEDED, OPTIONAL))
    classes = tuple(dict.fromkeys(row["class"] for _, row in rows if row["class"]))
    for number, row in rows:
        place = _Place(root, f"{table}, line {number}", classes, faults)
        if not row["image"]:
            faults.add(place.line, "has no image")
            continue
        image = place.image_of(row["image"])
        if image is None:
            continue
        # A path may be written in several ways.
        own = _entry_of(image, row, root, config)
        entry = entries.setdefault(own.image.resolve(), own)
        for field in ("name", "patient", "split"):
            if getattr(own, field) != getattr(entry, field):
                faults.add(
                    place.line, f"has another {field} than the lines of {entry.image} before it"
                )
        _add_mask(entry, row, place, config)
    for entry in entries.values():
        check_patient(entry, config, faults)
    _check_names(entries.values(), faults)
    check_annotators(table, {name for entry in entries.values() for name in entry.masks}, faults)
    found = [e._replace(masks=dict(sorted(e.masks.items()))) for e in entries.values()]
    return Found(found, tuple(_split_notes(found, config)))


def _entry_of(
    image: pathlib.Path, row: dict[str, str], root: pathlib.Path, config: FolderConfig
) -> ImageFiles:
    """The image of a line, without masks."""
    parts = image.relative_to(root).parts
    below = parts[1:] if parts[0].casefold() == IMAGES and len(parts) > 1 else parts
    name = "/".join(below) if image.is_dir() else stem_of("/".join(below))
    patient = row["patient"] or patient_of(name, config)
    first, *more = (image,) if os.path.exists(image) else channels_beside(image, suffix_of(image))
    return ImageFiles(name, first, {}, patient, row["split"] or None, tuple(more))


def _split_notes(entries: list[ImageFiles], config: FolderConfig) -> Iterator[str]:
    """A note on folders that look like splits but do not count, if splits are drawn."""
    folders = SplitFolders([entry.name for entry in entries])
    if folders.level and config.splits is None and not any(entry.split for entry in entries):
        yield (
            f"the folders {', '.join(folders.splits)} look like splits, but with a table folders "
            "do not count and splits are drawn; the column split of the table gives them"
        )


def _add_mask(entry: ImageFiles, row: dict[str, str], place: _Place, config: FolderConfig) -> None:
    annotator, faults = row["annotator"], place.faults
    if not row["mask"]:
        return
    if not annotator:
        faults.add(place.line, "has a mask, but no annotator")
        return
    label = None
    if row["class"]:
        try:
            label = config.class_table.label_of(row["class"])
        except UserError as error:
            named = ",".join(f"{n}={name}" for n, name in enumerate(place.classes, 1))
            faults.add(
                place.line,
                f"{error}; for these names: --config.data.folder.classes=0,{named}"[:MOST_SHOWN]
                + f" --config.model.num_classes={len(place.classes) + 1}",
            )
            return
    if label is None and annotator in entry.masks:
        faults.add(
            place.line,
            f"is the second one of {entry.image} by {annotator!r}; a column class in the table, "
            "with the name or value of the class that each mask marks, puts several masks of an "
            "annotator together, later ones over earlier ones",
        )
        return
    path = place.path_of(row["mask"])
    if path is not None:
        entry.masks[annotator] = (*entry.masks.get(annotator, ()), MaskFile(path, label))


def _check_names(entries: Iterable[ImageFiles], faults: Faults) -> None:
    """Adds a fault for names that a file system, or a folder of results, cannot tell apart."""
    seen: dict[str, ImageFiles] = {}
    for entry in entries:
        inside = entry.name.startswith(f"{entry.group}/")
        label = entry.name if inside else f"{entry.group}/{entry.name}"
        other = seen.setdefault(label.casefold(), entry)
        if other is not entry:
            faults.add(entry.image, _too_alike(entry.name, other))


def _too_alike(name: str, other: ImageFiles) -> str:
    if name == other.name:
        return f"differs from {other.image} in its suffix only; allowed are other names"
    if name.casefold() == other.name.casefold():
        return f"differs from {other.image} in case only; allowed are other names"
    return f"would have the same name among results as {other.image}; allowed are other names"


def read_table(
    path: pathlib.Path, needed: tuple[str, ...], optional: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with the numbers of their first lines.

    Missing optional columns are empty. Columns are separated by tabs if the first line has any,
    else by semicolons if it has any, otherwise by commas.

    Raises:
        UserError: If the file cannot be read, or lacks a needed column.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text in UTF-8"
        raise UserError(f"{path}: cannot be read: {reason}") from error
    head = text.lstrip().splitlines()[:1]
    delimiter = next((d for d in DELIMITERS if head and d in head[0]), ",")
    # Line ends stay as they are: quoted fields may hold some, and they count.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns: list[str] = []
    line = 1
    try:
        for row in reader:
            line, first = reader.line_num + 1, line
            if not any(field.strip() for field in row):
                continue
            if not columns:
                columns = _columns(row, needed, path)
                continue
            given = dict(zip(columns, row, strict=False))
            yield first, {name: given.get(name, "").strip() for name in (*needed, *optional)}
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}") from error
    if not columns:
        _columns([], needed, path)


def _columns(names: list[str], needed: tuple[str, ...], path: pathlib.Path) -> list[str]:
    columns = [name.strip().casefold() for name in names]
    missing = [name for name in needed if name not in columns]
    if missing:
        listed = ", ".join(name.strip() for name in names) or "none"
        raise UserError(f"{path}: lacks the column {', '.join(missing)}; it has {listed}")
    return columns
