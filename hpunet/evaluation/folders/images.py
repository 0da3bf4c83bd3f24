"""Matches a folder of predictions with a folder of annotations, and reads their images."""

import pathlib
from collections.abc import Mapping, Set
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from hpunet.evaluation.folders.files import (
    ANNOTATIONS,
    PREDICTIONS,
    MaskFiles,
    checksum,
    count_names,
    list_masks,
    list_pictures,
)
from hpunet.evaluation.folders.layout import (
    Annotations,
    Predictions,
    open_annotations,
    open_predictions,
    read_patient,
)
from hpunet.evaluation.folders.masks import Labels, Masks, Stack, central_part
from hpunet.evaluation.scoring import SampledImage
from hpunet.imaging.raster import read_luminance
from hpunet.io.errors import UserError

# Classes are stored as uint8.
_MOST_CLASSES = 256


class FolderImage(NamedTuple):
    """The files of an image.

    Attributes:
        name: Its name.
        patient: The patient, or None if unknown.
        predictions: The files of its samples.
        annotations: The files of its annotations.
        picture: The file of the picture, or None; an npz of annotations may also hold it.
    """

    name: str
    patient: str | None
    predictions: Predictions
    annotations: Annotations
    picture: pathlib.Path | None

    def read(self, labels: Labels, crop: int | None) -> SampledImage:
        """Reads and checks all files.

        Args:
            labels: The meaning of the values.
            crop: Height and width of the central part that is used, in pixels; None for all.

        Raises:
            UserError: If a file cannot be read or is damaged, if sizes differ, or if a value is not
                allowed.
        """
        # Only annotations ignore pixels.
        classes = labels._replace(ignore_label=None)
        annotated = self.annotations.masks.read(labels)
        samples, rebuilt = self.predictions.samples.read(classes), None
        if self.predictions.reconstructions is not None:
            rebuilt = self.predictions.reconstructions.read(classes)
        source, picture = self._read_picture()
        read = {masks.source: masks.classes for masks in (annotated, samples, rebuilt) if masks}
        read |= {} if picture is None else {source: picture}
        part = central_part({source: array.shape for source, array in read.items()}, crop)
        ignored = self._read_ignored(annotated)
        return SampledImage(
            name=self.name,
            patient=self.name if self.patient is None else self.patient,
            samples=part(samples.classes),
            annotations=part(annotated.classes),
            reconstructions=part(rebuilt.classes) if rebuilt else None,
            ignored=None if ignored is None else part(ignored),
            weights=self._read_weights(),
            image=None if picture is None else part(picture),
        )

    def _read_picture(self) -> tuple[str, Float[np.ndarray, "H W"] | None]:
        if self.picture is not None:
            return str(self.picture), read_luminance(self.picture)
        source, picture = f"{self.annotations.npz}: image", self.annotations.read("image")
        if picture is not None and not np.isfinite(picture).all():
            raise UserError(f"{source} holds NaN or infinity; allowed are finite numbers")
        return source, None if picture is None else picture.astype(np.float32)

    def _read_ignored(self, annotated: Masks) -> np.ndarray | None:
        marked = self.annotations.read("ignored")
        ignored = annotated.ignored if marked is None else annotated.ignored | marked
        return ignored if ignored.any() else None

    def _read_weights(self) -> Float[np.ndarray, " G"] | None:
        weights = self.annotations.read("weights")
        if weights is None:
            return None
        weights = weights.astype(np.float64)
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise UserError(
                f"{self.annotations.npz}: weights holds {', '.join(f'{w:g}' for w in weights)}; "
                "allowed are finite numbers from 0 up, not all of them 0"
            )
        return weights


class FolderImages:
    """Sampled images in folders; the files of an image are read at each access.

    Attributes:
        names: Name of each image, sorted.
        num_samples: Number of samples of each image.
        patients_known: Whether the patient of every image is known. An image of an unknown patient
            is its own patient.
    """

    def __init__(
        self,
        images: list[FolderImage],
        labels: Labels,
        crop: int | None,
        files: Mapping[str, tuple[pathlib.Path, Mapping[str, MaskFiles]]],
    ) -> None:
        """Takes the results of `open_folders`; `files` maps their role to folder and files."""
        self._images, self._labels, self._crop, self._files = images, labels, crop, files
        self.names = [image.name for image in images]
        self.num_samples = len(images[0].predictions.samples.numbers)
        self.patients_known = all(image.patient is not None for image in images)

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> SampledImage:
        """Reads the image at `index`.

        Raises:
            IndexError: If there is no such image.
            UserError: If a file cannot be read or is damaged, if sizes differ, or if a value is not
                allowed.
        """
        return self._images[index].read(self._labels, self._crop)

    def checksums(self) -> dict[str, str]:
        """Computes SHA-256 of `predictions` and `annotations`, over relative paths and contents.

        They cover only scored files.

        Raises:
            UserError: If a file cannot be read.
        """
        return {
            key: checksum(folder, files.values()) for key, (folder, files) in self._files.items()
        }


