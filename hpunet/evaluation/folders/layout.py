"""The predictions and annotations in the files of one image or volume.

Only headers are read here: keys, types and shapes of npz files, and numbers of slices.
"""

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Shaped

from hpunet.evaluation.folders.archives import (
    ANNOTATION,
    PREDICTION,
    SCORES_OR_SAMPLES,
    check_npz,
    is_bare,
)
from hpunet.evaluation.folders.files import SINGLE, MaskFiles
from hpunet.evaluation.folders.masks import Labels, Masks, SourceImage
from hpunet.evaluation.folders.stacks import (
    SAMPLES,
    ArrayStack,
    FileStack,
    Stack,
    VolumeStack,
    read_samples,
)
from hpunet.imaging.arrays import read_array
from hpunet.imaging.formats import suffix_of
from hpunet.imaging.labels import open_masks
from hpunet.imaging.segmentation import open_segments
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError

T = TypeVar("T")


class Predictions(NamedTuple):
    """Samples of an image, and reconstructions of its annotations, or None."""

    samples: Stack
    reconstructions: Stack | None


class Annotated(NamedTuple):
    """What is read of the annotations of an image.

    Attributes:
        masks: Their classes, and the pixels that are ignored.
        weights: The weight of each annotation, or None for equal weights.
        picture: The image itself, or None.
    """

    masks: Masks
    weights: Float[np.ndarray, " G"] | None = None
    picture: SourceImage | None = None


# By the number of the slice; None stands for a single image.
BySlice = dict[int | None, T]


class Annotations(NamedTuple):
    """Annotations of an image; if they are in an npz, also its path and the names of its arrays."""

    masks: Stack
    npz: pathlib.Path | None = None
    keys: frozenset[str] = frozenset()

    @property
    def num_masks(self) -> int:
        """Number of annotations."""
        return self.masks.num_masks

    @property
    def numbers(self) -> tuple[int, ...] | None:
        """The numbers in the names of their files; None without numbers."""
        return self.masks.numbers

    def read(self, labels: Labels) -> Annotated:
        """Reads the annotations.

        Raises:
            UserError: If a file cannot be read or is damaged, or if a value is not allowed.
        """
        masks = self.masks.read(labels)
        marked = self._array("ignored")
        if marked is not None:
            masks = masks._replace(ignored=masks.ignored | marked)
        return Annotated(masks, self._weights(), self._picture())

    @property
    def patient(self) -> str | None:
        """The patient in the npz; None if it is missing.

        Raises:
            UserError: If the name is empty, or the npz is damaged.
        """
        patient = self._array("patient")
        if patient is None:
            return None
        if not patient.item():
            raise UserError(f"{self.npz}: patient is empty; allowed is a text")
        return str(patient.item())

    def _array(self, key: str) -> Shaped[np.ndarray, "..."] | None:
        return read_array(self.npz, key) if self.npz and key in self.keys else None

    def _picture(self) -> SourceImage | None:
        picture = self._array("image")
        if picture is None:
            return None
        if not np.isfinite(picture).all():
            raise UserError(f"{self.npz}: image holds NaN or infinity; allowed are finite numbers")
        return SourceImage(f"{self.npz}: image", picture.astype(np.float32))

    def _weights(self) -> Float[np.ndarray, " G"] | None:
        weights = self._array("weights")
        if weights is None:
            return None
        weights = weights.astype(np.float64)
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise UserError(
                f"{self.npz}: weights holds {', '.join(f'{w:g}' for w in weights)}; "
                "allowed are finite numbers from 0 up, not all of them 0"
            )
        return weights


