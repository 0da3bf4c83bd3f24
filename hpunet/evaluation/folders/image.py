"""One image of the folders: what is known of it before it is read, and its case."""

import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from hpunet.evaluation.case import Case
from hpunet.evaluation.folders.files import MaskFiles
from hpunet.evaluation.folders.labels import Labels, Masks
from hpunet.evaluation.folders.npz import ANNOTATION, PREDICTION, check_npz, read_npz
from hpunet.evaluation.folders.stack import (
    Stack,
    central_part,
    read_picture,
    stack_array,
    stack_pngs,
)
from hpunet.io.errors import UserError

_SAMPLES = ("samples", "logits", "probabilities")


class Predictions(NamedTuple):
    """Samples of an image, and its annotations rebuilt, or None."""

    samples: Stack
    reconstructions: Stack | None


class Annotations(NamedTuple):
    """Annotations of an image, and where they are in an npz, that and its arrays' names."""

    masks: Stack
    npz: pathlib.Path | None = None
    keys: frozenset[str] = frozenset()

    def read(self, key: str) -> Shaped[np.ndarray, "..."] | None:
        """An array of the npz, or None if there is none of that name."""
        return read_npz(self.npz, key) if self.npz and key in self.keys else None


class FolderImage(NamedTuple):
    """An image in folders.

    Attributes:
        name: Its name.
        patient: Whose it is, or None if that is not known.
        predictions: Where its samples lie.
        annotations: Where its annotations lie.
        picture: Where the picture lies if that is not the annotations' npz, or None.
    """

    name: str
    patient: str | None
    predictions: Predictions
    annotations: Annotations
    picture: pathlib.Path | None

    def read(self, labels: Labels, crop: int | None) -> Case:
        """Reads and checks everything.

        Args:
            labels: Which values are which classes.
            crop: Height and width of the central part that is taken, in pixels; None for all.

        Raises:
            UserError: If a file cannot be read or is damaged, sizes differ, or a value is none of
                those allowed.
        """
        # Only annotations leave pixels out.
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
        return Case(
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
            return str(self.picture), read_picture(self.picture)
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


def open_image(
    name: str,
    predicted: MaskFiles,
    annotated: MaskFiles,
    picture: pathlib.Path | None,
    num_classes: int,
) -> FolderImage:
    """Looks at the names of PNG files, and at the names, dtypes and shapes of an npz' arrays.

    Raises:
        UserError: If an npz is damaged or not as it must be.
    """
    annotations = _open_annotations(annotated, num_classes)
    folder = name.split("/")[0] if "/" in name else None
    patient = _read_patient(annotations)
    return FolderImage(
        name,
        folder if patient is None else patient,
        _open_predictions(predicted, num_classes),
        annotations,
        picture,
    )


def _open_predictions(files: MaskFiles, num_classes: int) -> Predictions:
    if files.npz is None:
        rebuilt = files.reconstructions
        return Predictions(stack_pngs(files.masks), stack_pngs(rebuilt) if rebuilt else None)
    keys, axes = check_npz(files.npz, PREDICTION, _SAMPLES, num_classes)
    (key,) = keys & set(_SAMPLES)
    samples = stack_array(files.npz, key, axes["S"])
    if "reconstructions" not in keys:
        return Predictions(samples, None)
    return Predictions(samples, stack_array(files.npz, "reconstructions", axes["G"]))


def _open_annotations(files: MaskFiles, num_classes: int) -> Annotations:
    if files.npz is None:
        return Annotations(stack_pngs(files.masks))
    keys, axes = check_npz(files.npz, ANNOTATION, ("annotations",), num_classes)
    return Annotations(stack_array(files.npz, "annotations", axes["G"]), files.npz, keys)


def _read_patient(annotations: Annotations) -> str | None:
    patient = annotations.read("patient")
    if patient is None:
        return None
    if not patient.item():
        raise UserError(f"{annotations.npz}: patient is empty; allowed is a text")
    return str(patient.item())
