"""The DICOM images that masks are of, made ready for highdicom."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from hpunet.imaging.dicom import DicomGeometry
from hpunet.imaging.view import View

# highdicom insists on these, and anonymised files lack them.
MAY_BE_EMPTY = (
    "PatientID",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
SEXES = ("M", "F", "O")
# Where a source's own time is looked for, most fitting first; and what is said if it has none.
MOMENTS = ("Content", "Acquisition", "Series", "Study")
NO_DATE, NO_TIME = "19000101", "000000"


class Source(NamedTuple):
    """The source of masks.

    Attributes:
        images: Data sets without pixels: one a slice, or a single one with many frames.
        frames: Of the chosen slices in such a single one, counted from 1; None otherwise.
        positions: highdicom's positions of these frames; None where the images say it.
        patient_name: As the images say it.
        character_set: As the images name it, or None.
        view: Turns stored planes for display.
    """

    images: list[Any]
    frames: tuple[int, ...] | None
    positions: list[Any] | None
    patient_name: Any
    character_set: Any
    view: View

    def identity(self) -> list[str]:
        """What no other choice of images has."""
        uids = [str(image.SOPInstanceUID) for image in self.images]
        return [*uids, *map(str, self.frames or ())]

    def first(self) -> "Source":
        """The first slice alone."""
        return self._replace(
            images=self.images[:1],
            frames=self.frames and self.frames[:1],
            positions=self.positions and self.positions[:1],
        )

    def shown_size(self) -> tuple[int, ...]:
        """Height and width of the displayed slices."""
        stored = np.empty((self.images[0].Rows, self.images[0].Columns), np.bool_)
        return self.view.show(stored).shape

    def stored(
        self, shown: Shaped[np.ndarray, "M N H W"]
    ) -> Shaped[np.ndarray, "N rows columns M"]:
        """Displayed planes as they are stored in the source and as highdicom wants them."""
        return np.moveaxis(self.view.store(shown.transpose(2, 3, 1, 0)), 2, 0)

    def moment(self) -> tuple[str, str]:
        """Date and time of the source, never those of now."""
        first = self.images[0]
        for name in MOMENTS:
            if first.get(f"{name}Date"):
                return first.get(f"{name}Date"), first.get(f"{name}Time") or NO_TIME
        return NO_DATE, NO_TIME


def read_source(geometry: DicomGeometry) -> Source:
    """Reads the headers of the chosen slices and fills gaps that anonymisation leaves.

    Raises:
        AttributeError, IndexError, KeyError or ValueError: If a header lacks what cannot be empty,
            or images are not of one study and frame of reference.
    """
    from pydicom import dcmread

    paths = list(dict.fromkeys(geometry.paths))
    images = [dcmread(path, stop_before_pixels=True, force=True) for path in paths]
    patient_name, character_set = map(images[0].get, ("PatientName", "SpecificCharacterSet"))
    for image in images:
        _fill_gaps(image)
    if len({(image.StudyInstanceUID, image.FrameOfReferenceUID) for image in images}) > 1:
        raise ValueError("one study and frame of reference for all its images")
    positions = None if geometry.frames is None else _positions(images[0], geometry.frames)
    return Source(images, geometry.frames, positions, patient_name, character_set, geometry.view)


def _fill_gaps(image: Any) -> None:
    from pydicom.uid import generate_uid

    for keyword in MAY_BE_EMPTY:
        if keyword not in image:
            setattr(image, keyword, None)
    if image.get("PatientSex") not in SEXES:
        image.PatientSex = None
    # highdicom complains of names without a caret; the name is put back into what it makes.
    image.PatientName = None
    if "FrameOfReferenceUID" not in image:
        image.FrameOfReferenceUID = generate_uid(entropy_srcs=[image.SeriesInstanceUID])
    _fill_thickness(image)


def _fill_thickness(measures: Any) -> None:
    """Masks without a thickness cannot be read: without it, a voxel is as deep as it is high."""
    if measures.get("SliceThickness") is None and "PixelSpacing" in measures:
        measures.SliceThickness = measures.get("SpacingBetweenSlices") or measures.PixelSpacing[0]


def _positions(image: Any, frames: tuple[int, ...]) -> list[Any]:
    from highdicom import PlanePositionSequence

    for keyword in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        if keyword not in image:
            raise ValueError(f"{keyword}, which says where its frames lie")
    groups = [image.PerFrameFunctionalGroupsSequence[number - 1] for number in frames]
    shared = image.SharedFunctionalGroupsSequence[0]
    for keyword in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        # highdicom looks here alone; frames that differ are none of one scan.
        if keyword not in shared:
            setattr(shared, keyword, getattr(groups[0], keyword))
    _fill_thickness(shared.PixelMeasuresSequence[0])
    return [
        PlanePositionSequence("PATIENT", group.PlanePositionSequence[0].ImagePositionPatient)
        for group in groups
    ]
