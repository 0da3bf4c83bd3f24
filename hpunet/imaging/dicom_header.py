"""The headers of DICOM files: the images in a file, their geometry and their units."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpunet.imaging.reading import check_size, reading, require
from hpunet.io.errors import UserError

PREAMBLE = 128
# Files without a preamble begin with group 2 or 8, up to the character set and identity.
# pydicom.misc.is_dicom does not recognise them.
FIRST_TAGS = tuple(
    bytes([group, 0, element, 0]) for group in (2, 8) for element in (0, 1, 5, 8, 22)
)
NO_IMAGES = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "SR", "PR", "KO", "REG"}
# Where multi-frame files keep the elements of each frame.
FUNCTIONAL_GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "FrameType": "MRImageFrameTypeSequence",
}
WINDOW = ("WindowCenter", "WindowWidth")
# What tells images at one position apart, the most common first.
TRAITS = (
    *("EchoTime", "EffectiveEchoTime", "EchoNumbers", "InversionTime", "FlipAngle"),
    *("TemporalPositionIdentifier", "TemporalPositionIndex", "TriggerTime"),
    *("DiffusionBValue", "DiffusionGradientOrientation"),
    *("ImageType", "FrameType", "ConvolutionKernel", "ContrastBolusAgent"),
    *("AcquisitionNumber", "AcquisitionTime", "ContentTime"),
)


class NoImageError(UserError):
    """A DICOM file is intact, but holds no image to segment."""


class DicomImage(NamedTuple):
    """One image of a DICOM file, which holds one or several.

    Attributes:
        path: The file.
        frame: Index of the frame in the file, from 0.
        num_frames: Number of frames in the file, or None for a single image.
        uid: Identifier of the file, or an empty text.
        series: Identifiers of the patient, the study and the series; the folder of the file stands
            in for a missing series.
        series_number: Number of the series, or None.
        instance_number: Number of the file in its series; 0 if unknown.
        size: Number of rows and columns.
        spacing: Spacing of rows and of columns in mm, or None.
        orientation: Direction cosines along a row and along a column, to the patient's left, back
            and head, or None.
        position: Position of the first pixel in mm, in the same directions, or None.
        frame_of_reference: Identifier of the coordinates of these positions, or None.
        traits: The values of `TRAITS`, as texts; empty ones are missing.
        slope: Factor of the stored values.
        intercept: Added to the product.
        is_hu: Whether the rescaled values are Hounsfield units.
        stored_range: Least and largest value that a pixel can hold, where low values are white
            (MONOCHROME1, no Hounsfield units); otherwise None.
        suggested: Intensity window that the file suggests for display, of rescaled values, or
            None.
        syntax: The transfer syntax, which defines the encoding of the pixels.
    """

    path: Path
    frame: int
    num_frames: int | None
    uid: str
    series: tuple[str, str, str]
    series_number: int | None
    instance_number: int
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    frame_of_reference: str | None
    traits: tuple[str, ...]
    slope: float
    intercept: float
    is_hu: bool
    stored_range: tuple[int, int] | None
    suggested: tuple[float, float] | None
    syntax: str

    def __str__(self) -> str:
        """Name in messages: the file and, in a multi-frame file, the frame's number from 1."""
        return str(self.path) + (f": frame {self.frame + 1}" if self.num_frames else "")


def is_dicom(path: Path) -> bool:
    """Whether a file begins like a DICOM file, with or without a preamble."""
    with reading(path, "file"), path.open("rb") as file:
        start = file.read(PREAMBLE + 4)
    return start[PREAMBLE:] == b"DICM" or start.startswith(FIRST_TAGS)


