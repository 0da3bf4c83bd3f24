"""Volumes from DICOM files and series."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpunet.imaging.dicom_header import DicomImage
from hpunet.imaging.reading import HU_WINDOW, as_picture, reading
from hpunet.imaging.volume import Orientation, Picture, Volume, whole_volume
from hpunet.io.errors import UserError

# Scanners write direction cosines with six digits, and spacings with a few more.
ALIKE = 1e-4
# In mm. Slices are never thinner, and positions are rounded.
SAME_POSITION = 1e-2


class DicomGeometry(NamedTuple):
    """The source of each slice; the files themselves state the position in the patient.

    Attributes:
        paths: The file of each slice; a file with several frames occurs several times.
        frames: The frame of each slice in its file, from 1 as in DICOM; None where every file is a
            single image.
        view: Turns the stored rows and columns of all slices for display.
        places: A description of each slice for use in a viewer: instance number and position.
    """

    paths: tuple[Path, ...]
    frames: tuple[int, ...] | None
    view: Orientation
    places: tuple[str, ...] = ()

    def select(self, places: Sequence[int]) -> "DicomGeometry":
        """The geometry of some of the slices, by their indices."""
        return self._replace(
            paths=tuple(self.paths[place] for place in places),
            frames=self.frames and tuple(self.frames[place] for place in places),
            places=tuple(self.places[place] for place in places),
        )


def open_series(place: Path, images: Sequence[DicomImage]) -> Volume:
    """Combines the images of a series into a volume, from inferior to superior.

    Sagittal images are ordered to the patient's left and coronal ones to the back. Images without a
    position are ordered by instance number. Axial images are displayed with rows from anterior to
    posterior and columns from the patient's right to left, others as stored.

    Values are rescaled. The window is `HU_WINDOW` for Hounsfield units, otherwise None. Values of
    MONOCHROME1 other than these, where high is dark, are inverted, so that high is bright.

    Args:
        place: The file or the folder, for messages.
        images: In any order.

    Raises:
        UserError: If they differ in size, orientation, spacing or quantity, or if two have the same
            position.
    """
    _check_alike(images)
    ordered = _in_order(images)
    view = _display_of(ordered[0].orientation)

    def read(number: int) -> Picture:
        return _read(ordered[number], view)

    geometry = DicomGeometry(
        paths=tuple(image.path for image in ordered),
        frames=tuple(image.frame + 1 for image in ordered) if ordered[0].num_frames else None,
        view=view,
        places=tuple(map(_place_of, ordered)),
    )
    return whole_volume(place, "dicom", len(ordered), read, geometry)


def _place_of(image: DicomImage) -> str:
    frame = f", frame {image.frame + 1}" if image.num_frames else ""
    if image.position is None:
        return f"instance {image.instance_number}{frame}"
    left, back, head = image.position
    return f"instance {image.instance_number}{frame}, corner at {left:g}, {back:g}, {head:g} mm"


def _check_alike(images: Sequence[DicomImage]) -> None:
    first = images[0]
    for image in images[1:]:
        for what in ("size", "orientation", "spacing", "is_hu"):
            one, other = getattr(first, what), getattr(image, what)
            if not _is_close(one, other):
                name = "quantity in HU" if what == "is_hu" else what
                raise UserError(
                    f"{image}: its {name} is {other} and that of {first} in the same series {one}; "
                    "allowed is one for all"
                )
        if (first.position is None) != (image.position is None):
            lacking = first if first.position is None else image
            raise UserError(
                f"{lacking}: has no ImagePositionPatient, unlike the rest of its series"
            )


def _is_close(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one, other, rtol=0, atol=ALIKE))


def _in_order(images: Sequence[DicomImage]) -> list[DicomImage]:
    orientation = images[0].orientation
    if orientation is None or images[0].position is None:
        return sorted(images, key=lambda image: (image.instance_number, image.path, image.frame))
    normal = _normal(orientation)
    heights = {id(image): float(np.dot(image.position or (), normal)) for image in images}
    ordered = sorted(images, key=lambda image: heights[id(image)])
    for one, other in pairwise(ordered):
        if heights[id(other)] - heights[id(one)] < SAME_POSITION:
            raise UserError(
                f"{other}: lies at {other.position} mm as {one} in the same series does; allowed "
                "is one image per position"
            )
    return ordered


def _normal(orientation: Sequence[float]) -> np.ndarray:
    """The direction across the slices, mainly to the head, or else to the left or back."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal * np.sign(normal[np.abs(normal).argmax()])


def _display_of(orientation: Sequence[float] | None) -> Orientation:
    """How an axial slice is turned for display; others are not turned."""
    if orientation is None or np.abs(_normal(orientation)).argmax() != 2:
        return Orientation()
    along_row, along_column = orientation[:3], orientation[3:]
    transpose = abs(along_row[1]) > abs(along_row[0])
    to_left, to_back = (along_column, along_row) if transpose else (along_row, along_column)
    return Orientation(transpose, flip_rows=to_back[1] < 0, flip_columns=to_left[0] < 0)


def _read(image: DicomImage, view: Orientation) -> Picture:
    stored = _decode(image)
    if image.stored_range:
        stored = np.float64(sum(image.stored_range)) - stored
    values = view.show(stored * np.float64(image.slope) + np.float64(image.intercept))
    spacing = image.spacing[::-1] if image.spacing and view.transpose else image.spacing
    window, quantity = (HU_WINDOW, "HU") if image.is_hu else (None, "intensity")
    return as_picture(values, str(image), window, quantity, spacing)


def _decode(image: DicomImage) -> np.ndarray:
    from pydicom import dcmread
    from pydicom.pixels import get_decoder, pixel_array
    from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

    with reading(image.path, "DICOM image"):
        syntax = UID(image.syntax)
        # pydicom reads a single frame from a path, but not from within a deflated data set.
        if syntax == DeflatedExplicitVRLittleEndian:
            return pixel_array(dcmread(image.path), index=image.frame)
        if syntax.is_compressed and not get_decoder(syntax).is_available:
            raise UserError(
                f"{image.path}: is compressed as {syntax.name}, which pydicom cannot decode here: "
                "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
            )
        return pixel_array(image.path, index=image.frame, transfer_syntax_uid=syntax)
