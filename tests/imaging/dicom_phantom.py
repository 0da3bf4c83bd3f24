"""DICOM files whose patient is known, written for the tests."""

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1, 0, 0, 0, 1, 0)
SERIES = generate_uid(entropy_srcs=["series"])


def ct_header(path, stored, syntax=ExplicitVRLittleEndian):
    """A CT image of 16 bits without pixels yet, at the origin and unrotated."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    meta.TransferSyntaxUID = syntax
    header = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID = CTImageStorage
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    header.SeriesInstanceUID = SERIES
    header.SeriesNumber = 7
    header.Modality = "CT"
    header.Rows, header.Columns = stored.shape[-2:]
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 8 * stored.dtype.itemsize
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(stored.dtype.kind == "i")
    header.PixelSpacing = [0.7, 0.9]
    header.RescaleSlope, header.RescaleIntercept = 1, -1024
    header.ImageOrientationPatient = list(AXIAL)
    header.ImagePositionPatient = [0, 0, 0]
    return header


def write_ct(path, stored, **changes):
    """Writes a CT image; a change of None removes what is there.

    Args:
        path: Where to write.
        stored: Pixels, int16, uint16 or uint8 `[H, W]` or `[frames, H, W]`.
        changes: Of the header.
    """
    header = ct_header(path, stored)
    for keyword, value in changes.items():
        if value is None:
            del header[keyword]
        else:
            setattr(header, keyword, value)
    header.PixelData = stored.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def write_enhanced(path, stored, heights, intercept=-1000):
    """Writes frames of an enhanced CT, each with its own height in mm; the rest is shared."""

    def group(**items):
        dataset = Dataset()
        for keyword, values in items.items():
            inner = Dataset()
            inner.update(values)
            setattr(dataset, keyword, [inner])
        return dataset

    def values(**entries):
        dataset = Dataset()
        for keyword, value in entries.items():
            setattr(dataset, keyword, value)
        return dataset

    shared = group(
        PlaneOrientationSequence=values(ImageOrientationPatient=list(AXIAL)),
        PixelMeasuresSequence=values(PixelSpacing=[0.5, 0.6]),
        PixelValueTransformationSequence=values(
            RescaleSlope=2, RescaleIntercept=intercept, RescaleType="HU"
        ),
    )
    own = [
        group(PlanePositionSequence=values(ImagePositionPatient=[0, 0, height]))
        for height in heights
    ]
    return write_ct(
        path,
        stored,
        NumberOfFrames=len(stored),
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=own,
        **dict.fromkeys(
            (
                "PixelSpacing",
                "RescaleSlope",
                "RescaleIntercept",
                "ImageOrientationPatient",
                "ImagePositionPatient",
            )
        ),
    )


def distinct(*shape, dtype=np.int16):
    """Pixels that all differ, so that no turn of them looks like another."""
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)
