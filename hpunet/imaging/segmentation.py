"""Reads the samples in a DICOM Segmentation that `hpunet.imaging.write_dicom` writes."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from hpunet.imaging.dicom import display_of
from hpunet.imaging.reading import reading, require
from hpunet.imaging.volume import Orientation
from hpunet.io.errors import UserError

WHAT = "DICOM Segmentation"
LABEL = re.compile(r"Sample (?P<sample>\d+)(?:, class (?P<label>\d+))?")


class SampleSegments(NamedTuple):
    """The header of a file of samples.

    Attributes:
        dataset: The data set.
        samples: Sample, from 0, and class of each segment, by the number of the segment.
        slices: Index of each slice by the UID of its source image, in the order of the volume.
        view: Turns stored planes for display.
    """

    dataset: Any
    samples: dict[int, tuple[int, int]]
    slices: dict[str, int]
    view: Orientation

    @property
    def num_samples(self) -> int:
        """Number of samples."""
        return 1 + max(sample for sample, _ in self.samples.values())


def open_segments(path: Path) -> SampleSegments:
    """Reads the header of a file of samples.

    Raises:
        UserError: If pydicom is missing, if the file is unreadable, if it holds no samples, or if
            their source is a file of several frames, whose empty frames it does not list.
    """
    require("pydicom", path, "DICOM")
    from pydicom import dcmread

    with reading(path, WHAT):
        dataset = dcmread(path)
        segments = {item.SegmentNumber: item.SegmentLabel for item in dataset.SegmentSequence}
        (series,) = dataset.ReferencedSeriesSequence
        sources = series.ReferencedInstanceSequence
        shared = dataset.SharedFunctionalGroupsSequence[0]
        # A radiograph does not state how the patient lies, and is shown as it is stored.
        planes = shared.get("PlaneOrientationSequence")
        orientation = tuple(map(float, planes[0].ImageOrientationPatient)) if planes else None
        several = any("ReferencedFrameNumber" in _source_of(item) for item in _frames(dataset))
    labels = {number: LABEL.fullmatch(text) for number, text in segments.items()}
    if not all(labels.values()):
        raise UserError(f"{path}: holds {', '.join(segments.values())}; allowed are samples")
    if several:
        raise UserError(
            f"{path}: its source is a file of several frames; allowed are samples.npy, which "
            "--format=npy writes"
        )
    samples = {n: (int(m["sample"]) - 1, int(m["label"] or 1)) for n, m in labels.items() if m}
    slices = {str(item.ReferencedSOPInstanceUID): index for index, item in enumerate(sources)}
    return SampleSegments(dataset, samples, slices, display_of(orientation))


def read_segments(path: Path) -> UInt8[np.ndarray, "S N H W"]:
    """Reads the samples as class labels in the orientation of display.

    Raises:
        UserError: As `open_segments`, or if the pixels are unreadable.
    """
    header = open_segments(path)
    with reading(path, WHAT):
        dataset = header.dataset
        frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
        shape = (header.num_samples, len(header.slices), dataset.Rows, dataset.Columns)
        stored = np.zeros(shape, np.uint8)
        for item, frame in zip(_frames(dataset), frames, strict=True):
            segment = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            sample, label = header.samples[segment]
            index = header.slices[str(_source_of(item).ReferencedSOPInstanceUID)]
            stored[sample, index][frame > 0] = label
    planes = stored.reshape(-1, *shape[2:])
    shown = np.stack([header.view.show(plane) for plane in planes])
    return shown.reshape(*shape[:2], *shown.shape[1:])


def _frames(dataset: Any) -> Any:
    return dataset.PerFrameFunctionalGroupsSequence


def _source_of(frame: Any) -> Any:
    """The reference of a frame to its source image."""
    return frame.DerivationImageSequence[0].SourceImageSequence[0]
