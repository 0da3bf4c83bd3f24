"""Lists the files of an annotated folder, with faults and with notes for the user."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from hpunet.config.data import FolderConfig
from hpunet.data.folder.faults import TABLE_HELPS, Faults
from hpunet.data.folder.files import Found, ImageFiles, check_nesting, find_by_name
from hpunet.data.folder.patients import UNKNOWN, names_like_splits, warnings_of
from hpunet.data.folder.splits import assign
from hpunet.data.folder.table import find_by_table
from hpunet.data.folder.walk import (
    ANNOTATIONS,
    IMAGES,
    contents_text,
    folder_of,
    formats_text,
    other_files,
    skipped_text,
)
from hpunet.io.checksums import combine, file_checksums
from hpunet.io.errors import UserError

TABLE = "annotations.csv"
SINGLE = (
    "every image has a single annotation. The network can still learn a distribution from the "
    "annotations of similar images, but these data do not show whether several annotators of one "
    "image would differ in the same way. GED² and HM-IoU compare the samples with the single "
    "annotation and do not show it either"
)
FEW = (
    "{single} of {total} annotated images have a single annotation, which does not show how the "
    "annotators of one image differ"
)
LEFT_OUT = "skipped because they have no annotation: {count} of {total} images"
OTHERS = "skipped because of an unknown format: {count} file{s}, such as {first} ({formats})"


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files of an annotated folder.

    Attributes:
        entries: Images with the files of their annotations, and their splits.
        checksums: The checksum of each entry's files, by its name.
        faults: Faults of names, links, tables and splits.
        others: Files of formats that are not read.
        warnings: Notes for the user on patients, splits and names.
    """

    entries: Sequence[ImageFiles]
    checksums: Mapping[str, str]
    faults: Faults
    others: Sequence[pathlib.Path] = ()
    warnings: tuple[str, ...] = ()

    @property
    def annotated(self) -> list[ImageFiles]:
        """The entries with an annotation."""
        return [entry for entry in self.entries if entry.masks]

    @property
    def left_out(self) -> int:
        """Number of images without annotation."""
        return len(self.entries) - len(self.annotated)

    @property
    def patients_known(self) -> bool:
        """Whether the patient of every annotated image is known."""
        return all(entry.patient is not None for entry in self.annotated)

    def notes(self, annotators: Sequence[int]) -> tuple[str, ...]:
        """Notes for the user, given the number of annotations of each example."""
        own = _notes_of(annotators, self.patients_known, self.left_out, self.others)
        return (*self.warnings, *own)


def list_folder(data_dir: str | None, prepared_dir: str, config: FolderConfig) -> Listing:
    """Lists the files of an annotated folder, without decoding them.

    Args:
        data_dir: The folder.
        prepared_dir: Folder of prepared data, where checksums are cached.
        config: How the folder is read.

    Raises:
        UserError: If there is no such folder, or if it contains no image.
    """
    if data_dir is None:
        raise UserError("data.dir is missing: allowed with data.name=folder is a folder")
    root = pathlib.Path(data_dir).expanduser()
    faults = Faults()
    tops = _tops(root, config)
    others = other_files(tops)
    entries, notes = _find(root, tops, config, faults, others)
    checksums = _checksums(entries, home(prepared_dir) / "checksums")
    if entries and not faults and not any(entry.masks for entry in entries):
        skipped = skipped_text([path for path in others if path.is_relative_to(tops[-1])])
        faults.add(
            root,
            f"has {len(entries)} images, but no annotation of any of them{skipped}; {TABLE_HELPS}",
        )
    split = assign(entries, config, checksums, faults)
    if not faults and not any(e.split == "train" and e.masks for e in split):
        faults.add(
            root,
            "has no annotated image in the split train; data.folder.splits or a table with the "
            "column split says what belongs where",
        )
    _check_weights(config.weights, split, faults)
    annotated = [entry for entry in split if entry.masks]
    known = all(entry.patient is not None for entry in annotated)
    drawn = config.splits is None and not any(entry.split for entry in entries)
    # Faults leave images without a split.
    shares = (0, 0, 0) if faults else config.split_shares
    if drawn:
        notes = (*notes, *names_like_splits([entry.name for entry in annotated]))
    return Listing(
        split,
        checksums,
        faults,
        others,
        (*notes, *warnings_of([(e.group, e.split) for e in annotated], shares, known, drawn)),
    )


