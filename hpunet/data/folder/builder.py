"""A folder of one's own images as a data set: checked, prepared and opened."""

import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float

from hpunet.data.checksums import combine, file_checksums
from hpunet.data.dataset import Dataset
from hpunet.data.folder.config import FolderConfig
from hpunet.data.folder.faults import Faults
from hpunet.data.folder.files import (
    ANNOTATIONS,
    IMAGES,
    Entry,
    check_nesting,
    find_by_name,
    other_files,
)
from hpunet.data.folder.notes import notes_of
from hpunet.data.folder.reading import read_entry
from hpunet.data.folder.splits import SPLITS, as_csv, assign
from hpunet.data.folder.statistics import ValueStatistics
from hpunet.data.folder.table import find_by_table
from hpunet.data.intensities import Intensities
from hpunet.data.prepare import LocalInfo, RecordSource, prepare, progress
from hpunet.data.window import Window
from hpunet.io.errors import UserError

TABLE = "annotations.csv"
ANNOTATORS, INTENSITIES, CHANNELS = "annotators_an_image", "intensities", "channels"
# Settings that prepared data do not depend on, but by the entries that follow from them.
FREE = (
    *("sizes", "annotator_weights"),
    *("table", "patient", "splits", "split_seed", "split_shares"),
)


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files of a folder.

    Attributes:
        entries: Images with the files of their annotations, and their splits.
        checksums: Of each entry's files, by its name.
        faults: What is wrong with names, links, tables and splits.
        others: Files of formats that are not read.
    """

    entries: Sequence[Entry]
    checksums: Mapping[str, str]
    faults: Faults
    others: Sequence[pathlib.Path] = ()

    @property
    def annotated(self) -> list[Entry]:
        """Those that anyone annotated."""
        return [entry for entry in self.entries if entry.masks]

    @property
    def left_out(self) -> int:
        """How many images nobody annotated."""
        return len(self.entries) - len(self.annotated)

    @property
    def patients_known(self) -> bool:
        """Whether the patient of every annotated image is."""
        return all(entry.patient is not None for entry in self.annotated)

    def notes(self, annotators: Sequence[int]) -> tuple[str, ...]:
        """What a user should know, from the numbers of annotations that examples have."""
        return notes_of(annotators, self.patients_known, self.left_out, self.others)


def list_folder(data_dir: str | None, prepared_dir: str, config: FolderConfig) -> Listing:
    """The files of a folder; their contents are not decoded.

    Args:
        data_dir: The folder.
        prepared_dir: Folder of prepared data, where checksums are remembered.
        config: How it is read.

    Raises:
        UserError: If there is no such folder, or nothing to read in it.
    """
    if data_dir is None:
        raise UserError("data.dir is missing: allowed with data.name=folder is a folder")
    root = pathlib.Path(data_dir).expanduser()
    faults = Faults()
    entries = _find(root, config, faults)
    memory = home(prepared_dir) / "checksums"
    files = {
        f"{entry.name}\n{annotator}": path
        for entry in entries
        for annotator, path in (("", entry.image), *entry.masks.items())
    }
    by_file = file_checksums(files, memory)
    checksums = {
        entry.name: combine({name: by_file[f"{entry.name}\n{name}"] for name in ("", *entry.masks)})
        for entry in entries
    }
    if entries and not any(entry.masks for entry in entries):
        faults.add(root, f"has {len(entries)} images, but no annotation of any of them")
    split = assign(entries, config, checksums, faults)
    if not faults and not any(e.split == "train" and e.masks for e in split):
        faults.add(root, "has no annotated image in the split train")
    _check_weights(config.weights, split, faults)
    return Listing(split, checksums, faults, other_files(root))


def _check_weights(weights: Mapping[str, float], entries: Sequence[Entry], faults: Faults) -> None:
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
    """Where prepared folders lie."""
    return pathlib.Path(prepared_dir).expanduser() / "folder"


def _find(root: pathlib.Path, config: FolderConfig, faults: Faults) -> list[Entry]:
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


def open_dataset(
    data_dir: str | None, prepared_dir: str, config: FolderConfig, window: Window
) -> Dataset:
    """Prepares a folder, unless that has been done, and opens it.

    Args:
        data_dir: The folder.
        prepared_dir: Folder of prepared data. The copy is named by the checksum of the files, of
            their splits and of the settings that it depends on.
        config: How it is read.
        window: Which part of an image training sees.

    Raises:
        UserError: Naming the first fault, if there is any; then nothing is prepared.
    """
    listing = list_folder(data_dir, prepared_dir, config)
    listing.faults.refuse()
    checksum = digest(listing, config)
    builder = prepare(Folder(listing, config, data_dir=home(prepared_dir) / checksum[:16]))
    noted = builder.info.metadata
    return Dataset(
        name=builder.name,
        version=str(builder.version),
        checksum=checksum,
        splits={
            split: FolderSource(builder, split, config.weights)
            for split in SPLITS
            if builder.info.splits.get(split) and builder.info.splits[split].num_examples
        },
        intensities=Intensities.from_json(noted[INTENSITIES]),
        window=window,
        patients_known=listing.patients_known,
        notes=listing.notes(noted[ANNOTATORS]),
        split_table=as_csv(listing.entries, listing.checksums),
    )


def digest(listing: Listing, config: FolderConfig) -> str:
    """Checksum of all that prepared data depend on: files, annotators, splits and settings."""
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in FREE}
    rows = [
        (entry.name, entry.group, entry.split, list(entry.masks), listing.checksums[entry.name])
        for entry in listing.entries
    ]
    text = json.dumps([str(Folder.VERSION), settings, rows], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


class Folder(tfds.core.GeneratorBasedBuilder):
    """Writes the examples of a folder as records."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, listing: Listing, config: FolderConfig, **kwargs: Any) -> None:
        """Takes sound files and how to read them, and what TFDS takes."""
        self._listing, self._config = listing, config
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        # Images are npy files, which TFDS takes for texts: inflating them would slow down reading.
        text = tfds.features.Text()
        masks = tfds.features.Tensor(shape=(None, None, None), dtype=np.uint8, encoding="zlib")
        names = dict.fromkeys(("image", "annotators", "patient", "name"), text)
        features = {**names, "annotations": masks}
        return LocalInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        # Training comes first: its values decide on the intensities.
        return {split: self._generate_examples(split) for split in SPLITS if self._of(split)}

    def _of(self, split: str) -> list[Entry]:
        return [entry for entry in self._listing.annotated if entry.split == split]

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict]]:
        entries, values = self._of(split), ValueStatistics()
        noted, faults = self.info.metadata, Faults()
        counts = noted.setdefault(ANNOTATORS, [])
        for entry in progress(entries, len(entries), f"preparing folder, {split}"):
            for example in read_entry(entry, self._config, faults):
                self._check_channels(example["image"].shape[-1], entry, faults)
                values.add(example["image"])
                counts.append(len(example["annotators"]))
                encoded = {
                    "image": _as_npy(example["image"]),
                    "annotators": json.dumps(example["annotators"]),
                }
                kept = {name: example[name] for name in ("annotations", "patient", "name")}
                yield example["name"], {**kept, **encoded}
            faults.refuse()
        if split == "train":
            if not values.channels:
                raise UserError("data.folder.slices=annotated: no slice of the split train is")
            noted[INTENSITIES] = values.intensities(self._config)

    def _check_channels(self, channels: int, entry: Entry, faults: Faults) -> None:
        """Of all images; a gray one among coloured ones has three equal channels."""
        known = self.info.metadata.setdefault(CHANNELS, channels)
        if 1 not in (channels, known) and channels != known:
            faults.add(entry.image, f"has {channels} channels, images before it {known}")
        faults.refuse()
        self.info.metadata[CHANNELS] = max(channels, known)


