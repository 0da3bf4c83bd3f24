"""The files of images and annotations of a folder, matched by their names."""

import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from hpunet.config.data import FolderConfig
from hpunet.data.folder.channels import (
    dicom_files,
    find_series,
    group_channels,
    names_without_channels,
    plane_of_masks,
)
from hpunet.data.folder.faults import TABLE_HELPS, Faults
from hpunet.data.folder.matching import match_masks, names_in, unmatched_text
from hpunet.data.folder.patients import SplitFolders, folder_patient, patient_of, unclear
from hpunet.data.folder.walk import files_below, skipped_text
from hpunet.imaging.formats import IMAGE_SUFFIXES, is_dicom_file, open_file, suffix_of
from hpunet.imaging.labels import open_masks
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError


class MaskFile(NamedTuple):
    """A file with what an annotator marked, or with a part of it.

    Attributes:
        path: The file.
        label: The class of everything that it marks, or None if its values are classes.
        number: The only mask of the file that counts, from 0, or None for all, one a slice.
    """

    path: pathlib.Path
    label: int | None = None
    number: int | None = None


class ImageFiles(NamedTuple):
    """The files of an image or volume, with the files of its annotations.

    Attributes:
        name: The path below `images`, without the suffix.
        image: The file, the folder of a DICOM series, or the first of several channels.
        masks: The files of each annotator who looked at the image, by the annotator's name. Of
            several, later ones cover earlier ones.
        patient: The patient, or None if unknown.
        split: The split that is given for the image, or None.
        more_channels: The files of the other channels.
    """

    name: str
    image: pathlib.Path
    masks: dict[str, tuple[MaskFile, ...]]
    patient: str | None
    split: str | None = None
    more_channels: tuple[pathlib.Path, ...] = ()

    @property
    def group(self) -> str:
        """The patient, or the name of the image if the patient is unknown."""
        return self.name if self.patient is None else self.patient

    @property
    def files(self) -> dict[str, pathlib.Path]:
        """All files.

        `""` is the image, or `/` with a name a file of its series; an annotator's name is the first
        file of the annotator.
        """
        image = {"": self.image}
        if self.image.is_dir():
            image = {f"/{file.name}": file for file in dicom_files(self.image)}
        masks = {
            annotator if n == 0 else f"{annotator}\0{n}": mask.path
            for annotator, files in self.masks.items()
            for n, mask in enumerate(files)
        }
        more = {f"\0{n}": path for n, path in enumerate(self.more_channels)}
        return {**image, **more, **masks}


class Found(NamedTuple):
    """The images of a folder.

    Attributes:
        entries: The images, with their patients and with the splits that a table or folders give.
        notes: Notes for the user on what was recognised.
    """

    entries: list[ImageFiles]
    notes: tuple[str, ...] = ()


def find_by_name(
    images: pathlib.Path,
    annotations: pathlib.Path,
    config: FolderConfig,
    faults: Faults,
    others: Sequence[pathlib.Path] = (),
) -> Found:
    """Finds the images of a folder with `images` and `annotations`.

    Args:
        images: The folder of images.
        annotations: The folder of annotations.
        config: How to find patients, and whether splits are given.
        faults: Faults are added to this list.
        others: Files of formats that are not read, for messages.
    """
    files = files_below(images, faults)
    masks = [(stem_of(file), path) for file, path in files_below(annotations, faults).items()]
    stems = [stem for stem, _ in masks]
    others = [path for path in others if path.is_relative_to(images)]
    series = find_series(images, files, stems)
    folders = set(series.values())
    files = {
        file: path
        for file, path in files.items()
        if not (path.parent in folders and is_dicom_file(path))
    }
    single = _by_name(files, faults) | series
    named = group_channels(single, _annotated(stems, single), faults)
    found, notes = match_masks(stems, named)
    entries = {
        name: ImageFiles(name, paths[0], {}, None, None, paths[1:]) for name, paths in named.items()
    }
    skipped = skipped_text(others)
    several: list[str] = []
    for stem, path in masks:
        if stem in found:
            image, annotator = found[stem]
            _add_mask(entries[image].masks, annotator, MaskFile(path), faults)
        elif stem in entries:
            several += _add_all_masks(entries[stem], path, config, faults)
        else:
            faults.add(path, unmatched_text(stem, named) + skipped)
    notes = (*notes, *_channels_text(named), *_several_text(several))
    names = {name for entry in entries.values() for name in entry.masks}
    check_annotators(annotations.parent, names, faults)
    ordered = [e._replace(masks=dict(sorted(e.masks.items()))) for e in entries.values()]
    placed, more_notes = _with_patients(ordered, config, faults)
    return Found(placed, (*notes, *more_notes))


