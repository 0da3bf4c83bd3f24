"""Reads an image with its annotations, and checks them against each other."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from hpunet.config.data import FolderConfig
from hpunet.data.crops import size_text
from hpunet.data.folder.channels import open_channels, plane_of_masks
from hpunet.data.folder.faults import Faults, Notes
from hpunet.data.folder.files import ImageFiles, MaskFile
from hpunet.data.labels import IGNORED
from hpunet.imaging.channels import slice_order
from hpunet.imaging.labels import labels_of, open_masks
from hpunet.imaging.missing import LEAST, fill, least_values
from hpunet.imaging.volume import ReadMode, Volume
from hpunet.io.errors import UserError

IGNORE = "ignore"
NAN_MEANING = "data.folder.nan says what NaN becomes: a number, min or ignore"


class _Masks(NamedTuple):
    """The masks of an annotator, one for each slice.

    Attributes:
        labels: Classes, `IGNORED` at ignored pixels.
        white: Whether 255 stands for class 1.
    """

    labels: UInt8[np.ndarray, "N H W"]
    white: bool


def read_examples(
    entry: ImageFiles, config: FolderConfig, faults: Faults, notes: Notes
) -> Iterator[dict[str, Any]]:
    """Reads the examples of an image: one, or one for each slice of a volume.

    Args:
        entry: The files; without annotations there are no examples.
        config: How to read them.
        faults: Faults are added to this list; a slice with a fault is skipped.
        notes: Notes on files are added to these.

    Yields:
        `image` float32 `[H, W, C]`, values as in the file, but for NaN; `annotations` uint8 classes
        `[G, H, W]`, `IGNORED` for ignored pixels; `annotators`, the G names; `patient` and `name`;
        and `white`, whether 255 stands for class 1 in a mask.
    """
    volume = _open_image(entry, config, faults, notes)
    masks = {
        annotator: read
        for annotator in entry.masks
        if (read := _read_masks(entry, annotator, config, volume, faults, notes)) is not None
    }
    if volume is None or len(masks) < len(entry.masks) or not masks:
        return
    count = len(volume.pictures)
    least = functools.cache(functools.partial(least_values, volume))
    nan = LEAST if config.nan == IGNORE else config.nan
    for number in range(count):
        planes = [read.labels[number] for read in masks.values()]
        if config.slices == "annotated" and count > 1 and not any(map(_has_foreground, planes)):
            continue
        try:
            picture = volume.pictures[number]
        except UserError as error:
            faults.add_error(entry.image, error)
            continue
        if _differ_in_size(entry, picture.values.shape[:2], masks, faults):
            return
        annotations = np.stack(planes)
        try:
            values, empty = fill(picture, nan, least, NAN_MEANING)
        except UserError as error:
            place = f"slice {number}: " if count > 1 else ""
            faults.add(entry.image, f"{place}{error}")
            return
        if empty is not None:
            notes.add(f"NaN in images is replaced (data.folder.nan={config.nan})", entry.image)
        if empty is not None and config.nan == IGNORE:
            annotations[:, empty] = IGNORED
            if empty.all():
                notes.add("slices with NaN in every pixel are skipped", entry.image)
                continue
        yield {
            "image": values,
            "annotations": annotations,
            "annotators": tuple(masks),
            "patient": entry.group,
            "name": entry.name if count == 1 else _slice_name(entry.name, count, number),
            "white": any(read.white for read in masks.values()),
        }


def _differ_in_size(
    entry: ImageFiles, size: tuple[int, ...], masks: Mapping[str, _Masks], faults: Faults
) -> bool:
    """Whether a mask differs in size from its image, which adds a fault for each file."""
    wrong = {
        entry.masks[name][0].path: (read.labels.shape[1:], entry.masks[name][0].number)
        for name, read in masks.items()
        if read.labels.shape[1:] != size
    }
    for path, (own, number) in wrong.items():
        axes = "" if number is None else "; the axes of masks of several annotators are [G, H, W]"
        faults.add(
            path,
            f"has {size_text(own)} pixels (height x width), but its image {entry.image} has "
            f"{size_text(size)}{axes}",
        )
    return bool(wrong)


def _slice_name(name: str, count: int, number: int) -> str:
    return f"{name}/slice_{number:0{len(str(count - 1))}}"


def _has_foreground(labels: UInt8[np.ndarray, "H W"]) -> bool:
    return bool(((labels > 0) & (labels != IGNORED)).any())


def _open_image(
    entry: ImageFiles, config: FolderConfig, faults: Faults, notes: Notes
) -> Volume | None:
    path = entry.image
    mode = ReadMode(plane=config.plane, nan=True)
    try:
        volume = open_channels((path, *entry.more_channels), mode)
    except UserError as error:
        faults.add_error(path, error)
        return None
    for note in volume.notes:
        notes.add(f"images: {note}", path)
    return volume


def _read_masks(
    entry: ImageFiles,
    annotator: str,
    config: FolderConfig,
    volume: Volume | None,
    faults: Faults,
    notes: Notes,
) -> _Masks | None:
    """The masks of an annotator, of several files the later over the earlier; None with faults."""
    read: list[_Masks] = []
    for mask in entry.masks[annotator]:
        try:
            found = _read_mask(mask, config, volume, notes)
            if read and found.labels.shape != read[0].labels.shape:
                raise UserError(
                    f"has the shape {list(found.labels.shape)}, but another mask of {annotator} "
                    f"for this image {list(read[0].labels.shape)}"
                )
        except UserError as error:
            faults.add_error(mask.path, error)
            continue
        read.append(found)
    if len(read) < len(entry.masks[annotator]):
        return None
    labels = functools.reduce(
        lambda below, above: np.where(above == 0, below, above), [one.labels for one in read]
    )
    return _Masks(labels, any(one.white for one in read))


def _read_mask(mask: MaskFile, config: FolderConfig, volume: Volume | None, notes: Notes) -> _Masks:
    """Reads the masks of a file, in the order of the slices of their image.

    Raises:
        UserError: If the file is not valid, or does not fit its image.
    """
    table = config.class_table
    mode = ReadMode(mask=True, colours=table.colours, plane=plane_of_masks(volume, config))
    masks = open_masks(mask.path, mode)
    if mask.number is not None:
        masks = masks.select([mask.number])
    numbers = labels_of(masks)
    if mask.label is None:
        labels = table.classes_of(numbers, mask.path)
    else:
        labels = table.part_of(numbers, mask.label, mask.path)
    if (labels == IGNORED).all():
        raise UserError(
            "ignores all of its pixels; allowed are masks with a pixel that is not ignored"
        )
    # A volume of masks is cut as its image is, whose notes are enough.
    for note in () if masks.kind == "nifti" else masks.notes:
        notes.add(f"masks: {note}", mask.path)
    if volume is not None:
        labels = labels[:: _order_of(volume, masks)]
    return _Masks(labels, table.white and mask.label is None and bool((numbers == 255).any()))


def _order_of(volume: Volume, masks: Volume) -> int:
    """1, or -1 if the slices of a mask are in the reverse order of those of its image.

    Raises:
        UserError: If the mask lies elsewhere than the image, or has another number of slices.
    """
    order = slice_order(volume, masks)
    if order is None:
        raise UserError(
            f"has another affine than its image {volume.place} and lies elsewhere in the patient; "
            "allowed is the same position for both"
        )
    count, slices = len(masks.pictures), len(volume.pictures)
    if count != slices:
        several = (
            "; a file with the masks of several annotators belongs right below annotations, at "
            "annotations/<name>"
            if slices == 1
            else ""
        )
        raise UserError(f"has {count} slices, but its image {volume.place} has {slices}{several}")
    return order
