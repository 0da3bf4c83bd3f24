"""Annotated folders as a data set: checked, prepared and opened."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float

from hpunet.config.data import FolderConfig
from hpunet.data.crops import CropSampler
from hpunet.data.dataset import Dataset
from hpunet.data.folder.faults import Faults, Notes
from hpunet.data.folder.files import ImageFiles, MaskFile
from hpunet.data.folder.listing import Listing, home, list_folder
from hpunet.data.folder.patients import SPLITS
from hpunet.data.folder.plausibility import MaskStatistics
from hpunet.data.folder.reading import read_examples
from hpunet.data.folder.splits import as_csv
from hpunet.data.folder.statistics import ValueStatistics
from hpunet.data.intensities import Intensities
from hpunet.data.prepare import LocalInfo, RecordSource, prepare
from hpunet.io.errors import UserError
from hpunet.io.progress import progress

ANNOTATORS, INTENSITIES, CHANNELS = "annotators_an_image", "intensities", "channels"
CLASSES, NOTES = "classes", "notes"
# The format that checksums of data name: they identify the source, whatever is prepared from it,
# so that runs of earlier versions can be resumed.
FORMAT = "1.0.0"
# Settings of later versions, which earlier checksums do not contain.
LATER = {"nan": None, "plane": "auto"}
# Settings that prepared data do not depend on, except through the listed entries.
FREE = (
    *("sizes", "annotator_weights"),
    *("table", "patient", "splits", "split_seed", "split_shares"),
)


def open_dataset(
    data_dir: str | None, prepared_dir: str, config: FolderConfig, crop_sampler: CropSampler
) -> Dataset:
    """Prepares a folder, unless that has been done, and opens it.

    Args:
        data_dir: The folder.
        prepared_dir: Folder of prepared data. The copy is named by the checksum of the files, of
            their splits and of the settings that it depends on.
        config: How the folder is read.
        crop_sampler: Places the crops that training sees.

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
        crop_sampler=crop_sampler,
        patients_known=listing.patients_known,
        notes=(
            *listing.notes(noted[ANNOTATORS]),
            *noted[NOTES],
            *_class_notes(noted[CLASSES], config),
        ),
        split_table=as_csv(listing.entries, listing.checksums),
    )


def digest(listing: Listing, config: FolderConfig) -> str:
    """The checksum of everything that prepared data depend on: files, splits and settings."""
    settings = {
        key: value
        for key, value in dataclasses.asdict(config).items()
        if key not in FREE and not (key in LATER and value == LATER[key])
    }
    rows = [
        (entry.name, entry.group, entry.split, _masks_of(entry), listing.checksums[entry.name])
        for entry in listing.entries
    ]
    text = json.dumps([FORMAT, settings, rows], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _masks_of(entry: ImageFiles) -> list[Any]:
    """The annotators, each with the classes and numbers of the masks if these are not as usual."""
    return [
        name if files == (MaskFile(files[0].path),) else [name, *(file[1:] for file in files)]
        for name, files in entry.masks.items()
    ]


def _class_notes(found: Sequence[int], config: FolderConfig) -> list[str]:
    absent = [n for label, n in enumerate(config.class_table.names) if label not in found]
    if not absent:
        return []
    return [
        f"classes that no mask contains: {', '.join(absent)}; --config.data.folder.classes gives "
        "the values of the classes, --config.model.num_classes their number"
    ]


class Folder(tfds.core.GeneratorBasedBuilder):
    """Writes the examples of a folder as records."""

    # 1.1.0: formats of images and masks are read as they are stored; notes are kept.
    VERSION = tfds.core.Version("1.1.0")

    def __init__(self, listing: Listing, config: FolderConfig, **kwargs: Any) -> None:
        """Takes files without faults, their settings, and arguments of the base class."""
        self._listing, self._config = listing, config
        self._notes, self._masks = Notes(), MaskStatistics(config.class_table)
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

    def _of(self, split: str) -> list[ImageFiles]:
        return [entry for entry in self._listing.annotated if entry.split == split]

    def _later_than(self, split: str) -> list[ImageFiles]:
        later = SPLITS[SPLITS.index(split) + 1 :]
        return [entry for name in later for entry in self._of(name)]

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict]]:
        entries, values = self._of(split), ValueStatistics()
        noted, faults = self.info.metadata, Faults()
        counts, labels = noted.setdefault(ANNOTATORS, []), set(noted.get(CLASSES, []))
        for entry in progress(entries, len(entries), f"preparing folder, {split}"):
            for example in read_examples(entry, self._config, faults, self._notes):
                self._check_channels(example["image"].shape[-1], entry, faults)
                if faults:
                    # The rest is only read for the number of faults.
                    break
                values.add(example["image"])
                counts.append(len(example["annotators"]))
                labels.update(np.unique(example["annotations"]).tolist())
                self._masks.add(example["annotators"], example["annotations"], example["white"])
                encoded = {
                    "image": _as_npy(example["image"]),
                    "annotators": json.dumps(example["annotators"]),
                }
                kept = {name: example[name] for name in ("annotations", "patient", "name")}
                yield example["name"], {**kept, **encoded}
        if faults:
            for entry in self._later_than(split):
                next(read_examples(entry, self._config, faults, self._notes), None)
            faults.refuse()
        noted[CLASSES] = sorted(labels)
        noted[NOTES] = [*self._notes, *self._masks.notes()]
        if split == "train":
            if not values.channels:
                raise UserError(
                    "data.folder.slices=annotated: no slice of the split train is annotated"
                )
            noted[INTENSITIES] = values.intensities(self._config)

    def _check_channels(self, channels: int, entry: ImageFiles, faults: Faults) -> None:
        """Checks that all images have the same channels; gray ones may be among coloured ones."""
        known = self.info.metadata.setdefault(CHANNELS, channels)
        if 1 not in (channels, known) and channels != known:
            faults.add(
                entry.image, f"has {channels} channels, but the images before it have {known}"
            )
            return
        self.info.metadata[CHANNELS] = max(channels, known)


def _as_npy(image: Float[np.ndarray, "H W C"]) -> bytes:
    """Encodes an npy file of the smallest type that represents all values exactly."""
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
