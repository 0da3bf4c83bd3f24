"""The files of one image with predictions and annotations."""

import pathlib
from typing import NamedTuple

import numpy as np

from hpunet.evaluation.folders.annotated import ImageAnnotations
from hpunet.evaluation.folders.layout import Predictions
from hpunet.evaluation.folders.masks import Labels, SourceImage, central_part
from hpunet.evaluation.scoring import SampledImage
from hpunet.imaging.formats import open_file, suffix_of
from hpunet.imaging.raster import read_luminance
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError


class FolderImage(NamedTuple):
    """The files of an image, or of one slice of a volume.

    Attributes:
        name: Its name.
        group: The name of the image or volume, which stands for an unknown patient.
        patient: The patient, or None if unknown.
        predictions: The files of its samples.
        annotations: Its annotations.
        picture: The file of the picture, or None; annotations may also bring one.
        number: The number of the slice, or None for an image.
        plane: The plane of the slices of NIfTI volumes.
    """

    name: str
    group: str
    patient: str | None
    predictions: Predictions
    annotations: ImageAnnotations
    picture: pathlib.Path | None
    number: int | None
    plane: str

    def read(self, labels: Labels, crop: int | None) -> SampledImage:
        """Reads and checks all files.

        Args:
            labels: The meaning of the values.
            crop: Height and width of the central part that is used, in pixels; None for all.

        Raises:
            UserError: If a file cannot be read or is damaged, if sizes differ, or if a value is not
                allowed.
        """
        # Only annotations ignore pixels, and have values of their own for the classes.
        classes = Labels(labels.num_classes)
        annotated = self.annotations.read(labels)
        samples, rebuilt = self.predictions.samples.read(classes), None
        if self.predictions.reconstructions is not None:
            rebuilt = self.predictions.reconstructions.read(classes)
        picture = annotated.picture if self.picture is None else self._read_picture(self.picture)
        stacks = (annotated.masks, samples, rebuilt)
        read = {masks.source: masks.classes for masks in stacks if masks is not None}
        read |= {} if picture is None else {picture.source: picture.values}
        part = central_part({source: array.shape for source, array in read.items()}, crop)
        ignored = annotated.masks.ignored
        return SampledImage(
            name=self.name,
            patient=self.group if self.patient is None else self.patient,
            samples=part(samples.classes),
            annotations=part(annotated.masks.classes),
            reconstructions=part(rebuilt.classes) if rebuilt else None,
            ignored=part(ignored) if ignored.any() else None,
            weights=annotated.weights,
            image=None if picture is None else part(picture.values),
        )

    def _read_picture(self, path: pathlib.Path) -> SourceImage:
        if suffix_of(path) == ".png":
            return SourceImage(str(path), read_luminance(path))
        values = open_file(path, ReadMode(plane=self.plane)).pictures[self.number or 0].values
        return SourceImage(str(path), values.mean(axis=-1, dtype=np.float32))


class UnreadableImage(NamedTuple):
    """An image whose files cannot be opened.

    Attributes:
        name: Its name.
        problem: What is wrong.
    """

    name: str
    problem: str

    def read(self, labels: Labels, crop: int | None) -> SampledImage:
        """Raises a UserError that states the problem."""
        raise UserError(self.problem)
