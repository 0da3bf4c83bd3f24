"""The DICOM images that masks refer to, prepared for highdicom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from hpunet.imaging.dicom import DicomGeometry
from hpunet.imaging.volume import Orientation
from hpunet.io.errors import UserError

# Advice if masks cannot be written as DICOM.
OTHER_FORMATS = "choose --format=png or npy"
IDENTIFIERS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Of single images; multi-frame files state them in functional groups.
PLANE = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient")
FRAME_ELEMENTS = (
    ("PixelMeasuresSequence", "PixelSpacing"),
    ("PlaneOrientationSequence", "ImageOrientationPatient"),
)
# highdicom requires these elements; anonymised files lack them.
MAY_BE_EMPTY = (
    "PatientID",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
SEXES = ("M", "F", "O")
# Prefixes of elements with a source's date and time, best first, and the values if it has none.
MOMENTS = ("Content", "Acquisition", "Series", "Study")
NO_DATE, NO_TIME = "19000101", "000000"


class MaskSource(NamedTuple):
    """The images that masks refer to.

    Attributes:
        images: Data sets without pixels: one for each slice, or one with several frames.
        frames: The chosen frames of such a file, from 1; None otherwise.
        positions: highdicom's positions of these frames; None where each image states its own.
        patient_name: The patient's name as stored.
        character_set: The character set as stored, or None.
        view: Turns stored planes for display.
        is_placed: Whether the images state where they lie in the patient. Radiographs do not;
            masks of a single one need no place.
        sop_class: The SOP class to refer to, where another one stands in for it; otherwise None.
    """

    images: list[Any]
    frames: tuple[int, ...] | None
    positions: list[Any] | None
    patient_name: Any
    character_set: Any
    view: Orientation
    is_placed: bool = True
    sop_class: Any = None

    def identity(self) -> list[str]:
        """Texts that identify this choice of images."""
        uids = [str(image.SOPInstanceUID) for image in self.images]
        return [*uids, *map(str, self.frames or ())]

    def first(self) -> "MaskSource":
        """The first slice only."""
        return self._replace(
            images=self.images[:1],
            frames=self.frames and self.frames[:1],
            positions=self.positions and self.positions[:1],
        )

    def shown_size(self) -> tuple[int, ...]:
        """Height and width of the displayed slices, in pixels."""
        stored = np.empty((self.images[0].Rows, self.images[0].Columns), np.bool_)
        return self.view.show(stored).shape

    def stored(
        self, displayed: Shaped[np.ndarray, "M N H W"]
    ) -> Shaped[np.ndarray, "N rows columns M"]:
        """Displayed planes, turned as the source stores them and with the axes of highdicom."""
        return np.moveaxis(self.view.store(displayed.transpose(2, 3, 1, 0)), 2, 0)

    def moment(self) -> tuple[str, str]:
        """Date and time of the source, never the current ones."""
        first = self.images[0]
        for name in MOMENTS:
            if first.get(f"{name}Date"):
                return first.get(f"{name}Date"), first.get(f"{name}Time") or NO_TIME
        return NO_DATE, NO_TIME


def read_source(geometry: DicomGeometry) -> MaskSource:
    """Reads the headers of the chosen slices and fills the gaps of anonymised files.

    Raises:
        UserError: If a header lacks a required element, or if the images differ in study or frame
            of reference.
    """
    from pydicom import dcmread

    paths = list(dict.fromkeys(geometry.paths))
    images = [dcmread(path, stop_before_pixels=True, force=True) for path in paths]
    patient_name, character_set = map(images[0].get, ("PatientName", "SpecificCharacterSet"))
    is_placed = len(paths) > 1 or bool(geometry.frames) or _states_place(images[0])
    for path, image in zip(paths, images, strict=True):
        has_plane = is_placed and not geometry.frames
        for keyword in (*IDENTIFIERS, *PLANE) if has_plane else IDENTIFIERS:
            _value(image, keyword, path)
        _fill_gaps(image, is_placed)
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
            if image.get(keyword) != images[0].get(keyword):
                raise UserError(
                    f"{path}: its {keyword} differs from that of {paths[0]}, but DICOM results "
                    f"need the same for all images of a volume; {OTHER_FORMATS}"
                )
    positions = None
    if geometry.frames is not None:
        positions = _positions(images[0], geometry.frames, paths[0])
    sop_class = None if is_placed else _stand_in(images[0])
    view = geometry.view
    return MaskSource(
        images,
        geometry.frames,
        positions,
        patient_name,
        character_set,
        view,
        is_placed,
        sop_class,
    )


def _states_place(image: Any) -> bool:
    return any(image.get(keyword) for keyword in PLANE[1:])


def _stand_in(image: Any) -> Any:
    """Makes an image without frame of reference acceptable to highdicom; returns its SOP class.

    highdicom writes masks of such images for classes that do not need a frame of reference, but
    anonymised and converted radiographs often state another class.
    """
    from pydicom.uid import SecondaryCaptureImageStorage

    actual = image.SOPClassUID
    if "FrameOfReferenceUID" not in image:
        image.SOPClassUID = SecondaryCaptureImageStorage
    return actual


def _value(dataset: Any, keyword: str, path: Path) -> Any:
    """The value of an element.

    Raises:
        UserError: If the element is missing or empty; the message names it and the file.
    """
    value = dataset.get(keyword)
    if value is None or value == "" or (isinstance(value, Sequence) and not value):
        raise UserError(f"{path}: lacks {keyword}, which DICOM results need; {OTHER_FORMATS}")
    return value


def _fill_gaps(image: Any, is_placed: bool) -> None:
    from pydicom.uid import generate_uid

    for keyword in MAY_BE_EMPTY:
        image.setdefault(keyword, None)
    if image.get("PatientSex") not in SEXES:
        image.PatientSex = None
    # highdicom warns of names without a caret; the results get the stored name.
    image.PatientName = None
    if not image.get("FrameOfReferenceUID"):
        image.pop("FrameOfReferenceUID", None)
        if is_placed:
            image.FrameOfReferenceUID = generate_uid(entropy_srcs=[image.SeriesInstanceUID])
    if not is_placed:
        # Where they are empty.
        for keyword in PLANE[1:]:
            image.pop(keyword, None)
    _fill_thickness(image)


def _fill_thickness(measures: Any) -> None:
    """Adds a missing thickness, which readers of masks require; a voxel is as deep as high."""
    if measures.get("SliceThickness") is None and measures.get("PixelSpacing"):
        measures.SliceThickness = measures.get("SpacingBetweenSlices") or measures.PixelSpacing[0]


def _positions(image: Any, frames: tuple[int, ...], path: Path) -> list[Any]:
    from highdicom import PlanePositionSequence

    all_groups = _value(image, "PerFrameFunctionalGroupsSequence", path)
    shared = _value(image, "SharedFunctionalGroupsSequence", path)[0]
    if len(all_groups) < max(frames):
        raise UserError(
            f"{path}: has {len(all_groups)} items in PerFrameFunctionalGroupsSequence for "
            f"{max(frames)} or more frames; {OTHER_FORMATS}"
        )
    groups = [all_groups[number - 1] for number in frames]
    for sequence, keyword in FRAME_ELEMENTS:
        # highdicom looks only here; the reader refuses frames that differ.
        if not shared.get(sequence):
            setattr(shared, sequence, _value(groups[0], sequence, path))
        _value(shared[sequence].value[0], keyword, path)
    _fill_thickness(shared.PixelMeasuresSequence[0])
    places = [_value(group, "PlanePositionSequence", path)[0] for group in groups]
    return [
        PlanePositionSequence("PATIENT", _value(place, "ImagePositionPatient", path))
        for place in places
    ]
