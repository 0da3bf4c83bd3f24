"""Lists the files of an annotated folder, with faults and with notes for the user."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from hpunet.config.data import FolderConfig
from hpunet.data.folder.faults import Faults
from hpunet.data.folder.files import (
    ANNOTATIONS,
    IMAGES,
    ImageFiles,
    check_nesting,
    find_by_name,
    other_files,
)
from hpunet.data.folder.splits import assign
from hpunet.data.folder.table import find_by_table
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
UNKNOWN = (
    "the patients of the images are unknown, so each image counts as its own patient: if several "
    "images show one patient, the splits share patients and scores are too good; subfolders of "
    "images, data.folder.patient or a table specify the patients"
)
LEFT_OUT = "skipped because they have no annotation: {count} of {total} images"
OTHERS = "skipped because of an unknown format: {count} files, the first of them {first}"


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files of an annotated folder.

    Attributes:
        entries: Images with the files of their annotations, and their splits.
        checksums: The checksum of each entry's files, by its name.
        faults: Faults of names, links, tables and splits.
        others: Files of formats that are not read.
    """

    entries: Sequence[ImageFiles]
    checksums: Mapping[str, str]
    faults: Faults
    others: Sequence[pathlib.Path] = ()

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
        return _notes_of(annotators, self.patients_known, self.left_out, self.others)


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
    entries = _find(root, config, faults)
    memory = home(prepared_dir) / "checksums"
    files = {f"{entry.name}\n{key}": path for entry in entries for key, path in entry.files.items()}
    by_file = file_checksums(files, memory)
    checksums = {
        entry.name: combine({key: by_file[f"{entry.name}\n{key}"] for key in entry.files})
        for entry in entries
    }
    if entries and not any(entry.masks for entry in entries):
        faults.add(root, f"has {len(entries)} images, but no annotation of any of them")
    split = assign(entries, config, checksums, faults)
    if not faults and not any(e.split == "train" and e.masks for e in split):
        faults.add(root, "has no annotated image in the split train")
    _check_weights(config.weights, split, faults)
    series = {entry.image for entry in entries}
    others = [path for path in other_files(root) if path.parent not in series]
    return Listing(split, checksums, faults, others)


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


def _find(root: pathlib.Path, config: FolderConfig, faults: Faults) -> list[ImageFiles]:
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "no such folder"
        raise UserError(f"data.dir={root}: {problem}")
    table = root / (config.table or TABLE)
    if config.table is not None and not table.is_file():
        raise UserError(f"data.folder.table={config.table}: there is no file {table}")
    if table.is_file():
        entries = find_by_table(root, table, config.patient, faults)
    elif (root / IMAGES).is_dir() and (root / ANNOTATIONS).is_dir():
        entries = find_by_name(root, config.patient, faults)
    else:
        raise UserError(
            f"data.dir={root}: holds neither {IMAGES} and {ANNOTATIONS} nor a table {TABLE}"
        )
    if not entries and not faults:
        raise UserError(f"data.dir={root}: holds no image")
    check_nesting(entries, faults)
    return sorted(entries, key=lambda entry: entry.name)


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
        notes.append(OTHERS.format(count=len(others), first=others[0]))
    return tuple(notes)
