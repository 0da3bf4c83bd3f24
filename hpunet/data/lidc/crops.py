"""Matches the masks of the LIDC crops with their images, and checks both."""

import collections
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from hpunet.data.crops import size_text
from hpunet.data.lidc.source import SplitFiles
from hpunet.imaging.png import GRAY_8, decode_png
from hpunet.io.errors import UserError

# The position of the slice in mm is behind `z`; in some names, a hyphen is between.
_IMAGE = re.compile(r"images/(?P<patient>[^/]+)/(?P<name>z[^/]+_c\d+)\.png")
_MASK = re.compile(
    r"gt/(?P<patient>[^/]+)/(?P<name>z[^/]+_c\d+)_l(?P<annotator>0|[1-9]\d*)\.png",
)


class AnnotatedCrop(NamedTuple):
    """One crop of a CT slice and its masks.

    Attributes:
        files: The split they belong to.
        patient: Name of the patient's folder.
        name: Name of the image's file, without suffix.
        image: Path of the image in `files`.
        masks: Path of the mask of each annotator; numbers start at 0 or 1.
    """

    files: SplitFiles
    patient: str
    name: str
    image: str
    masks: dict[int, str]


def find_crops(splits: Mapping[str, SplitFiles]) -> dict[str, list[AnnotatedCrop]]:
    """Finds the crops of each split; all have masks by the same annotators.

    Raises:
        UserError: If a split holds no images, if the name of a file is neither that of an image nor
            of a mask, if an image or a mask lacks its counterpart, or if a patient is in two
            splits.
    """
    crops = {split: _pair(files) for split, files in splits.items()}
    _check_patients(crops)
    _check_annotators([crop for split in crops.values() for crop in split])
    return crops


def read_crop(crop: AnnotatedCrop) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "G H W"]]:
    """Decodes and checks one crop.

    Returns:
        The image, and its masks of 0 and 255 in the annotators' order.

    Raises:
        UserError: If a file is damaged or not 8-bit gray, or if a mask differs from its image in
            size or holds other values than 0 and 255.
    """
    image = _decode(crop.files, crop.image)
    masks = [_decode(crop.files, crop.masks[annotator]) for annotator in sorted(crop.masks)]
    for annotator, mask in zip(sorted(crop.masks), masks, strict=True):
        label = crop.files.label(crop.masks[annotator])
        if mask.shape != image.shape:
            raise UserError(
                f"{label}: has {size_text(mask.shape)} pixels (height x width), but its image has "
                f"{size_text(image.shape)}"
            )
        wrong = np.unique(mask[(mask != 0) & (mask != 255)])
        if wrong.size:
            found = ", ".join(map(str, wrong[:5])) + (", ..." if wrong.size > 5 else "")
            raise UserError(f"{label}: a mask may hold 0 and 255 only, not {found}")
    return image, np.stack(masks)


def _decode(files: SplitFiles, name: str) -> UInt8[np.ndarray, "H W"]:
    try:
        return decode_png(files.read(name), {GRAY_8})
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{files.label(name)}: cannot be read: {reason}") from error
    except ValueError as error:
        raise UserError(f"{files.label(name)}: {error}") from error


def _pair(files: SplitFiles) -> list[AnnotatedCrop]:
    images, masks = _sort_names(files)
    for key, annotators in masks.items():
        if key not in images:
            label = files.label(next(iter(annotators.values())))
            raise UserError(f"{label}: a mask without its image images/{key[0]}/{key[1]}.png")
    if not images:
        raise UserError(f"{files.place}: holds no images images/<patient>/z<z>_c<n>.png")
    return [
        AnnotatedCrop(files, *key, image, masks.get(key, {}))
        for key, image in sorted(images.items())
    ]


def _sort_names(
    files: SplitFiles,
) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], dict[int, str]]]:
    images: dict[tuple[str, str], str] = {}
    masks: dict[tuple[str, str], dict[int, str]] = collections.defaultdict(dict)
    for name in sorted(files.contents):
        if found := _IMAGE.fullmatch(name):
            images[found["patient"], found["name"]] = name
        elif found := _MASK.fullmatch(name):
            masks[found["patient"], found["name"]][int(found["annotator"])] = name
        else:
            raise UserError(
                f"{files.label(name)}: name fits neither images/<patient>/z<z>_c<n>.png nor "
                "gt/<patient>/z<z>_c<n>_l<k>.png"
            )
    return images, masks


def _check_patients(crops: Mapping[str, Iterable[AnnotatedCrop]]) -> None:
    """Raises if a patient is in two splits: scores on one would be learned from the other."""
    home: dict[str, str] = {}
    for split, members in crops.items():
        for crop in members:
            other = home.setdefault(crop.patient, split)
            if other != split:
                label = crop.files.label(crop.image)
                raise UserError(
                    f"{label}: patient {crop.patient!r} is in two splits, {other} and {split}"
                )


def _check_annotators(crops: list[AnnotatedCrop]) -> None:
    """Raises unless all crops have the masks of the same annotators, counted from 0 or from 1."""
    counts = collections.Counter(frozenset(crop.masks) for crop in crops)
    usual = max(counts, key=lambda annotators: (counts[annotators], len(annotators)))
    annotators = frozenset().union(*counts)
    first = min(annotators, default=0)
    if first > 1:
        crop = next(crop for crop in crops if first in crop.masks)
        label = crop.files.label(crop.masks[first])
        raise UserError(f"{label}: annotators are counted from l0 or l1, but here from l{first}")
    expected = usual | frozenset(range(first, max(usual, default=first) + 1))
    for crop in crops:
        label = crop.files.label(crop.image)
        missing = ", ".join(f"l{annotator}" for annotator in sorted(expected - crop.masks.keys()))
        if missing:
            raise UserError(f"{label}: image without the mask of annotator {missing}")
        surplus = ", ".join(f"l{annotator}" for annotator in sorted(crop.masks.keys() - expected))
        if surplus:
            raise UserError(f"{label}: has a mask of annotator {surplus}, other images have none")