def _checksums(entries: Sequence[ImageFiles], memory: pathlib.Path) -> dict[str, str]:
    """The checksum of each entry's files."""
    # A file may hold the masks of several annotators.
    paths = {str(path): path for entry in entries for path in entry.files.values()}
    by_file = file_checksums(paths, memory)
    return {
        entry.name: combine({name: by_file[str(path)] for name, path in entry.files.items()})
        for entry in entries
    }


def _check_weights(
    weights: Mapping[str, float], entries: Sequence[ImageFiles], faults: Faults
) -> None:
    annotators = sorted({name for entry in entries for name in entry.masks})
    for name in weights:
        if annotators and name not in annotators:
            listed = ", ".join(annotators)
            faults.add("data.folder.annotator_weights", f"there is no {name}; allowed are {listed}")
    for entry in entries:
        if (
            entry.split == "train"
            and entry.masks
            and not any(weights.get(name, 1) for name in entry.masks)
        ):
            faults.add(entry.image, "all of its annotators have the weight 0; allowed is one above")


def home(prepared_dir: str) -> pathlib.Path:
    """The directory of prepared annotated folders."""
    return pathlib.Path(prepared_dir).expanduser() / "folder"


def _tops(root: pathlib.Path, config: FolderConfig) -> list[pathlib.Path]:
    """The folders of images and annotations, of which there may be none if there is a table."""
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "no such folder"
        raise UserError(f"data.dir={root}: {problem}")
    table = root / (config.table or TABLE)
    if config.table is not None and not table.is_file():
        raise UserError(f"data.folder.table={config.table}: there is no file {table}")
    found = [folder for name in (IMAGES, ANNOTATIONS) if (folder := folder_of(root, name))]
    if len(found) < 2 and not table.is_file():
        raise UserError(
            f"data.dir={root}: holds neither {IMAGES} and {ANNOTATIONS} nor a table {TABLE}; "
            f"{contents_text(root)}"
        )
    return found


def find_images(root: pathlib.Path, config: FolderConfig, faults: Faults) -> Found:
    """Finds the images of an annotated folder with their masks, without splits and checksums.

    Args:
        root: The folder.
        config: How the folder is read.
        faults: Faults are added to this list.

    Raises:
        UserError: If there is no such folder, or if it contains no image.
    """
    tops = _tops(root, config)
    return _find(root, tops, config, faults, other_files(tops))


def _find(
    root: pathlib.Path,
    tops: Sequence[pathlib.Path],
    config: FolderConfig,
    faults: Faults,
    others: Sequence[pathlib.Path],
) -> Found:
    table = root / (config.table or TABLE)
    if table.is_file():
        found = find_by_table(root, table, config, faults)
    else:
        found = find_by_name(tops[0], tops[1], config, faults, others)
    if not found.entries and not faults:
        raise UserError(f"data.dir={root}: holds no image{skipped_text(others)}")
    check_nesting(found.entries, faults)
    return found._replace(entries=sorted(found.entries, key=lambda entry: entry.name))


def _notes_of(
    annotators: Sequence[int],
    patients_known: bool,
    left_out: int,
    others: Sequence[pathlib.Path] = (),
) -> tuple[str, ...]:
    """Notes for the user, the most important first.

    Args:
        annotators: Number of annotations of each example.
        patients_known: Whether the patient of every image is known.
        left_out: Number of images without annotations.
        others: Files of formats that are not read.
    """
    single = sum(count == 1 for count in annotators)
    notes = []
    if single == len(annotators):
        notes.append(SINGLE)
    elif single:
        notes.append(FEW.format(total=len(annotators), single=single))
    if not patients_known:
        notes.append(UNKNOWN)
    if left_out:
        notes.append(LEFT_OUT.format(count=left_out, total=left_out + len(annotators)))
    if others:
        plural = "s" if len(others) > 1 else ""
        formats = formats_text(others)
        notes.append(OTHERS.format(count=len(others), s=plural, first=others[0], formats=formats))
    return tuple(notes)
