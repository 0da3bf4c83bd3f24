"""Volumes from DICOM files and series."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpunet.imaging.dicom_header import DicomImage, NoImageError, is_dicom, read_images
from hpunet.imaging.dicom_stacks import SAME_POSITION, normal_of, sort_series
from hpunet.imaging.reading import HU_WINDOW, as_picture, reading
from hpunet.imaging.volume import (
    IMAGE,
    Excluded,
    Orientation,
    Picture,
    ReadMode,
    Volume,
    whole_volume,
)
from hpunet.io.errors import UserError

# For each axis of the patient across the slices (0 left, 1 back, 2 head): the axis along the shown
# rows from top to bottom and along the columns from left to right, with the direction.
DISPLAY = {0: ((2, -1), (1, 1)), 1: ((2, -1), (0, 1)), 2: ((1, 1), (0, 1))}
ACROSS = ("sagittal", "coronal", "axial")
DECODERS = "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"


class DicomGeometry(NamedTuple):
    """The source of each slice; the files themselves state the position in the patient.

    Attributes:
        paths: The file of each slice; a file with several frames occurs several times.
        frames: The frame of each slice in its file, from 1 as in DICOM; None where every file is a
            single image.
        view: Turns the stored rows and columns of all slices for display.
        places: A description of each slice for use in a viewer: instance number and position.
        shown_affine: From slice, displayed row and column to the patient's right, front and head in
            mm; None if the files do not state it or the slices are not equally spaced.
        plane: The plane of the slices, `axial`, `coronal` or `sagittal`, or the closest to it; None
            if the files do not state it.
    """

    paths: tuple[Path, ...]
    frames: tuple[int, ...] | None
    view: Orientation
    places: tuple[str, ...] = ()
    shown_affine: np.ndarray | None = None
    plane: str | None = None

    def select(self, places: Sequence[int]) -> "DicomGeometry":
        """The geometry of some of the slices, by their indices."""
        return self._replace(
            shown_affine=None,
            paths=tuple(self.paths[place] for place in places),
            frames=self.frames and tuple(self.frames[place] for place in places),
            places=tuple(self.places[place] for place in places),
        )


def open_stacks(
    place: Path, images: Sequence[DicomImage]
) -> tuple[list[tuple[str, Volume]], list[Excluded]]:
    """Combines the images of a series, or of a file, into volumes; see `sort_series`.

    Slices are displayed as usual. Axial ones: rows from anterior to posterior, columns from the
    patient's right to left. Coronal ones: rows from superior to inferior, columns from right to
    left. Sagittal ones: rows from superior to inferior, columns from anterior to posterior. Images
    without an orientation are displayed as stored.

    Values are rescaled. The window is `HU_WINDOW` for Hounsfield units, otherwise None. Values of
    MONOCHROME1 other than these, where high is dark, are inverted, so that high is bright.

    Args:
        place: The file or the folder, for messages.
        images: In any order.

    Returns:
        The volumes, with a label each if there are several, and the images that are left out.

    Raises:
        UserError: If images share their positions, and nothing tells them apart.
    """
    found = sort_series(images)
    return [(stack.label, _volume(place, stack.images)) for stack in found.stacks], found.left_out


def open_dicom(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """Opens the images of a DICOM file, or of a folder with the files of one series.

    Args:
        path: The file or the folder; other files in the folder are skipped.
        mode: Images only.

    Raises:
        UserError: If it does not hold exactly one volume, or `mode` asks for masks.
    """
    if mode.mask:
        raise UserError(f"{path}: DICOM is read as images only; allowed are masks of other formats")
    images = _images_in_folder(path) if path.is_dir() else read_images(path)
    volumes, left_out = open_stacks(path, images)
    if len(volumes) != 1 or left_out:
        count = f"{len(volumes)} volumes" if len(volumes) > 1 else "images that are not parallel"
        example = f" ({left_out[0]})" if left_out else ""
        raise UserError(f"{path}: holds {count}{example}; allowed is one volume")
    return volumes[0][1]


def _images_in_folder(folder: Path) -> list[DicomImage]:
    images = []
    for file in sorted(folder.iterdir()):
        try:
            if file.is_file() and is_dicom(file):
                images += read_images(file)
        except NoImageError:
            continue
    if not images:
        raise UserError(f"{folder}: holds no DICOM image")
    if len({image.series for image in images}) > 1:
        raise UserError(f"{folder}: holds several DICOM series; allowed is one")
    return images


def _volume(place: Path, ordered: Sequence[DicomImage]) -> Volume:
    orientation = ordered[0].orientation
    view = display_of(orientation)

    def read(number: int) -> Picture:
        return _read(ordered[number], view)

    geometry = DicomGeometry(
        paths=tuple(image.path for image in ordered),
        frames=tuple(image.frame + 1 for image in ordered) if ordered[0].num_frames else None,
        view=view,
        places=tuple(map(_place_of, ordered)),
        shown_affine=_shown_affine(ordered, view),
        plane=None if orientation is None else ACROSS[_across(orientation)],
    )
    return whole_volume(place, "dicom", len(ordered), read, geometry)


def _shown_affine(ordered: Sequence[DicomImage], view: Orientation) -> np.ndarray | None:
    first = ordered[0]
    if first.orientation is None or first.spacing is None or first.position is None:
        return None
    positions = np.array([image.position for image in ordered])
    steps = np.diff(positions, axis=0)
    if len(steps) and np.abs(steps - steps.mean(axis=0)).max() > SAME_POSITION:
        return None
    height, width = first.size[::-1] if view.transpose else first.size
    # In DICOM, coordinates increase to the left and to the back.
    from_stored = np.zeros((4, 3))
    from_stored[:3, 0] = np.multiply(first.orientation[3:], first.spacing[0])
    from_stored[:3, 1] = np.multiply(first.orientation[:3], first.spacing[1])
    from_stored[:, 2] = [*first.position, 1]
    affine = np.zeros((4, 4))
    affine[:3, 0] = steps.mean(axis=0) if len(steps) else normal_of(first.orientation)
    affine[:, 1:] = from_stored @ view.indices(height, width)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _place_of(image: DicomImage) -> str:
    frame = f", frame {image.frame + 1}" if image.num_frames else ""
    if image.position is None:
        return f"instance {image.instance_number}{frame}"
    left, back, head = image.position
    return f"instance {image.instance_number}{frame}, corner at {left:g}, {back:g}, {head:g} mm"


def _across(orientation: Sequence[float]) -> int:
    """The axis of the patient across the slices: 0 left, 1 back, 2 head."""
    return int(np.abs(normal_of(orientation)).argmax())


def display_of(orientation: Sequence[float] | None) -> Orientation:
    """How a slice is turned for display, as `open_stacks` describes.

    Args:
        orientation: Direction cosines along a row and along a column, or None.
    """
    if orientation is None:
        return Orientation()
    (down, downwards), (right, rightwards) = DISPLAY[_across(orientation)]
    along_row, along_column = orientation[:3], orientation[3:]
    transpose = abs(along_row[down]) > abs(along_row[right])
    shown_row, shown_column = (along_column, along_row) if transpose else (along_row, along_column)
    return Orientation(
        transpose,
        flip_rows=shown_column[down] * downwards < 0,
        flip_columns=shown_row[right] * rightwards < 0,
    )


def _read(image: DicomImage, view: Orientation) -> Picture:
    stored = _decode(image)
    if image.stored_range:
        stored = np.float64(sum(image.stored_range)) - stored
    values = view.show(stored * np.float64(image.slope) + np.float64(image.intercept))
    spacing = image.spacing[::-1] if image.spacing and view.transpose else image.spacing
    window, quantity = (HU_WINDOW, "HU") if image.is_hu else (None, "intensity")
    return as_picture(values, str(image), window, quantity, spacing, suggested=_suggested(image))


def _suggested(image: DicomImage) -> tuple[float, float] | None:
    """The window that the header suggests, of the values as read."""
    if image.suggested is None or not image.stored_range:
        return image.suggested
    # The values v become `both - v`.
    both = sum(image.stored_range) * image.slope + 2 * image.intercept
    low, high = image.suggested
    return both - high, both - low


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
            raise _undecodable(image, syntax)
        try:
            return pixel_array(image.path, index=image.frame, transfer_syntax_uid=syntax)
        except (RuntimeError, NotImplementedError) as error:
            # Pillow counts as a decoder of this syntax, but decodes 8 bits only.
            if "12-bit" in str(error):
                raise _undecodable(image, syntax) from error
            raise


def _undecodable(image: DicomImage, syntax: Any) -> UserError:
    return UserError(
        f"{image.path}: is compressed as {syntax.name}, which the installed packages cannot "
        f"decode: {DECODERS}"
    )