def open_folders(
    predictions: pathlib.Path,
    annotations: pathlib.Path,
    images: pathlib.Path | None = None,
    *,
    num_classes: int = 2,
    ignore_label: int | None = None,
    crop: int | None = None,
) -> FolderImages:
    """Matches the files of folders by their names; see `hpunet.evaluation.folders` for the layouts.

    Names and the headers of npz files are checked here, pixels when an image is read.

    Args:
        predictions: Folder of samples, optionally with reconstructions of the annotations.
        annotations: Folder of annotations of the same images.
        images: Folder of pictures for figures; has priority over the `image` of an npz.
        num_classes: Labels are 0 to `num_classes` - 1; 2 to 256.
        ignore_label: Annotated pixels with this label are ignored.
        crop: Height and width of the central part of every mask that is used, in pixels; None for
            all of it.

    Raises:
        UserError: If a folder is missing or holds no mask; if the name of a file is unknown or not
            unique; if an image is in only one folder; if the number of samples differs between
            images, or that of reconstructions from that of annotations; or if an npz has another
            layout.
    """
    if not 2 <= num_classes <= _MOST_CLASSES:
        raise UserError(f"--num_classes={num_classes}: allowed are 2 to {_MOST_CLASSES}")
    predictions, annotations = predictions.expanduser(), annotations.expanduser()
    predicted = list_masks(predictions, PREDICTIONS)
    annotated = list_masks(annotations, ANNOTATIONS)
    _check_names(predicted.keys(), annotated.keys())
    pictures = {} if images is None else list_pictures(images.expanduser(), annotated)
    opened = [
        _open_image(name, predicted[name], annotated[name], pictures.get(name), num_classes)
        for name in annotated
    ]
    _check_num_samples(opened)
    _check_reconstructions(opened)
    files = {"predictions": (predictions, predicted), "annotations": (annotations, annotated)}
    return FolderImages(opened, Labels(num_classes, ignore_label), crop, files)


def _open_image(
    name: str,
    predicted: MaskFiles,
    annotated: MaskFiles,
    picture: pathlib.Path | None,
    num_classes: int,
) -> FolderImage:
    """Checks the names of PNG files, and the names, dtypes and shapes of the arrays of an npz.

    Raises:
        UserError: If an npz is damaged or has another layout.
    """
    annotations = open_annotations(annotated, num_classes)
    folder = name.split("/")[0] if "/" in name else None
    patient = read_patient(annotations)
    return FolderImage(
        name,
        folder if patient is None else patient,
        open_predictions(predicted, num_classes),
        annotations,
        picture,
    )


def _check_names(predicted: Set[str], annotated: Set[str]) -> None:
    """Raises if an image is in only one of the folders."""
    problems = [
        count_names(sorted(names), what)
        for names, what in (
            (predicted - annotated, "predictions but no annotations"),
            (annotated - predicted, "annotations but no predictions"),
        )
        if names
    ]
    if problems:
        raise UserError("; ".join(problems))


def _check_num_samples(images: list[FolderImage]) -> None:
    first, *others = images
    num_samples = len(first.predictions.samples.numbers)
    for image in others:
        own = len(image.predictions.samples.numbers)
        if own != num_samples:
            raise UserError(
                f"--predictions: numbers of samples differ, {num_samples} for {first.name} and "
                f"{own} for {image.name}; allowed is one number for all images"
            )


def _check_reconstructions(images: list[FolderImage]) -> None:
    """Raises unless each image has a reconstruction of every annotation, or none has any."""
    without = [image.name for image in images if image.predictions.reconstructions is None]
    if without and len(without) < len(images):
        raise UserError(
            f"--predictions: {count_names(without, 'no reconstructions')}; allowed are "
            "reconstructions of all images or of none"
        )
    for image in images:
        if image.predictions.reconstructions is not None:
            _compare(image.name, image.predictions.reconstructions, image.annotations.masks)


def _compare(name: str, rebuilt: Stack, annotated: Stack) -> None:
    """Raises unless two stacks have the same number of masks, and PNG files the same numbers."""
    own, expected = rebuilt.numbers, annotated.numbers
    difference = ""
    if len(own) != len(expected):
        difference = (
            f"numbers of reconstructions and annotations differ, {len(own)} and {len(expected)}"
        )
    # The masks of an npz have no numbers of their own.
    elif not (rebuilt.key or annotated.key) and own != expected:
        listed = [", ".join(map(str, numbers)) for numbers in (own, expected)]
        difference = f"reconstructions are {listed[0]}, but annotations {listed[1]}"
    if difference:
        raise UserError(f"--predictions: {name}: {difference}; allowed is one for each annotation")
