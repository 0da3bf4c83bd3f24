"""The images and annotations of an entry, checked against each other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from hpunet.config.class_table import ClassTable
from hpunet.config.groups import FolderConfig
from hpunet.data.folder.faults import Faults
from hpunet.data.folder.files import Entry
from hpunet.data.labels import IGNORED
from hpunet.imaging.fit import HAIR
from hpunet.imaging.labels import OF_VOLUMES, read_labels
from hpunet.imaging.naming import OF_PICTURES, suffix_of
from hpunet.imaging.nifti import open_nifti
from hpunet.imaging.raster import has_deep_colours
from hpunet.imaging.read import OPENERS
from hpunet.imaging.selection import Volume
from hpunet.io.errors import UserError


def read_entry(entry: Entry, config: FolderConfig, faults: Faults) -> Iterator[dict[str, Any]]:
    """The examples of an entry: one, or one a slice of a volume.

    Args:
        entry: The entry; one without annotations has no examples.
        config: How to read it.
        faults: What is wrong is added to them; a slice with a fault is left out.

    Yields:
        `image` float32 `[H, W, C]`, values as in the file; `annotations` uint8 classes `[G, H, W]`,
        `IGNORED` where pixels count nowhere; `annotators`, the names of the G; `patient` and
        `name`.
    """
    volume = _open_image(entry, faults)
    masks = {
        annotator: labels
        for annotator in entry.masks
        if (labels := _read_mask(entry, annotator, config.class_table, volume, faults)) is not None
    }
    if volume is None or len(masks) < len(entry.masks) or not masks:
        return
    for number in range(volume.size):
        planes = [labels[number] for labels in masks.values()]
        if config.slices == "annotated" and volume.size > 1 and not any(map(_shows, planes)):
            continue
        try:
            picture = volume.read(number)
        except UserError as error:
            faults.add_error(entry.image, error)
            continue
        size = picture.values.shape[:2]
        wrong = [name for name, labels in masks.items() if labels.shape[1:] != size]
        for annotator in wrong:
            own, other = ("x".join(map(str, s)) for s in (masks[annotator].shape[1:], size))
            faults.add(
                entry.masks[annotator], f"is {own} pixels, but its image {entry.image} is {other}"
            )
        if wrong:
            return
        yield {
            "image": picture.values,
            "annotations": np.stack(planes),
            "annotators": tuple(masks),
            "patient": entry.group,
            "name": _slice_name(entry.name, volume, number),
        }


def _slice_name(name: str, volume: Volume, number: int) -> str:
    if volume.size == 1:
        return name
    return f"{name}/slice_{number:0{len(str(volume.size - 1))}}"


def _shows(labels: UInt8[np.ndarray, "H W"]) -> bool:
    return bool(((labels > 0) & (labels != IGNORED)).any())


def _open_image(entry: Entry, faults: Faults) -> Volume | None:
    suffix = suffix_of(entry.image)
    if not entry.image.stat().st_size:
        faults.add(entry.image, "is empty")
        return None
    try:
        if suffix in OF_PICTURES and has_deep_colours(entry.image):
            faults.add(
                entry.image,
                "has colours of 16 bits, of which 8 would be read; allowed are gray images of 16 "
                "bits, colours of 8, and npy",
            )
            return None
        return OPENERS[suffix](entry.image, (entry.name,))
    except KeyError:
        faults.add(entry.image, f"is of no known format; allowed are {', '.join(OPENERS)}")
    except UserError as error:
        faults.add_error(entry.image, error)
    return None


def _read_mask(
    entry: Entry, annotator: str, table: ClassTable, volume: Volume | None, faults: Faults
) -> UInt8[np.ndarray, "N H W"] | None:
    path = entry.masks[annotator]
    if not path.stat().st_size:
        faults.add(path, "is empty")
        return None
    try:
        labels = table.classes_of(read_labels(path, table.colours), path)
    except UserError as error:
        faults.add_error(path, error)
        return None
    if (labels == IGNORED).all():
        faults.add(path, "ignores all of its pixels; allowed is a mask that says something")
        return None
    if volume is not None and not _lies_alike(volume, path):
        faults.add(
            path,
            f"lies elsewhere in the patient, or otherwise, than its image {entry.image}: their "
            "affines differ; allowed is one grid for both",
        )
        return None
    if volume is not None and len(labels) != volume.size:
        faults.add(path, f"has {len(labels)} slices, but its image {entry.image} {volume.size}")
        return None
    return labels


def _lies_alike(volume: Volume, mask: Path) -> bool:
    """Whether an image and its mask have one grid in the patient, where both files say so."""
    if volume.kind != "nifti" or suffix_of(mask) not in OF_VOLUMES:
        return True
    own, other = (of.locate((0,)) for of in (volume, open_nifti(mask, (mask.name,))))
    # Headers keep affines in float32: a hundredth of a pixel is rounding.
    pixel = np.linalg.norm(own.affine[:3, :3], axis=0).min()
    return np.allclose(own.affine, other.affine, rtol=0, atol=HAIR * pixel)
