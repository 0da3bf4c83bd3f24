"""Matches the files of images and annotations by a CSV table."""

import csv
import pathlib
from collections.abc import Iterable, Iterator

from hpunet.data.folder.faults import Faults
from hpunet.data.folder.files import (
    IMAGES,
    ImageFiles,
    check_annotators,
    check_patient,
    is_file,
    is_inside,
    patient_of,
    stem_of,
)
from hpunet.io.errors import UserError

# Characters of an arbitrary path in a message.
MOST_SHOWN = 300
NEEDED = ("image", "annotator", "mask")
OPTIONAL = ("patient", "split")


def find_by_table(
    root: pathlib.Path, table: pathlib.Path, patient: str | None, faults: Faults
) -> list[ImageFiles]:
    """Reads the images that a table lists, by paths relative to `root`.

    Args:
        root: The folder.
        table: The CSV file. A line without a mask means that its annotator did not look at the
            image.
        patient: A regular expression for the patient in the name of an image, used if the table
            has no column of patients, or None.
        faults: Faults are added to this list.

    Raises:
        UserError: If the table cannot be read or lacks a column.
    """
    entries: dict[pathlib.Path, ImageFiles] = {}
    for number, row in read_table(table, NEEDED, OPTIONAL):
        place = f"{table}, line {number}"
        if not row["image"]:
            faults.add(place, "has no image")
            continue
        image = root / row["image"]
        if not _is_fine(row["image"], root, place, faults):
            continue
        # A path may be written in several ways.
        name = _name(row["image"])
        owner = row["patient"] or patient_of(name, patient)
        own = ImageFiles(name, image, {}, owner, row["split"] or None)
        entry = entries.setdefault(image.resolve(), own)
        for field in ("name", "patient", "split"):
            if getattr(own, field) != getattr(entry, field):
                faults.add(place, f"has another {field} than the lines of {entry.image} before it")
        _add_mask(entry, row, root, place, faults)
    for entry in entries.values():
        check_patient(entry, patient, faults)
    _check_names(entries.values(), faults)
    check_annotators(table, {name for entry in entries.values() for name in entry.masks}, faults)
    return [entry._replace(masks=dict(sorted(entry.masks.items()))) for entry in entries.values()]


def _name(image: str) -> str:
    return stem_of(pathlib.PurePosixPath(image).as_posix().removeprefix(f"{IMAGES}/"))


def _add_mask(
    entry: ImageFiles, row: dict[str, str], root: pathlib.Path, place: str, faults: Faults
) -> None:
    if not row["mask"]:
        return
    if not row["annotator"]:
        faults.add(place, "has a mask, but no annotator")
    elif row["annotator"] in entry.masks:
        faults.add(place, f"is the second one of {entry.image} by {row['annotator']}")
    elif _is_fine(row["mask"], root, place, faults):
        entry.masks[row["annotator"]] = root / row["mask"]


def _is_fine(named: str, root: pathlib.Path, place: str, faults: Faults) -> bool:
    """Whether a path of the table is a file below the folder; otherwise adds a fault."""
    path, parts = root / named, pathlib.PurePath(named).parts
    if not is_file(path):
        faults.add(str(path)[:MOST_SHOWN], f"is not a file ({place})")
    elif ".." in parts or pathlib.PurePath(named).is_absolute() or not is_inside(path, root):
        faults.add(path, f"leads outside of {root}; allowed are paths below it ({place})")
    else:
        return True
    return False


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
    """The lines of a CSV file with their numbers; missing optional columns are empty.

    Columns are separated by semicolons if the first line has any, otherwise by commas.

    Raises:
        UserError: If the file cannot be read, or lacks a needed column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text in UTF-8"
        raise UserError(f"{path}: cannot be read: {reason}") from error
    lines = text.splitlines()
    delimiter = ";" if lines and ";" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=delimiter)
    columns = [name.strip() for name in reader.fieldnames or []]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UserError(
            f"{path}: lacks the column {', '.join(missing)}; it has {', '.join(columns) or 'none'}"
        )
    reader.fieldnames = columns
    try:
        for row in reader:
            values = {name: (row.get(name) or "").strip() for name in (*needed, *optional)}
            yield reader.line_num, values
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}") from error
