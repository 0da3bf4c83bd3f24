"""Reads an image with its annotations, and checks them against each other."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

from hpunet.config.data import FolderConfig
from hpunet.data.crops import size_text
from hpunet.data.folder.faults import Faults
from hpunet.data.folder.files import ImageFiles
from hpunet.data.labels import IGNORED
from hpunet.imaging.fit import HAIR
from hpunet.imaging.formats import open_file
from hpunet.imaging.labels import labels_of, open_masks
from hpunet.imaging.volume import ReadMode, Volume
from hpunet.io.errors import UserError


def read_examples(
    entry: ImageFiles, config: FolderConfig, faults: Faults
) -> Iterator[dict[str, Any]]:
    """Reads the examples of an image: one, or one for each slice of a volume.

    Args:
        entry: The files; without annotations there are no examples.
        config: How to read them.
        faults: Faults are added to this list; a slice with a fault is skipped.

    Yields:
        `image` float32 `[H, W, C]`, values as in the file; `annotations` uint8 classes `[G, H, W]`,
        `IGNORED` for ignored pixels; `annotators`, the G names; `patient` and `name`.
    """
    volume = _open_image(entry, config, faults)
    masks = {
        annotator: labels
        for annotator in entry.masks
        if (labels := _read_mask(entry, annotator, config, volume, faults)) is not None
    }
    if volume is None or len(masks) < len(entry.masks) or not masks:
        return
    count = len(volume.pictures)
    for number in range(count):
        planes = [labels[number] for labels in masks.values()]
        if config.slices == "annotated" and count > 1 and not any(map(_has_foreground, planes)):
            continue
        try:
            picture = volume.pictures[number]
        except UserError as error:
            faults.add_error(entry.image, error)
            continue
        if _differ_in_size(entry, picture.values.shape[:2], masks, faults):
            return
        yield {
            "image": picture.values,
            "annotations": np.stack(planes),
            "annotators": tuple(masks),
            "patient": entry.group,
            "name": entry.name if count == 1 else _slice_name(entry.name, count, number),
        }


def _differ_in_size(
    entry: ImageFiles,
    size: tuple[int, ...],
    masks: Mapping[str, UInt8[np.ndarray, "N H W"]],
    faults: Faults,
) -> bool:
    """Whether a mask differs in size from its image, which adds a fault."""
    wrong = [name for name, labels in masks.items() if labels.shape[1:] != size]
    for annotator in wrong:
        own = size_text(masks[annotator].shape[1:])
        faults.add(
            entry.masks[annotator],
            f"has {own} pixels (height x width), but its image {entry.image} has {size_text(size)}",
        )
    return bool(wrong)


def _slice_name(name: str, count: int, number: int) -> str:
    return f"{name}/slice_{number:0{len(str(count - 1))}}"


def _has_foreground(labels: UInt8[np.ndarray, "H W"]) -> bool:
    return bool(((labels > 0) & (labels != IGNORED)).any())


def _open_image(entry: ImageFiles, config: FolderConfig, faults: Faults) -> Volume | None:
    path = entry.image
    try:
        return open_file(path, ReadMode(plane=config.plane))
    except UserError as error:
        faults.add_error(path, error)
        return None


def _read_mask(
    entry: ImageFiles,
    annotator: str,
    config: FolderConfig,
    volume: Volume | None,
    faults: Faults,
) -> UInt8[np.ndarray, "N H W"] | None:
    path, table = entry.masks[annotator], config.class_table
    plane = getattr(volume and volume.geometry, "plane", None) or config.plane
    try:
        masks = open_masks(path, ReadMode(mask=True, colours=table.colours, plane=plane))
        labels = table.classes_of(labels_of(masks), path)
        if (labels == IGNORED).all():
            raise UserError(
                "ignores all of its pixels; allowed are masks with a pixel that is not ignored"
            )
        if volume is not None:
            labels = labels[:: _slice_order(volume, masks)]
        if volume is not None and len(labels) != len(volume.pictures):
            count = len(volume.pictures)
            raise UserError(f"has {len(labels)} slices, but its image {entry.image} has {count}")
    except UserError as error:
        faults.add_error(path, error)
        return None
    return labels


def _have_equal_affines(image: Volume, mask: Volume, tolerance: float) -> bool:
    """Whether two NIfTI files have the same affine, whatever their sizes."""
    return image.kind == mask.kind == "nifti" and np.allclose(
        image.geometry.affine, mask.geometry.affine, rtol=0, atol=tolerance
    )


def _slice_order(image: Volume, mask: Volume) -> int:
    """1, or -1 if the slices of a mask are in the reverse order of those of its image.

    Programs store the axes of a volume in different orders; the displayed slices tell whether two
    volumes lie at the same position.

    Raises:
        UserError: If they lie at different positions; they are known for NIfTI and DICOM.
    """
    own, other = (getattr(each.geometry, "shown_affine", None) for each in (image, mask))
    if own is None or other is None:
        return 1
    # Headers store affines in float32: differences below a hundredth of a pixel are rounding.
    pixel = np.linalg.norm(own[:3, :3], axis=0).min()
    count = len(mask.pictures)
    if _have_equal_affines(image, mask, HAIR * pixel):
        return 1
    for order, start in ((1, 0), (-1, count - 1)):
        turned = other @ np.diag([order, 1, 1, 1])
        turned[:, 3] += start * other[:, 0]
        if np.allclose(own, turned, rtol=0, atol=HAIR * pixel):
            return order
    raise UserError(
        f"has another affine than its image {image.place} and lies elsewhere in the patient; "
        "allowed is the same position for both"
    )
