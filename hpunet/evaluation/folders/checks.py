"""Checks predictions and annotations against each other, before they are read."""

import pathlib
from collections.abc import Collection, Sequence

from hpunet.evaluation.folders.annotated import AnnotationSource
from hpunet.evaluation.folders.files import count_names
from hpunet.evaluation.folders.image import FolderImage
from hpunet.imaging.channels import slice_order
from hpunet.imaging.formats import open_file, suffix_of
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError

NIFTI = (".nii", ".nii.gz")
NO_ANNOTATIONS = "predictions but no annotations"
NO_PREDICTIONS = "annotations but no predictions"


def check_names(predicted: Collection[str], source: AnnotationSource) -> list[str]:
    """Compares the names of predicted and annotated images.

    Returns:
        Notes on images that are not scored.

    Raises:
        UserError: If predictions have no annotations, or annotations have no predictions although
            all are to be scored.
    """
    annotated = set(source.names)
    unknown = sorted(set(predicted) - annotated - set(source.unannotated))
    missing = sorted(annotated - set(predicted))
    problems = [(unknown, NO_ANNOTATIONS)]
    notes = [(sorted(set(predicted) & set(source.unannotated)), NO_ANNOTATIONS)]
    (notes if source.others_allowed else problems).append((missing, NO_PREDICTIONS))
    texts = [count_names(names, what) for names, what in problems if names]
    if texts:
        raise UserError("; ".join(texts))
    if not annotated & set(predicted):
        raise UserError(f"--annotations={source.root}: no predicted image has annotations")
    return [f"not scored: {count_names(names, what)}" for names, what in notes if names]


def check_position(first: pathlib.Path, second: pathlib.Path, plane: str) -> None:
    """Raises a UserError unless the slices of two NIfTI files lie at the same positions."""
    if not (suffix_of(first) in NIFTI and suffix_of(second) in NIFTI):
        return
    own, other = (open_file(path, ReadMode(plane=plane)) for path in (first, second))
    if slice_order(own, other) != 1:
        raise UserError(f"{first}: has another affine than {second}; allowed is the same for both")


def check_num_samples(images: Sequence[FolderImage]) -> None:
    """Raises a UserError unless all images have the same number of samples."""
    first, *others = images
    num_samples = first.predictions.samples.num_masks
    for image in others:
        own = image.predictions.samples.num_masks
        if own != num_samples:
            raise UserError(
                f"--predictions: numbers of samples differ, {num_samples} for {first.name} and "
                f"{own} for {image.name}; allowed is one number for all images"
            )


def check_reconstructions(images: Sequence[FolderImage]) -> None:
    """Raises a UserError unless all images have a reconstruction of each annotation, or none."""
    without = [image.name for image in images if image.predictions.reconstructions is None]
    if without and len(without) < len(images):
        raise UserError(
            f"--predictions: {count_names(without, 'no reconstructions')}; allowed are "
            "reconstructions of all images or of none"
        )
    for image in images:
        rebuilt, annotated = image.predictions.reconstructions, image.annotations
        if rebuilt is None:
            continue
        difference = ""
        if rebuilt.num_masks != annotated.num_masks:
            difference = (
                "numbers of reconstructions and annotations differ, "
                f"{rebuilt.num_masks} and {annotated.num_masks}"
            )
        elif rebuilt.numbers and annotated.numbers and rebuilt.numbers != annotated.numbers:
            both = (rebuilt.numbers, annotated.numbers)
            own, other = (", ".join(map(str, numbers)) for numbers in both)
            difference = f"reconstructions are {own}, but annotations {other}"
        if difference:
            raise UserError(
                f"--predictions: {image.name}: {difference}; allowed is one for each annotation"
            )