def read_images(path: Path) -> list[DicomImage]:
    """Reads the images of a DICOM file without their pixels.

    Args:
        path: A file that begins like a DICOM file, or has the suffix of one.

    Raises:
        NoImageError: If it holds something else, such as a report, contours or a localizer.
        UserError: If it is unreadable or not a gray image, or if pydicom is missing.
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
    _check_present(header, ("Columns", "PhotometricInterpretation"), path)
    colours = header.PhotometricInterpretation
    if colours not in ("MONOCHROME1", "MONOCHROME2"):
        raise UserError(
            f"{path}: has PhotometricInterpretation {colours}; allowed are MONOCHROME1 and "
            "MONOCHROME2"
        )
    if "ModalityLUTSequence" in header:
        raise UserError(f"{path}: has a ModalityLUTSequence; allowed is a linear rescaling")
    check_size(header.Rows, header.Columns, path)


def _check_present(header: Any, keywords: Sequence[str], path: Path) -> None:
    for keyword in keywords:
        if header.get(keyword) in (None, ""):
            raise UserError(f"{path}: lacks {keyword}, which a DICOM image needs")


def _num_frames(header: Any, path: Path) -> int | None:
    from pydicom.pixels.utils import get_nr_frames

    frames = int(get_nr_frames(header, warn=False))
    # Even a compressed frame takes at least a byte.
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
    # A multi-frame file without functional groups states one position, which is not that of each.
    has_one_position = num_frames is not None and "PerFrameFunctionalGroupsSequence" not in header
    return DicomImage(
        path=path,
        frame=frame,
        num_frames=num_frames,
        uid=str(header.get("SOPInstanceUID") or ""),
        series=(
            str(header.get("PatientID") or ""),
            str(header.get("StudyInstanceUID") or ""),
            str(header.get("SeriesInstanceUID") or path.parent),
        ),
        series_number=header.get("SeriesNumber"),
        instance_number=int(header.get("InstanceNumber") or 0),
        size=(int(header.Rows), int(header.Columns)),
        spacing=(spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
        orientation=_numbers(get("ImageOrientationPatient"), 6),
        position=None if has_one_position else _numbers(get("ImagePositionPatient"), 3),
        frame_of_reference=str(header.get("FrameOfReferenceUID") or "") or None,
        traits=tuple(_text(_readable(get, keyword)) for keyword in TRAITS),
        slope=slope[0] if slope else 1.0,
        intercept=intercept[0] if intercept else 0.0,
        is_hu=is_hu,
        # Hounsfield units do not depend on how they are displayed.
        stored_range=None if is_hu else _inverted_range(header, path),
        suggested=_suggested_window(*(_readable(get, word) for word in WINDOW)),
        syntax=_syntax(header),
    )


def _find(header: Any, frame: int, keyword: str) -> Any:
    """The value of one frame, else the value that all frames of the file share, else None."""
    own = header.get("PerFrameFunctionalGroupsSequence")
    shared = header.get("SharedFunctionalGroupsSequence")
    groups = [*([own[frame]] if own else []), *(shared or [])]
    for group in groups:
        items = group.get(FUNCTIONAL_GROUPS[keyword]) if keyword in FUNCTIONAL_GROUPS else None
        if items and keyword in items[0]:
            return items[0].get(keyword)
    return header.get(keyword)


def _readable(get: Callable[[str], Any], keyword: str) -> Any:
    """The value of an element that an image does not need; None if it is malformed."""
    try:
        return get(keyword)
    except (ValueError, TypeError, OverflowError):
        return None


def _text(value: Any) -> str:
    """The value of an element, empty if it is missing."""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return "-".join(map(str, value)) if several else str("" if value is None else value)


def _suggested_window(center: Any, width: Any) -> tuple[float, float] | None:
    """The first window of a header, or None if there is none that can be used."""
    try:
        middle, size = (float(np.atleast_1d(value)[0]) for value in (center, width))
    except (TypeError, ValueError, IndexError):
        return None
    low, high = middle - size / 2, middle + size / 2
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """The finite numbers of an element, or None if the file leaves it out."""
    if value is None or value == "":
        return None
    numbers = tuple(float(number) for number in np.atleast_1d(value))
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{count} numbers expected, not {value}")
    return numbers


def _inverted_range(header: Any, path: Path) -> tuple[int, int] | None:
    """The range of stored values where low ones are white, else None."""
    if header.PhotometricInterpretation != "MONOCHROME1":
        return None
    _check_present(header, ("BitsStored", "PixelRepresentation"), path)
    values = 2**header.BitsStored
    low = -(values // 2) if header.PixelRepresentation else 0
    return low, low + values - 1


def _syntax(header: Any) -> str:
    """The transfer syntax that the file states, else the one that pydicom read it with."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    named = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    if named:
        return str(named)
    implicit, little_endian = header.original_encoding
    if implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian)