def _annotated(stems: Sequence[str], files: Mapping[str, pathlib.Path]) -> set[str]:
    """Names of images, with the numbers of channels or without, of which there may be a mask."""
    annotated = {name.image for stem in stems for name in names_in(stem)} | set(stems)
    without = names_without_channels(files)
    if without:
        matched = match_masks(stems, without | files.keys()).found
        annotated |= {name.image for name in matched.values()}
    return annotated


def _add_mask(
    masks: dict[str, tuple[MaskFile, ...]], annotator: str, mask: MaskFile, faults: Faults
) -> None:
    if annotator in masks:
        other = masks[annotator][0].path
        faults.add(
            mask.path,
            f"has the same image and annotator as {other}; a table annotations.csv with the column "
            "class can put several masks of an annotator together",
        )
    else:
        masks[annotator] = (mask,)


def _add_all_masks(
    entry: ImageFiles, path: pathlib.Path, config: FolderConfig, faults: Faults
) -> list[str]:
    """Adds each mask in a file with the name of an image as that of an annotator, from 1.

    Returns:
        The annotators.
    """
    try:
        volume = open_file(entry.image, ReadMode(plane=config.plane))
        slices = len(volume.pictures)
        plane = plane_of_masks(volume, config)
        mode = ReadMode(mask=True, colours=config.class_table.colours, plane=plane)
        count = len(open_masks(path, mode).pictures)
    except UserError as error:
        faults.add_error(path, error)
        return []
    if slices > 1:
        faults.add(
            path,
            f"is in no folder of an annotator, but its image {entry.image} has {slices} slices; "
            f"allowed are then <annotator>/<name> and <name>_a<k>; {TABLE_HELPS}",
        )
        return []
    annotators = [str(number + 1) for number in range(count)]
    for number, annotator in enumerate(annotators):
        _add_mask(entry.masks, annotator, MaskFile(path, number=number), faults)
    return annotators


def _channels_text(images: Mapping[str, Sequence[pathlib.Path]]) -> Iterator[str]:
    several = [paths for paths in images.values() if len(paths) > 1]
    if several:
        plural = "s" if len(several) > 1 else ""
        yield (
            f"{sum(map(len, several))} files with numbers such as _0000 are taken as the channels "
            f"of {len(several)} image{plural}"
        )


def _several_text(annotators: Sequence[str]) -> Iterator[str]:
    if not annotators:
        return
    most = max(map(int, annotators))
    files = annotators.count("1")
    who = "the annotator 1" if most == 1 else f"the annotators 1 to {most}"
    yield (
        f"{files} file{'s' if files > 1 else ''} of annotations with the name of an image are in "
        f"no folder of an annotator; their masks are taken as those of {who}"
    )


def _with_patients(
    entries: Sequence[ImageFiles], config: FolderConfig, faults: Faults
) -> tuple[list[ImageFiles], list[str]]:
    """The images with their patients and the splits of their folders, and notes on these."""
    folders = SplitFolders([entry.name for entry in entries])
    as_patients = bool(folders.others) and config.patient_level == folders.level
    uses_folders = folders.level is not None and config.splits is None and not as_patients
    if uses_folders:
        for file, problem in unclear(folders, {e.name: str(e.image) for e in entries}):
            faults.add(file, problem)
        entries = [e._replace(split=folders.split_of(e.name) or None) for e in entries]
    if config.patient is not None:
        entries = [e._replace(patient=patient_of(e.name, config)) for e in entries]
    else:
        entries = [e._replace(patient=folder_patient(e.name, folders)) for e in entries]
        if uses_folders and _span_splits(entries):
            entries = [e._replace(patient=None) for e in entries]
    for entry in entries:
        check_patient(entry, config, faults)
    return list(entries), [folders.text] if uses_folders else []


def _span_splits(entries: Sequence[ImageFiles]) -> bool:
    """Whether the images of a patient are in several splits."""
    splits: dict[str, str | None] = {}
    return any(splits.setdefault(entry.group, entry.split) != entry.split for entry in entries)


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


def check_patient(entry: ImageFiles, config: FolderConfig, faults: Faults) -> None:
    """Adds a fault for an unknown patient, or one whose name cannot be a folder of results."""
    name = entry.patient
    if name is None and config.patient is not None:
        faults.add(
            entry.image,
            f"its name {entry.name!r} has no patient by data.folder.patient={config.patient}",
        )
    if name is not None and (name in (".", "..") or "/" in name or "\\" in name):
        faults.add(entry.image, f"its patient is {name!r}; allowed are names without slashes")


def stem_of(file: str) -> str:
    """A path without the suffix of a known format."""
    return file[: len(file) - len(suffix_of(pathlib.Path(file)))]


def _by_name(files: Mapping[str, pathlib.Path], faults: Faults) -> dict[str, pathlib.Path]:
    """The files of images by their names without suffix, which must differ."""
    found: dict[str, pathlib.Path] = {}
    lowered: dict[str, pathlib.Path] = {}
    for file, path in files.items():
        if suffix_of(path) not in ("", *IMAGE_SUFFIXES):
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
