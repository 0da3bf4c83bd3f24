"""The published LIDC 2D crops: CT of lung nodules, outlined by several radiologists.

A TFDS builder. Kohl et al. 2019 (arXiv 1905.13077) made the crops from LIDC-IDRI.
"""

import io
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from hpunet.data.crops import central, size_text
from hpunet.data.dataset import Dataset
from hpunet.data.lidc.crops import AnnotatedCrop, find_crops, read_crop
from hpunet.data.lidc.source import (
    download_splits,
    find_splits,
    load_split,
    source_checksum,
)
from hpunet.data.prepare import LocalInfo, RecordSource, example_features, prepare
from hpunet.io.errors import UserError
from hpunet.io.progress import progress

_DESCRIPTION = """Crops of lung CT slices around a nodule, each with the outlines that several
radiologists drew, as published with the Hierarchical Probabilistic U-Net. LIDC-IDRI, CC BY 3.0."""
_CITATION = """Armato et al. 2015, LIDC-IDRI, doi 10.7937/K9/TCIA.2015.LO9QL9SX;
Armato et al. 2011, Med Phys 38:915-931; Clark et al. 2013, J Digit Imaging 26:1045-1057."""


def open_dataset(
    data_dir: str | None, prepared_dir: str, *, crop: tuple[int, int] = (128, 128)
) -> Dataset:
    """Prepares the LIDC crops, unless that has been done, and opens them.

    Args:
        data_dir: Folder with `train.tar.gz`, `val.tar.gz`, `test.tar.gz`, or with these unpacked
            (the archive takes precedence), or with `images` and `gt`, which is then `train`. None:
            the published archives are downloaded.
        prepared_dir: Folder of prepared data. The copy is named by the source's checksum and the
            builder's version.
        crop: Smallest allowed height and width of an image, in pixels.

    Raises:
        UserError: If the data cannot be found or written, are damaged, or are too small.
    """
    home = pathlib.Path(prepared_dir).expanduser() / "lidc"
    if data_dir is None:
        splits = download_splits(home / "downloads")
    else:
        splits = find_splits(pathlib.Path(data_dir).expanduser())
    checksum = source_checksum(splits, home / "checksums")
    builder = prepare(Lidc(splits, data_dir=home / checksum[:16]))
    _check_size(builder.info.metadata, crop)
    return Dataset(
        name=builder.name,
        version=str(builder.version),
        checksum=checksum,
        splits={split: LidcSource(builder, split) for split in splits},
    )


class Lidc(tfds.core.GeneratorBasedBuilder):
    """Writes LIDC crops as records with the features of `prepare.example_features`."""

    VERSION = tfds.core.Version("1.1.0")

    def __init__(self, splits: Mapping[str, pathlib.Path], **kwargs: Any) -> None:
        """Takes the archive or folder of each split, and arguments of the base class."""
        self._splits = splits
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return LocalInfo(
            builder=self,
            description=_DESCRIPTION,
            citation=_CITATION,
            homepage="https://github.com/google-deepmind/deepmind-research",
            features=example_features(),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        # Lists all files before the first image is decoded, so that most mistakes show early.
        loaded = {split: load_split(split, place) for split, place in self._splits.items()}
        crops = find_crops(loaded)
        return {split: self._generate_examples(split, crops[split]) for split in crops}

    def _generate_examples(
        self, split: str, crops: list[AnnotatedCrop]
    ) -> Iterator[tuple[str, dict]]:
        for crop in progress(crops, len(crops), f"preparing lidc {split}"):
            image, _ = read_crop(crop)
            self._note_size(image.shape, crop.files.label(crop.image))
            masks = [crop.masks[annotator] for annotator in sorted(crop.masks)]
            yield (
                f"{crop.patient}/{crop.name}",
                {
                    "image": io.BytesIO(crop.files.read(crop.image)),
                    "annotations": [io.BytesIO(crop.files.read(mask)) for mask in masks],
                    "patient": crop.patient,
                    "name": crop.name,
                },
            )

    def _note_size(self, shape: tuple[int, ...], label: str) -> None:
        """Records the smallest height and width and the smallest image in the metadata."""
        noted = self.info.metadata
        if "smallest" not in noted or min(shape) < min(noted["smallest"]["shape"]):
            noted["smallest"] = {"shape": list(shape), "image": label}
        common = noted.get("common_size", shape)
        noted["common_size"] = [min(a, b) for a, b in zip(common, shape, strict=True)]


class LidcSource(RecordSource):
    """One split; images of different sizes are cut to the centre that all of them have."""

    def __init__(self, builder: Lidc, split: str) -> None:
        """Takes a prepared builder and the name of one of its splits."""
        super().__init__(builder, split)
        self._size = tuple(builder.info.metadata["common_size"])

    def _example(self, record: dict[str, Any]) -> dict[str, Any]:
        example = super()._example(record)
        rows, columns = central(example["image"].shape[:2], self._size)
        return {
            **example,
            "image": example["image"][rows, columns],
            "annotations": example["annotations"][:, rows, columns],
        }


def _check_size(metadata: Mapping[str, Any], crop: tuple[int, int]) -> None:
    def is_smaller(size: Sequence[int]) -> bool:
        return size[0] < crop[0] or size[1] < crop[1]

    if not is_smaller(metadata["common_size"]):
        return
    size, label = metadata["smallest"]["shape"], metadata["smallest"]["image"]
    # The image with the shortest side may be large enough for a crop that is not square.
    if not is_smaller(size):
        size, label = metadata["common_size"], "the part that all images of lidc have"
    raise UserError(
        f"{label}: has {size_text(size)} pixels (height x width), smaller than "
        f"data.crop={crop}; allowed are crops that fit into every image"
    )
