"""The annotations that predictions are scored against: of a folder of masks, or as in training."""

import dataclasses
import functools
import pathlib
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np

from hpunet.config.data import FolderConfig
from hpunet.data.folder.faults import Faults, Notes
from hpunet.data.folder.files import ImageFiles
from hpunet.data.folder.listing import TABLE, find_images
from hpunet.data.folder.reading import read_examples
from hpunet.data.folder.walk import ANNOTATIONS as MASKS
from hpunet.data.folder.walk import IMAGES, folder_of
from hpunet.data.labels import without_ignored
from hpunet.evaluation.folders.files import ANNOTATIONS, list_masks
from hpunet.evaluation.folders.layout import Annotated, Annotations, BySlice, open_annotations
from hpunet.evaluation.folders.masks import Labels, Masks, SourceImage
from hpunet.imaging.formats import open_file
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError


class MaskFolder:
    """Annotations in a folder of masks alone.

    Attributes:
        root: The folder.
        names: Names of the images and volumes.
        others_allowed: Whether it may hold images that are not scored.
        unannotated: Names of images without annotations.
        notes: Notes for the user on what was recognised.
    """

    others_allowed = False
    unannotated: Collection[str] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, root: pathlib.Path, images: Collection[str], num_classes: int) -> None:
        """Lists the masks of a folder, given the names of the predicted images."""
        self.root, self._num_classes = root, num_classes
        try:
            self._files = list_masks(root, ANNOTATIONS, images)
        except UserError as error:
            if not (root.name == MASKS and (root.parent / IMAGES).is_dir()):
                raise
            more = f"; --annotations={root.parent} reads it as an annotated folder"
            raise UserError(f"{error}{more}") from None
        self.names = self._files.keys()

    def open(self, name: str, is_volume: bool, plane: str) -> BySlice[Annotations]:
        """Opens the annotations of an image or volume, by the number of the slice.

        Args:
            name: Its name.
            is_volume: Whether slices of a volume are predicted.
            plane: The plane in which NIfTI volumes are cut.

        Raises:
            UserError: If a file is damaged or has another layout.
        """
        return open_annotations(self._files[name], self._num_classes, is_volume, plane)

    def paths(self, names: Iterable[str]) -> list[pathlib.Path]:
        """The files of the named images."""
        return [path for name in names for path in self._files[name].paths()]


class AnnotatedFolder:
    """An annotated folder, read by the functions that read it for training.

    Attributes:
        root: The folder.
        names: Names of the images and volumes.
        others_allowed: Whether it may hold images that are not scored, such as those of training.
        unannotated: Names of images without annotations.
        notes: Notes for the user on what was recognised.
    """

    others_allowed = True

    def __init__(self, root: pathlib.Path, config: FolderConfig) -> None:
        """Lists a folder.

        Args:
            root: The folder.
            config: How it is read.

        Raises:
            UserError: If a file fits no image.
        """
        self.root, self._config = root, config
        faults = Faults()
        entries, self.notes = find_images(root, config, faults)
        faults.refuse()
        self._entries = {entry.name: entry for entry in entries if entry.masks}
        self.unannotated = {entry.name for entry in entries if not entry.masks}
        if not self._entries:
            raise UserError(f"--annotations={root}: holds no annotated image")
        self.names = self._entries.keys()
        # The slices of a volume are read one after the other.
        self._read = functools.lru_cache(maxsize=1)(self._examples)

    def open(self, name: str, is_volume: bool, plane: str) -> BySlice["FolderAnnotations"]:
        """Opens the annotations of an image or volume, by the number of the slice.

        Args:
            name: Its name.
            is_volume: Whether slices of a volume are predicted.
            plane: The plane in which NIfTI volumes are cut.

        Raises:
            UserError: If the image cannot be read.
        """
        entry = self._entries[name]
        try:
            count = len(open_file(entry.image, ReadMode(plane=plane)).pictures)
        except UserError:
            # Of other kinds of images, or of a damaged one, which raises here.
            count = len(self._read(name, plane))
        numbers = [None] if count == 1 else range(count)
        return {number: FolderAnnotations(self, entry, number, plane) for number in numbers}

    def paths(self, names: Iterable[str]) -> list[pathlib.Path]:
        """The files of the named images."""
        return [path for name in names for path in self._entries[name].files.values()]

    def example(self, name: str, number: int | None, plane: str) -> dict[str, Any]:
        """Reads an image with its annotations, of a volume one slice along a plane.

        Raises:
            UserError: If a file of the image or volume cannot be read.
        """
        return self._read(name, plane)[number or 0]

    def _examples(self, name: str, plane: str) -> list[dict[str, Any]]:
        faults = Faults()
        config = dataclasses.replace(self._config, plane=plane)
        examples = list(read_examples(self._entries[name], config, faults, Notes()))
        if faults:
            file, problem = faults[0]
            raise UserError(f"{file}: {problem}")
        return examples


class FolderAnnotations(NamedTuple):
    """The annotations of an image, or of one slice of a volume, in an annotated folder.

    Attributes:
        folder: The folder.
        entry: The files of the image or volume.
        number: The slice, or None for an image.
        plane: The plane of the slices of NIfTI volumes.
    """

    folder: AnnotatedFolder
    entry: ImageFiles
    number: int | None
    plane: str

    @property
    def num_masks(self) -> int:
        """Number of annotations."""
        return len(self.entry.masks)

    @property
    def numbers(self) -> None:
        """Annotators of annotated folders have names."""

    @property
    def patient(self) -> str | None:
        """The patient, or None if unknown."""
        return self.entry.patient

    def read(self, labels: Labels) -> Annotated:
        """Reads the annotations; the configuration of the folder says what values mean.

        Raises:
            UserError: If a file cannot be read, or if a value is no class.
        """
        example = self.folder.example(self.entry.name, self.number, self.plane)
        classes, ignored = without_ignored(example["annotations"])
        values = example["image"].mean(axis=-1, dtype=np.float32)
        return Annotated(
            Masks(f"annotations of {self.entry.image}", classes, ignored),
            picture=SourceImage(str(self.entry.image), values),
        )


# The annotations of an image, before they are read.
ImageAnnotations = Annotations | FolderAnnotations
# All annotations of a folder.
AnnotationSource = MaskFolder | AnnotatedFolder


def open_source(
    folder: pathlib.Path, images: Collection[str], num_classes: int, config: FolderConfig
) -> AnnotationSource:
    """Finds the annotations in an annotated folder, or in a folder of masks alone.

    Args:
        folder: The folder; it is an annotated folder if it holds `images` and `annotations`, or a
            table. Or the table itself.
        images: Names of the predicted images and volumes.
        num_classes: Number of classes.
        config: How an annotated folder is read.

    Raises:
        UserError: If it is no such folder, or the name of a file is wrong.
    """
    if folder.suffix.lower() == ".csv" and folder.is_file():
        folder, config = folder.parent, dataclasses.replace(config, table=folder.name)
    has_table = config.table is not None or (folder / TABLE).is_file()
    if has_table or (folder.is_dir() and folder_of(folder, IMAGES) and folder_of(folder, MASKS)):
        return AnnotatedFolder(folder, config)
    return MaskFolder(folder, images, num_classes)
