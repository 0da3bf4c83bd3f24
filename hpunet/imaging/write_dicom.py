"""Samples as a DICOM segmentation, their mean as a fractional one, the rest as parametric maps."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8

from hpunet.imaging.dicom_source import Source, read_source
from hpunet.imaging.maps import Maps, NamedMap, named_maps
from hpunet.imaging.scan import Scan
from hpunet.io.errors import UserError

# Far from the numbers that scanners give.
SEGMENTATION_SERIES, MAP_SERIES = 9101, 9102
EXPLANATIONS = {
    "std": "standard deviation over the samples",
    "entropy": "entropy of the shares of all classes, in nats",
}
CONTRASTS = {"std": "STD_DEVIATION", "entropy": "QUANTITY"}


class Origin(NamedTuple):
    """What all objects of one run over one scan share.

    Attributes:
        source: The images that the masks are of.
        describe: How the samples were drawn; `version` is the program's.
        digest: Of the samples.
    """

    source: Source
    describe: Mapping[str, str]
    digest: str

    def uid(self, name: str) -> str:
        """A UID that depends on nothing but what was drawn, of what, and this name."""
        from pydicom.uid import generate_uid

        told = [f"{key}={value}" for key, value in sorted(self.describe.items())]
        parts = [*self.source.identity(), *told, self.digest, name]
        return generate_uid(entropy_srcs=["\n".join(parts)])


def write_dicom(folder: Path, scan: Scan, maps: Maps, describe: Mapping[str, str]) -> list[Path]:
    """Writes `samples.dcm`, `mean.dcm`, `std.dcm` and `entropy.dcm`.

    `samples.dcm` is a binary DICOM Segmentation with one segment a sample and foreground class,
    frames without a pixel left out. `mean.dcm` is a fractional one with one segment a class:
    probabilities in steps of 1/255. Standard deviation (`std_class_1.dcm` and so on with several
    classes) and entropy, in nats, are Parametric Maps of exact float32. All refer to the source's
    images and frame of reference and carry its patient, study and times; nothing depends on when
    or where they are written.

    Args:
        folder: Exists.
        scan: What the maps are of; its geometry is a `DicomGeometry`.
        maps: As displayed. Samples in a file are not copied if there are two classes.
        describe: How the samples were drawn, `version` included, in ASCII.

    Returns:
        The files.

    Raises:
        UserError: If highdicom is missing.
        OSError: If a file cannot be written as a whole.
    """
    _check_installed(scan)
    source = read_source(scan.geometry)
    digest = hashlib.sha256()
    for sample in maps.samples:
        digest.update(sample.tobytes())
    origin = Origin(source, describe, digest.hexdigest())
    written = []
    for name, made in _objects(origin, maps):
        written.append(folder / f"{name}.dcm")
        made.save_as(written[-1])
    return written


def check_sources(scan: Scan) -> None:
    """Reads the headers of a scan's sources and tries an empty mask on the first of them.

    This shows what is wrong before anything is drawn.

    Raises:
        UserError: If highdicom is missing or does not accept the sources' headers.
    """
    _check_installed(scan)
    try:
        source = read_source(scan.geometry)
        empty = np.zeros((1, 1, *source.shown_size()), np.uint8)
        made = _samples(Origin(source.first(), {"version": ""}, ""), empty, 2)
        if "PlaneOrientationSequence" not in made.SharedFunctionalGroupsSequence[0]:
            raise ValueError("where the image lies in the patient")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{scan.place}: its headers lack what a DICOM segmentation needs "
            f"({' '.join(str(error).split())}): choose --format=png or npy"
        ) from error


def _check_installed(scan: Scan) -> None:
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{scan.place}: writing DICOM needs highdicom: pip install 'hpunet[medical]'"
        ) from error


def _objects(origin: Origin, maps: Maps) -> Iterator[tuple[str, Any]]:
    """Files' names and data sets, one after the other: those of a volume are large."""
    yield "samples", _samples(origin, maps.samples, maps.num_classes)
    yield "mean", _mean(origin, maps)
    shown = [one for one in named_maps(maps) if one.kind != "mean"]
    for number, one in enumerate(shown, start=1):
        yield one.name, _parametric_map(origin, one, number)