def open_predictions(files: MaskFiles, num_classes: int, plane: str) -> BySlice[Predictions]:
    """Opens the predictions in the files of an image or volume.

    Args:
        files: The files.
        num_classes: Number of classes.
        plane: The plane in which NIfTI volumes are cut.

    Raises:
        UserError: If a file is damaged or has another layout.
    """
    if files.whole is None:
        rebuilt = _open_files(files.reconstructions, plane) if files.reconstructions else {}
        samples = _open_files(files.masks, plane, files.slices)
        return {key: Predictions(stack, rebuilt.get(key)) for key, stack in samples.items()}
    if suffix_of(files.whole) != ".npz":
        return {
            key: Predictions(stack, None)
            for key, stack in _open_samples(files.whole, files.slices).items()
        }
    keys, axes = check_npz(files.whole, PREDICTION, SCORES_OR_SAMPLES, num_classes)
    (key,) = keys & set(SCORES_OR_SAMPLES)
    predictions = Predictions(ArrayStack(files.whole, key, axes["S"]), None)
    if "reconstructions" in keys:
        rebuilt_array = ArrayStack(files.whole, "reconstructions", axes["G"])
        predictions = predictions._replace(reconstructions=rebuilt_array)
    return {None: predictions}


def open_annotations(
    files: MaskFiles, num_classes: int, is_volume: bool, plane: str
) -> BySlice[Annotations]:
    """Opens the annotations in the files of an image or volume.

    Args:
        files: The files.
        num_classes: Number of classes.
        is_volume: Whether the predictions are of the slices of a volume. Otherwise the planes of a
            single file are the masks of several annotators.
        plane: The plane in which NIfTI volumes are cut.

    Raises:
        UserError: If a file is damaged or has another layout.
    """
    if files.whole is None:
        return _annotations(_open_files(files.masks, plane))
    if suffix_of(files.whole) == ".npz" and not is_bare(files.whole):
        keys, axes = check_npz(files.whole, ANNOTATION, ("annotations",), num_classes)
        stack = ArrayStack(files.whole, "annotations", axes["G"])
        return {None: Annotations(stack, files.whole, keys)}
    if is_volume:
        return _annotations(_open_files({"": files.whole}, plane))
    count = count_planes(files.whole, plane)
    return {None: Annotations(VolumeStack((files.whole,), None, count, 0, plane))}


def _annotations(stacks: Mapping[int | None, Stack]) -> BySlice[Annotations]:
    return {key: Annotations(stack) for key, stack in stacks.items()}


def _open_files(
    files: Mapping[Any, pathlib.Path], plane: str, slices: tuple[int, ...] | None = None
) -> BySlice[Stack]:
    """Masks in a file each, by the number of the slice."""
    keys = sorted(files, key=lambda key: (isinstance(key, str), key))
    paths = tuple(files[key] for key in keys)
    numbers = tuple(keys) if all(isinstance(key, int) for key in keys) else None
    count = count_planes(paths[0], plane)
    if count == 1:
        return {None: FileStack(paths, numbers)}
    for number in slices or ():
        if number >= count:
            raise UserError(f"{paths[0]}: has {count} slices, but slice {number} was drawn")
    return {
        number: VolumeStack(paths, numbers, len(paths), number, plane)
        for number in slices or range(count)
    }


def _open_samples(path: pathlib.Path, slices: tuple[int, ...] | None) -> BySlice[Stack]:
    """Samples that `hpunet.sample` wrote into one file, by the number of the slice."""
    if path.name == SAMPLES:
        num_samples, count = read_samples(path).shape[:2]
    else:
        header = open_segments(path)
        num_samples, count = header.num_samples, len(header.slices)
    if slices is not None and len(slices) != count:
        raise UserError(f"{path}: has {count} slices, but {len(slices)} were drawn")
    if slices is None and count == 1:
        return {None: VolumeStack((path,), None, num_samples, 0)}
    return {
        number: VolumeStack((path,), None, num_samples, index)
        for index, number in enumerate(slices or range(count))
    }


def count_planes(path: pathlib.Path, plane: str) -> int:
    """Number of slices of a file of masks along a plane; formats with one slice are not opened.

    Raises:
        UserError: If the file cannot be read.
    """
    if suffix_of(path) in SINGLE:
        return 1
    return len(open_masks(path, ReadMode(mask=True, plane=plane)).pictures)
