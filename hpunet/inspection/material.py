"""What is inspected: the examples of any data set, one after the other."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.data.dataset import Dataset
from hpunet.data.folder.builder import Listing
from hpunet.data.folder.config import FolderConfig
from hpunet.data.folder.faults import Faults
from hpunet.data.folder.reading import read_entry
from hpunet.data.folder.splits import SPLITS
from hpunet.data.folder.statistics import ValueStatistics
from hpunet.data.intensities import Intensities
from hpunet.data.prepare import progress
from hpunet.io.errors import UserError

TRAIN = "train"
UNNAMED = (
    "the annotators of this data set have no names: their numbers need not mean the same person "
    "from image to image"
)


class Example(NamedTuple):
    """An image with its annotations.

    Attributes:
        split: `train`, `val` or `test`.
        file: The name of what it is read from; slices of a volume share it.
        name: Its own.
        patient: Whose it is.
        image: Values as stored, float32 `[H, W, C]`.
        annotations: Class labels `[G, H, W]`, `IGNORED` where a pixel counts nowhere.
        annotators: The names of the G.
    """

    split: str
    file: str
    name: str
    patient: str
    image: Float[np.ndarray, "H W C"]
    annotations: UInt8[np.ndarray, "G H W"]
    annotators: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Material:
    """A data set to be read once.

    Attributes:
        name: Of the data set, with its place if it is a folder.
        class_names: Of the classes, background first.
        files: Of the training split, by the names that examples have as `file`.
        read: Gives every sound example and adds what is wrong with the others to `faults`.
        faults: All that is wrong, once everything has been read.
        left_out: How many images nobody annotated.
        patients_known: Whether the patient of every image is.
        intensities: Which values become 0 and 1, from those of the training split.
        notes: What a user should know, from the numbers of annotations that examples have.
    """

    name: str
    class_names: tuple[str, ...]
    files: Sequence[str]
    read: Callable[[], Iterator[Example]]
    faults: Faults
    left_out: int
    patients_known: bool
    intensities: Callable[[ValueStatistics], Intensities]
    notes: Callable[[Sequence[int]], tuple[str, ...]]


def of_folder(place: str, listing: Listing, config: FolderConfig) -> Material:
    """One's own images, read from their files.

    Args:
        place: The folder.
        listing: Its files.
        config: How they are read.
    """
    faults = Faults(listing.faults)
    return Material(
        name=f"folder {place}",
        class_names=config.class_table.names,
        files=[entry.name for entry in listing.annotated if entry.split == TRAIN],
        read=lambda: _read_folder(listing, config, faults),
        faults=faults,
        left_out=listing.left_out,
        patients_known=listing.patients_known,
        intensities=lambda values: _intensities(values, config),
        notes=listing.notes,
    )


def _intensities(values: ValueStatistics, config: FolderConfig) -> Intensities:
    if not values.channels:
        raise UserError(f"data.folder.slices={config.slices}: the split train has no example")
    return values.intensities(config)


def _read_folder(listing: Listing, config: FolderConfig, faults: Faults) -> Iterator[Example]:
    most = 0
    for entry in progress(listing.entries, len(listing.entries), "inspecting"):
        for found in read_entry(entry, config, faults):
            channels = found["image"].shape[-1]
            # A gray image among coloured ones has three equal channels.
            if most and channels != most and 1 not in (channels, most):
                faults.add(entry.image, f"has {channels} channels, images before it {most}")
                break
            most = max(channels, most)
            fields = {name: found[name] for name in Example._fields if name in found}
            if entry.split in SPLITS:
                yield Example(split=entry.split, file=entry.name, **fields)


def of_dataset(dataset: Dataset, num_classes: int) -> Material:
    """A data set that was prepared; its annotators are numbers if they have no names.

    Args:
        dataset: It, opened.
        num_classes: Classes that the network tells apart.
    """
    count = len(dataset.splits[TRAIN]) if TRAIN in dataset.splits else 0
    return Material(
        name=f"{dataset.name} {dataset.version}",
        class_names=tuple(f"class {label}" for label in range(num_classes)),
        files=[_file(TRAIN, position) for position in range(count)],
        read=lambda: _read_dataset(dataset),
        faults=Faults(),
        left_out=0,
        patients_known=True,
        intensities=lambda values: dataset.intensities,
        notes=lambda counts: (*dataset.notes, UNNAMED),
    )


def _read_dataset(dataset: Dataset) -> Iterator[Example]:
    for split, source in dataset.splits.items():
        for position in progress(range(len(source)), len(source), f"inspecting {split}"):
            found: dict[str, Any] = source[position]
            yield Example(
                split=split,
                file=_file(split, position),
                name=found["name"],
                patient=found["patient"],
                image=found["image"].astype(np.float32),
                annotations=found["annotations"],
                annotators=tuple(str(number + 1) for number in range(len(found["annotations"]))),
            )


def _file(split: str, position: int) -> str:
    return f"{split} {position}"