def _samples(origin: Origin, samples: UInt8[np.ndarray, "S N H W"], num_classes: int) -> Any:
    labels = [f"Sample {number}" for number in range(1, len(samples) + 1)]
    masks = samples
    if num_classes > 2:
        classes = range(1, num_classes)
        labels = [f"{sample}, class {label}" for sample in labels for label in classes]
        masks = np.stack([sample == label for sample in samples for label in classes])
    return _segmentation(origin, "samples", "BINARY", masks, labels, 1)


def _mean(origin: Origin, maps: Maps) -> Any:
    labels = ["Mean of the samples"]
    if maps.num_classes > 2:
        labels = [f"{labels[0]}, class {label}" for label in range(1, maps.num_classes)]
    return _segmentation(origin, "mean", "FRACTIONAL", maps.mean, labels, 2)


def _segmentation(
    origin: Origin,
    name: str,
    kind: str,
    masks: Shaped[np.ndarray, "M N H W"],
    labels: list[str],
    number: int,
) -> Any:
    from highdicom.seg import Segmentation

    pixels = origin.source.stored(masks)
    made = Segmentation(
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=_segments(origin, labels),
        series_instance_uid=origin.uid("segmentations"),
        series_number=SEGMENTATION_SERIES,
        instance_number=number,
        # Frames cannot be left out if that leaves none.
        omit_empty_frames=bool(pixels.any()),
        **_common(origin, name),
    )
    return _settle(origin, name, made)


def _segments(origin: Origin, labels: list[str]) -> list[Any]:
    """One segment a mask; all are called tissue, for what the network outlines is not known."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    algorithm = AlgorithmIdentificationSequence(
        name="hpunet",
        family=codes.DCM.ArtificialIntelligence,
        version=origin.describe["version"],
        parameters=dict(origin.describe),
    )
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number, label in enumerate(labels, start=1)
    ]


def _parametric_map(origin: Origin, one: NamedMap, number: int) -> Any:
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping
    from pydicom.sr.codedict import codes

    mapping = RealWorldValueMapping(
        lut_label=one.kind.upper(),
        lut_explanation=EXPLANATIONS[one.kind],
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, one.most),
    )
    made = ParametricMap(
        pixel_array=origin.source.stored(one.values[None])[..., 0],
        series_instance_uid=origin.uid("parametric maps"),
        series_number=MAP_SERIES,
        instance_number=number,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            # The plain linear function has no width below 1.
            VOILUTTransformation(one.most / 2, one.most, voi_lut_function="LINEAR_EXACT")
        ],
        derived_pixel_contrast=CONTRASTS[one.kind],
        **_common(origin, one.name),
    )
    return _settle(origin, one.name, made)


def _common(origin: Origin, name: str) -> dict[str, Any]:
    return {
        "source_images": origin.source.images,
        "plane_positions": origin.source.positions,
        "sop_instance_uid": origin.uid(name),
        "manufacturer": "hpunet",
        "manufacturer_model_name": "hpunet",
        "software_versions": origin.describe["version"],
        "device_serial_number": "0",
        "content_label": name.upper(),
        "specific_character_set": None,
    }


def _settle(origin: Origin, name: str, made: Any) -> Any:
    """Puts the source's time and derived UIDs where highdicom puts the clock and random ones.

    So it does with the source's name of the patient and its letters, not all of which highdicom
    takes.
    """
    if origin.source.character_set is not None:
        made.SpecificCharacterSet = origin.source.character_set
    # A new element: what highdicom copies, it shares with the source.
    made.add_new("PatientName", "PN", origin.source.patient_name)
    made.ContentDate, made.ContentTime = origin.source.moment()
    del made.InstanceCreationDate, made.InstanceCreationTime
    del made.ContributingEquipmentSequence[-1].ContributionDateTime
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = origin.uid(f"dimensions of {name}")
    # A table of frames in memory, which highdicom leaves open and Python 3.13 warns of.
    if (table := getattr(made, "_db_con", None)) is not None:
        table.close()
    return made
