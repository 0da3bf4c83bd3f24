"""What the header of a DICOM file says of its images."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpunet.imaging.reading import check_size, reading, require
from hpunet.io.errors import UserError

PREAMBLE = 128
# With what files without preamble begin: groups 2 and 8, up to the character set and identity.
FIRST_TAGS = tuple(
    bytes([group, 0, element, 0]) for group in (2, 8) for element in (0, 1, 5, 8, 22)
)
NO_IMAGES = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "SR", "PR", "KO", "REG"}
# Where files of several frames keep what others say once.
FUNCTIONAL_GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
}


class NoImageError(UserError):
    """A DICOM file is whole, but holds no image to segment."""


class DicomImage(NamedTuple):
    """One image, of which a file holds one or several.

    Attributes:
        path: The file.
        frame: Its number in the file, from 0.
        num_frames: In the file, or None where it is a single image.
        series: Identifies the images that belong together.
        series_number: As the scanner counts them, or None.
        instance_number: Of the file in its series; 0 where that is not known.
        size: Rows and columns.
        spacing: Of rows and of columns in mm, or None.
        orientation: Direction cosines along a row and along a column, to the patient's left, back
            and head, or None.
        position: Of the first pixel in mm, in the same directions, or None.
        slope: What stored values are multiplied with.
        intercept: What is added then.
        is_hu: Whether the values are Hounsfield units then.
        stored_range: The values that a pixel can hold, where low ones are shown white, else None.
        syntax: The transfer syntax, which says how pixels are encoded.
    """

    path: Path
    frame: int
    num_frames: int | None
    series: str
    series_number: int | None
    instance_number: int
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    slope: float
    intercept: float
    is_hu: bool
    stored_range: tuple[int, int] | None
    syntax: str

    def __str__(self) -> str:
        """What messages call it: its file and, of several frames, the number from 1."""
        return str(self.path) + (f" frame {self.frame + 1}" if self.num_frames else "")


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do, with preamble or without."""
    with reading(path, "file"), path.open("rb") as file:
        start = file.read(PREAMBLE + 4)
    return start[PREAMBLE:] == b"DICM" or start.startswith(FIRST_TAGS)


def read_images(path: Path) -> list[DicomImage]:
    """The images of a DICOM file, from its header alone.

    Args:
        path: A file that begins as DICOM files do, or is called like them.

    Raises:
        NoImageError: If it holds something else, such as a report, contours or a localizer.
        UserError: If it is unreadable or no gray image, or pydicom is missing.
    """
    pydicom = require("pydicom", path, "DICOM")
    with reading(path, "DICOM file"):
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        _check_image(header, path)
        num_frames = _num_frames(header, path)
        return [_image(header, path, frame, num_frames) for frame in range(num_frames or 1)]


def _check_image(header: Any, path: Path) -> None:
    if not header.preamble and "SOPClassUID" not in header:
        raise UserError(f"{path}: not a readable DICOM file (has neither preamble nor class)")
    kind = header.get("Modality") or "unknown modality"
    if "LOCALIZER" in (header.get("ImageType") or ()):
        raise NoImageError(f"{path}: is a localizer; allowed are the images that it locates")
    if kind in NO_IMAGES or not header.get("SOPClassUID") or not header.get("Rows"):
        raise NoImageError(f"{path}: holds no image ({kind}); allowed are DICOM images")
    colours = header.get("PhotometricInterpretation")
    if colours not in ("MONOCHROME1", "MONOCHROME2"):
        raise UserError(
            f"{path}: has PhotometricInterpretation {colours}; allowed are MONOCHROME1 and "
            "MONOCHROME2"
        )
    if "ModalityLUTSequence" in header:
        raise UserError(f"{path}: has a ModalityLUTSequence; allowed is a linear rescaling")
    check_size(header.Rows, header.Columns, path)


def _num_frames(header: Any, path: Path) -> int | None:
    frames = int(header.get("NumberOfFrames") or 1)
    # However they are compressed, a frame takes a byte.
    if not 1 <= frames <= path.stat().st_size:
        raise UserError(f"{path}: is too short for {frames} frames")
    counts = frames > 1 or "PerFrameFunctionalGroupsSequence" in header
    return frames if counts else None


def _image(header: Any, path: Path, frame: int, num_frames: int | None) -> DicomImage:
    def get(keyword: str) -> Any:
        return _find(header, frame, keyword)

    slope = _numbers(get("RescaleSlope"), 1)
    intercept = _numbers(get("RescaleIntercept"), 1)
    is_hu = (
        header.get("Modality") == "CT"
        and intercept is not None
        and (get("RescaleType") or "HU") == "HU"
    )
    spacing = _numbers(get("PixelSpacing"), 2)
    # A place that a film of many frames gives once is not that of each.
    is_film = num_frames is not None and "PerFrameFunctionalGroupsSequence" not in header
    return DicomImage(
        path=path,
        frame=frame,
        num_frames=num_frames,
        series=str(header.get("SeriesInstanceUID") or path.parent),
        series_number=header.get("SeriesNumber"),
        instance_number=int(header.get("InstanceNumber") or 0),
        size=(int(header.Rows), int(header.Columns)),
        spacing=(spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
        orientation=_numbers(get("ImageOrientationPatient"), 6),
        position=None if is_film else _numbers(get("ImagePositionPatient"), 3),
        slope=slope[0] if slope else 1.0,
        intercept=intercept[0] if intercept else 0.0,
        is_hu=is_hu,
        # Hounsfield units mean the same however they are shown.
        stored_range=_stored_range(header) if _is_negative(header) and not is_hu else None,
        syntax=_syntax(header),
    )


def _find(header: Any, frame: int, keyword: str) -> Any:
    """A value of one frame, or one that all frames of the file share, or None."""
    own = header.get("PerFrameFunctionalGroupsSequence")
    shared = header.get("SharedFunctionalGroupsSequence")
    groups = [*([own[frame]] if own else []), *(shared or [])]
    for group in groups:
        items = group.get(FUNCTIONAL_GROUPS[keyword])
        if items and keyword in items[0]:
            return items[0].get(keyword)
    return header.get(keyword)


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """So many finite numbers, or None where the file leaves them out."""
    if value is None or value == "":
        return None
    numbers = tuple(float(number) for number in np.atleast_1d(value))
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{count} numbers expected, not {value}")
    return numbers


def _is_negative(header: Any) -> bool:
    return bool(header.PhotometricInterpretation == "MONOCHROME1")


def _stored_range(header: Any) -> tuple[int, int]:
    values = 2**header.BitsStored
    low = -(values // 2) if header.PixelRepresentation else 0
    return low, low + values - 1


def _syntax(header: Any) -> str:
    """The transfer syntax; where a file does not say it, the one in which it could be read."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    named = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    if named:
        return str(named)
    implicit, little_endian = header.original_encoding
    if implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian)
