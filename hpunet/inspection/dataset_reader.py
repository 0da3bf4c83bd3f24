"""Reads the examples of a data set once for inspection."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.config.data import FolderConfig
from hpunet.data.dataset import Dataset
from hpunet.data.folder.faults import Faults, Notes
from hpunet.data.folder.listing import Listing
from hpunet.data.folder.patients import SPLITS
from hpunet.data.folder.plausibility import MaskStatistics
from hpunet.data.folder.reading import read_examples
from hpunet.data.folder.statistics import ValueStatistics
from hpunet.data.intensities import Intensities
from hpunet.io.errors import UserError
from hpunet.io.progress import progress

TRAIN = "train"
UNNAMED = (
    "the annotators of this data set have no names: the same number may stand for different people "
    "in different images"
)


class Example(NamedTuple):
    """An image with its annotations.

    Attributes:
        split: `train`, `val` or `test`.
        file: Name of the file, which the slices of a volume share.
        name: Name of the example.
        patient: Name of the patient.
        image: Values as stored, float32 `[H, W, C]`.
        annotations: Class labels `[G, H, W]`, `IGNORED` at ignored pixels.
        annotators: Names of the G annotators.
    """

    split: str
    file: str
    name: str
    patient: str
    image: Float[np.ndarray, "H W C"]
    annotations: UInt8[np.ndarray, "G H W"]
    annotators: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class DatasetReader:
    """A data set that can be read once.

    Attributes:
        name: Name of the data set; for an annotated folder, its path.
        class_names: Names of the classes, background first.
        files: Names of the files of the training split, as in `Example.file`.
        read: Yields every valid example and appends the faults of the others to `faults`.
        faults: Faults found so far; complete once all examples are read.
        num_unannotated: Number of images without annotations.
        patients_known: Whether the patient of every image is known.
        intensities: Returns the intensity window for the values of the training split.
        notes: Returns notes for the user, given the number of annotations of each example.
    """

    name: str
    class_names: tuple[str, ...]
    files: Sequence[str]
    read: Callable[[], Iterator[Example]]
    faults: Faults
    num_unannotated: int
    patients_known: bool
    intensities: Callable[[ValueStatistics], Intensities]
    notes: Callable[[Sequence[int]], tuple[str, ...]]


def folder_reader(path: str, listing: Listing, config: FolderConfig) -> DatasetReader:
    """Reader of an annotated folder, directly from its files.

    Args:
        path: Path of the folder.
        listing: Files of the folder.
        config: Settings of reading.
    """
    faults = Faults(listing.faults)
    remarks, masks = Notes(), MaskStatistics(config.class_table)
    return DatasetReader(
        name=f"folder {path}",
        class_names=config.class_table.names,
        files=[entry.name for entry in listing.annotated if entry.split == TRAIN],
        read=lambda: _read_folder(listing, config, faults, remarks, masks),
        faults=faults,
        num_unannotated=listing.left_out,
        patients_known=listing.patients_known,
        intensities=lambda values: _intensities(values, config),
        notes=lambda counts: (*listing.notes(counts), *remarks, *masks.notes()),
    )


def _intensities(values: ValueStatistics, config: FolderConfig) -> Intensities:
    if not values.channels:
        raise UserError(f"data.folder.slices={config.slices}: the split train has no example")
    return values.intensities(config)


def _read_folder(
    listing: Listing, config: FolderConfig, faults: Faults, notes: Notes, masks: MaskStatistics
) -> Iterator[Example]:
    most = 0
    for entry in progress(listing.entries, len(listing.entries), "inspecting"):
        for record in read_examples(entry, config, faults, notes):
            channels = record["image"].shape[-1]
            # A grey image among coloured images counts as three equal channels.
            if most and channels != most and 1 not in (channels, most):
                faults.add(entry.image, f"has {channels} channels, images before it {most}")
                break
            most = max(channels, most)
            masks.add(record["annotators"], record["annotations"], record["white"])
            fields = {name: record[name] for name in Example._fields if name in record}
            if entry.split in SPLITS:
                yield Example(split=entry.split, file=entry.name, **fields)


def prepared_reader(dataset: Dataset, num_classes: int) -> DatasetReader:
    """Reader of a prepared data set, whose annotators are numbered from 1.

    Args:
        dataset: The opened data set.
        num_classes: Number of classes of the network.
    """
    count = len(dataset.splits[TRAIN]) if TRAIN in dataset.splits else 0
    return DatasetReader(
        name=f"{dataset.name} {dataset.version}",
        class_names=tuple(f"class {label}" for label in range(num_classes)),
        files=[_file_name(TRAIN, index) for index in range(count)],
        read=lambda: _read_dataset(dataset),
        faults=Faults(),
        num_unannotated=0,
        patients_known=True,
        intensities=lambda values: dataset.intensities,
        notes=lambda counts: (*dataset.notes, UNNAMED),
    )


def _read_dataset(dataset: Dataset) -> Iterator[Example]:
    for split, source in dataset.splits.items():
        for index in progress(range(len(source)), len(source), f"inspecting {split}"):
            record: dict[str, Any] = source[index]
            yield Example(
                split=split,
                file=_file_name(split, index),
                name=record["name"],
                patient=record["patient"],
                image=record["image"].astype(np.float32),
                annotations=record["annotations"],
                annotators=tuple(str(number + 1) for number in range(len(record["annotations"]))),
            )


def _file_name(split: str, index: int) -> str:
    return f"{split} {index}"
