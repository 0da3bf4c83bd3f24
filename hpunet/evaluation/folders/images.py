"""Matches a folder of predictions with annotations, and reads their images."""

import dataclasses
import pathlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from hpunet.config.data import FolderConfig
from hpunet.data.folder.patients import SplitFolders, folder_patient
from hpunet.evaluation.folders.annotated import AnnotationSource, open_source
from hpunet.evaluation.folders.checks import (
    check_names,
    check_num_samples,
    check_position,
    check_reconstructions,
)
from hpunet.evaluation.folders.files import (
    PREDICTIONS,
    MaskFiles,
    checksum,
    list_masks,
    list_pictures,
    volume_of,
)
from hpunet.evaluation.folders.image import FolderImage, UnreadableImage
from hpunet.evaluation.folders.layout import BySlice, Predictions, open_predictions
from hpunet.evaluation.folders.masks import Labels
from hpunet.evaluation.scoring import SampledImage
from hpunet.io.errors import UserError

NOT_DRAWN = (
    "results.json of hpunet.sample is missing: slices of NIfTI volumes that were not drawn are "
    "empty in all samples and are scored, too"
)
# Classes are stored as uint8.
_MOST_CLASSES = 256


class FolderImages:
    """Sampled images in folders; the files of an image are read at each access.

    Attributes:
        names: Name of each image, sorted.
        num_samples: Number of samples of each image.
        patients_known: Whether the patient of every image is known. An image or volume of an
            unknown patient is its own patient.
        notes: Notes for the user.
    """

    def __init__(
        self,
        images: list[FolderImage | UnreadableImage],
        labels: Labels,
        crop: int | None,
        files: Mapping[str, tuple[pathlib.Path, list[pathlib.Path]]],
        notes: tuple[str, ...] = (),
    ) -> None:
        """Takes the results of `open_folders`; `files` maps their role to folder and files."""
        self._images, self._labels, self._crop, self._files = images, labels, crop, files
        self.names, self.notes = [image.name for image in images], notes
        opened = [image for image in images if isinstance(image, FolderImage)]
        self.num_samples = opened[0].predictions.samples.num_masks
        self.patients_known = all(image.patient is not None for image in opened)

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
        """Computes SHA-256 of `predictions` and `annotations`, over relative paths and contents."""
        return {key: checksum(folder, paths) for key, (folder, paths) in self._files.items()}


def open_folders(
    predictions: pathlib.Path,
    annotations: pathlib.Path,
    images: pathlib.Path | None = None,
    *,
    num_classes: int = 2,
    ignore_label: int | None = None,
    crop: int | None = None,
    config: FolderConfig | None = None,
) -> FolderImages:
    """Matches the files of folders by their names; see `hpunet.evaluation.folders` for the layouts.

    Names and headers are checked here, pixels when an image is read. An image whose files cannot be
    opened raises when it is read.

    Args:
        predictions: Folder of samples, optionally with reconstructions of the annotations.
        annotations: Folder of annotations of the same images, an annotated folder, or its table.
        images: Folder of pictures for figures; has priority over images of the annotations.
        num_classes: Labels are 0 to `num_classes` - 1; 2 to 256.
        ignore_label: Annotated pixels with this label are ignored.
        crop: Height and width of the central part of every mask that is used, in pixels; None for
            all of it.
        config: What values of annotations mean, and how an annotated folder is read; None for
            labels as in predictions, and ignored pixels of `ignore_label`. All slices are read.

    Raises:
        UserError: If a folder is missing or holds no mask; if the name of a file is unknown or not
            unique; if an image is in only one folder; if the number of samples differs between
            images, or that of reconstructions from that of annotations; or if no image can be
            opened.
    """
    if not 2 <= num_classes <= _MOST_CLASSES:
        raise UserError(f"--num_classes={num_classes}: allowed are 2 to {_MOST_CLASSES}")
    predictions, annotations = predictions.expanduser(), annotations.expanduser()
    reading = _reading(config, num_classes, ignore_label)
    labels = Labels(num_classes, ignore_label, None if config is None else config.class_table)
    predicted = list_masks(predictions, PREDICTIONS)
    volumes = {found[0] for name in predicted if (found := volume_of(name))}
    source = open_source(annotations, predicted.keys() | volumes, num_classes, reading)
    grouped = _group(predicted, source.names)
    notes = check_names(grouped.keys(), source)
    grouped = {name: files for name, files in grouped.items() if name in source.names}
    pictures = {} if images is None else list_pictures(images.expanduser(), grouped)
    opened: list[FolderImage | UnreadableImage] = []
    splits = SplitFolders(list(grouped))
    for name in sorted(grouped):
        patient, picture = folder_patient(name, splits), pictures.get(name)
        try:
            opened += _open(name, patient, grouped[name], source, picture, labels, reading.plane)
        except UserError as error:
            opened.append(UnreadableImage(name, str(error)))
    sound = [image for image in opened if isinstance(image, FolderImage)]
    if not sound:
        raise UserError(next(i.problem for i in opened if isinstance(i, UnreadableImage)))
    check_num_samples(sound)
    check_reconstructions(sound)
    files = {
        "predictions": (predictions, [p for files in predicted.values() for p in files.paths()]),
        "annotations": (source.root, source.paths(grouped)),
    }
    notes += _notes_on_slices(sound, predicted)
    return FolderImages(opened, labels, crop, files, (*source.notes, *notes))