def _as_npy(image: Float[np.ndarray, "H W C"]) -> bytes:
    """A npy file of the smallest type that holds all values exactly."""
    low, high = image.min(), image.max()
    whole = low >= 0 and high <= np.iinfo(np.uint16).max and (image == np.rint(image)).all()
    kind = np.min_scalar_type(int(high)) if whole else np.float32
    file = io.BytesIO()
    np.save(file, image.astype(kind))
    return file.getvalue()


class FolderSource(RecordSource):
    """One split of a folder; an example also holds `annotators` and their `weights`."""

    pictures = ()

    def __init__(
        self, builder: tfds.core.DatasetBuilder, split: str, weights: Mapping[str, float]
    ) -> None:
        """Takes a prepared builder, the name of a split and how often annotators are drawn."""
        super().__init__(builder, split)
        self._weights = dict(weights)
        self._channels = builder.info.metadata[CHANNELS]

    def _example(self, record: dict[str, Any]) -> dict[str, Any]:
        image = np.load(io.BytesIO(record["image"])).astype(np.float32)
        annotators = json.loads(record["annotators"])
        if image.shape[-1] < self._channels:
            image = image.repeat(self._channels, axis=-1)
        return {
            "image": image,
            "annotations": record["annotations"],
            "annotators": annotators,
            "weights": np.array([self._weights.get(name, 1.0) for name in annotators]),
            "patient": record["patient"].decode(),
            "name": record["name"].decode(),
        }