def _notes_on_slices(
    images: Sequence[FolderImage], predicted: Mapping[str, MaskFiles]
) -> list[str]:
    """Notes whether slices that were not drawn may be among those that are scored."""
    slices = {image.group for image in images if image.number is not None}
    if any(files.may_lack_slices and name in slices for name, files in predicted.items()):
        return [NOT_DRAWN]
    return []


def _reading(
    config: FolderConfig | None, num_classes: int, ignore_label: int | None
) -> FolderConfig:
    """How an annotated folder is read; which slices are scored follows from the predictions."""
    if config is not None:
        return dataclasses.replace(config, slices="all")
    ignore = None if ignore_label is None else str(ignore_label)
    # Annotated folders cannot have more classes.
    return FolderConfig(num_classes=min(num_classes, _MOST_CLASSES - 1), ignore=ignore)


def _group(
    predicted: Mapping[str, MaskFiles], annotated: Collection[str]
) -> dict[str, dict[int | None, MaskFiles]]:
    """The files of each image or volume; slices may be predicted in files of their own."""
    grouped: dict[str, dict[int | None, MaskFiles]] = defaultdict(dict)
    for name, files in predicted.items():
        volume = volume_of(name)
        if name not in annotated and volume is not None and volume[0] in annotated:
            grouped[volume[0]][volume[1]] = files
        else:
            grouped[name][None] = files
    return grouped


def _open(
    name: str,
    folder: str | None,
    files: Mapping[int | None, MaskFiles],
    source: AnnotationSource,
    picture: pathlib.Path | None,
    labels: Labels,
    plane: str,
) -> Iterator[FolderImage]:
    """Opens an image, or every predicted slice of a volume; `folder` is the patient by its name."""
    predicted: BySlice[Predictions] = {}
    plane = next((own.plane for own in files.values() if own.plane is not None), plane)
    for number, own in files.items():
        opened = open_predictions(own, labels.num_classes, plane)
        if number is not None and None not in opened:
            raise UserError(f"{own.paths()[0]}: is a volume; allowed is slice {number} of {name}")
        predicted |= opened if number is None else {number: opened[None]}
    annotated = source.open(name, set(predicted) != {None}, plane)
    some_chosen = None not in files or files[None].slices is not None
    first = next(iter(files.values())).paths()[0]
    missing = predicted.keys() - annotated.keys()
    if missing or not (some_chosen or len(predicted) == len(annotated)):
        raise UserError(
            f"{first}: {name} has predictions of {_slices(predicted)}, but annotations of "
            f"{_slices(annotated)}"
        )
    check_position(first, source.paths([name])[0], plane)
    digits = len(str(len(annotated) - 1))
    for number, predictions in sorted(predicted.items(), key=lambda item: item[0] or 0):
        annotations = annotated[number]
        full = name if number is None else f"{name}/slice_{number:0{digits}}"
        patient = annotations.patient
        yield FolderImage(
            full,
            name,
            folder if patient is None else patient,
            predictions,
            annotations,
            picture,
            number,
            plane,
        )


def _slices(opened: Collection[int | None]) -> str:
    if set(opened) == {None}:
        return "a single image"
    numbers = sorted(number for number in opened if number is not None)
    if numbers == list(range(len(numbers))):
        return f"{len(numbers)} slices"
    return f"{len(numbers)} slices up to number {numbers[-1]}"
