"""Writes samples and mean as DICOM segmentations, and the other maps as parametric maps."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8

from hpunet.imaging.dicom_source import OTHER_FORMATS, MaskSource, read_source
from hpunet.imaging.maps import Maps, NamedMap, named_maps
from hpunet.imaging.reading import fault_text
from hpunet.imaging.volume import Volume
from hpunet.imaging.write_png import write_map_png
from hpunet.io.errors import UserError

# Far from the numbers that scanners assign.
SEGMENTATION_SERIES, MAP_SERIES = 9101, 9102
EXPLANATIONS = {
    "std": "standard deviation over the samples",
    "entropy": "entropy of the shares of all classes, in nats",
}
UNPLACED = (
    "does not state where it lies in the patient: samples and mean are DICOM segmentations without "
    "a frame of reference, the other maps PNG"
)
CONTRASTS = {"std": "STD_DEVIATION", "entropy": "QUANTITY"}


class Derivation(NamedTuple):
    """Properties shared by all DICOM objects of one run on one volume.

    Attributes:
        source: The images that the masks refer to.
        describe: Names and values that describe the run; `version` is the program's.
        digest: SHA-256 of the samples.
    """

    source: MaskSource
    describe: Mapping[str, str]
    digest: str

    def uid(self, name: str) -> str:
        """A UID that depends only on the source, the run, the samples and this name."""
        from pydicom.uid import generate_uid

        settings = [f"{key}={value}" for key, value in sorted(self.describe.items())]
        parts = [*self.source.identity(), *settings, self.digest, name]
        return generate_uid(entropy_srcs=["\n".join(parts)])


def write_dicom(
    folder: Path, scan: Volume, maps: Maps, describe: Mapping[str, str], text: str = ""
) -> list[Path]:
    """Writes `samples.dcm`, `mean.dcm`, `std.dcm` and `entropy.dcm`.

    `samples.dcm` is a binary DICOM Segmentation with one segment for each sample and foreground
    class, without empty frames. `mean.dcm` is a fractional one with one segment for each class:
    probabilities in steps of 1/255. Standard deviation (`std_class_1.dcm` and so on with several
    classes) and entropy, in nats, are Parametric Maps of exact float32. All refer to the source's
    images and frame of reference and carry its patient, study and times. The bytes do not depend on
    when or where the files are written. Of a single image without a place in the patient, such as a
    radiograph, the segmentations state none, and the other maps are PNG, because highdicom writes
    no Parametric Maps without a place.

    Args:
        folder: An existing folder.
        scan: The volume of the maps; its geometry is a `DicomGeometry`.
        maps: The maps as displayed. Memory-mapped samples are not copied if there are two classes.
        describe: Names and values that describe the run, `version` included, in ASCII.
        text: The description in PNG files.

    Returns:
        The files.

    Raises:
        UserError: If highdicom is missing.
        OSError: If a file cannot be written completely.
    """
    _check_installed(scan)
    source = read_source(scan.geometry)
    digest = hashlib.sha256()
    for sample in maps.samples:
        digest.update(sample.tobytes())
    derivation = Derivation(source, describe, digest.hexdigest())
    written = []
    for name, dataset in _objects(derivation, maps):
        written.append(folder / f"{name}.dcm")
        dataset.save_as(written[-1])
    if not source.is_placed:
        for one in _other_maps(maps):
            written.append(folder / f"{one.name}.png")
            write_map_png(written[-1], one, text)
    return written


def check_sources(scan: Volume) -> tuple[str, ...]:
    """Checks that masks of a volume can be written, before anything is drawn.

    Reads the headers of all sources and builds an empty mask of the first slice.

    Returns:
        Notes for the user.

    Raises:
        UserError: If highdicom is missing or does not accept the headers.
    """
    _check_installed(scan)
    try:
        source = read_source(scan.geometry)
        empty = np.zeros((1, 1, *source.shown_size()), np.uint8)
        dataset = _samples(Derivation(source.first(), {"version": ""}, ""), empty, 2)
        shared = dataset.SharedFunctionalGroupsSequence[0]
        if source.is_placed and "PlaneOrientationSequence" not in shared:
            raise ValueError("no position in the patient")
    except UserError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{scan.shown_place}: its headers do not suffice for DICOM results "
            f"({fault_text(error)}); {OTHER_FORMATS}"
        ) from error
    return () if source.is_placed else (UNPLACED,)


def _check_installed(scan: Volume) -> None:
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{scan.place}: writing DICOM needs highdicom: pip install 'hpunet[medical]'"
        ) from error


def _objects(derivation: Derivation, maps: Maps) -> Iterator[tuple[str, Any]]:
    """Names and data sets of the files, one at a time: those of a volume are large."""
    yield "samples", _samples(derivation, maps.samples, maps.num_classes)
    yield "mean", _mean(derivation, maps)
    if derivation.source.is_placed:
        for number, one in enumerate(_other_maps(maps), start=1):
            yield one.name, _parametric_map(derivation, one, number)


def _other_maps(maps: Maps) -> list[NamedMap]:
    return [one for one in named_maps(maps) if one.kind != "mean"]


def _samples(
    derivation: Derivation, samples: UInt8[np.ndarray, "S N H W"], num_classes: int
) -> Any:
    labels = [f"Sample {number}" for number in range(1, len(samples) + 1)]
    masks = samples
    if num_classes > 2:
        classes = range(1, num_classes)
        labels = [f"{sample}, class {label}" for sample in labels for label in classes]
        masks = np.stack([sample == label for sample in samples for label in classes])
    return _segmentation(derivation, "samples", "BINARY", masks, labels, 1)


def _mean(derivation: Derivation, maps: Maps) -> Any:
    labels = ["Mean of the samples"]
    if maps.num_classes > 2:
        labels = [f"{labels[0]}, class {label}" for label in range(1, maps.num_classes)]
    return _segmentation(derivation, "mean", "FRACTIONAL", maps.mean, labels, 2)


def _segmentation(
    derivation: Derivation,
    name: str,
    kind: str,
    masks: Shaped[np.ndarray, "M N H W"],
    labels: list[str],
    number: int,
) -> Any:
    from highdicom.seg import Segmentation

    pixels = derivation.source.stored(masks)
    dataset = Segmentation(
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=_segments(derivation, labels),
        series_instance_uid=derivation.uid("segmentations"),
        series_number=SEGMENTATION_SERIES,
        instance_number=number,
        # highdicom cannot omit all frames.
        omit_empty_frames=bool(pixels.any()),
        **_common(derivation, name),
    )
    return _make_reproducible(derivation, name, dataset)


def _segments(derivation: Derivation, labels: list[str]) -> list[Any]:
    """One segment for each mask, coded as tissue: the network does not know what it outlines."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    algorithm = AlgorithmIdentificationSequence(
        name="hpunet",
        family=codes.DCM.ArtificialIntelligence,
        version=derivation.describe["version"],
        parameters=dict(derivation.describe),
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


def _parametric_map(derivation: Derivation, one: NamedMap, number: int) -> Any:
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping
    from pydicom.sr.codedict import codes

    mapping = RealWorldValueMapping(
        lut_label=one.kind.upper(),
        lut_explanation=EXPLANATIONS[one.kind],
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, one.most),
    )
    dataset = ParametricMap(
        pixel_array=derivation.source.stored(one.values[None])[..., 0],
        series_instance_uid=derivation.uid("parametric maps"),
        series_number=MAP_SERIES,
        instance_number=number,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            # The plain linear function has no width below 1.
            VOILUTTransformation(one.most / 2, one.most, voi_lut_function="LINEAR_EXACT")
        ],
        derived_pixel_contrast=CONTRASTS[one.kind],
        **_common(derivation, one.name),
    )
    return _make_reproducible(derivation, one.name, dataset)


def _common(derivation: Derivation, name: str) -> dict[str, Any]:
    return {
        "source_images": derivation.source.images,
        "plane_positions": derivation.source.positions,
        "sop_instance_uid": derivation.uid(name),
        "manufacturer": "hpunet",
        "manufacturer_model_name": "hpunet",
        "software_versions": derivation.describe["version"],
        "device_serial_number": "0",
        "content_label": name.upper(),
        "specific_character_set": None,
    }


def _make_reproducible(derivation: Derivation, name: str, dataset: Any) -> Any:
    """Replaces highdicom's current time and random UIDs by the source's time and derived UIDs.

    Restores the patient's name and the character set, not all of which highdicom accepts.
    """
    if derivation.source.character_set is not None:
        dataset.SpecificCharacterSet = derivation.source.character_set
    # A new element: highdicom shares copied elements with the source.
    dataset.add_new("PatientName", "PN", derivation.source.patient_name)
    dataset.ContentDate, dataset.ContentTime = derivation.source.moment()
    if derivation.source.sop_class is not None:
        for element in dataset.iterall():
            if element.keyword == "ReferencedSOPClassUID":
                element.value = derivation.source.sop_class
    del dataset.InstanceCreationDate, dataset.InstanceCreationTime
    del dataset.ContributingEquipmentSequence[-1].ContributionDateTime
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = derivation.uid(f"dimensions of {name}")
    # highdicom leaves a database in memory open, of which Python 3.13 warns.
    if (table := getattr(dataset, "_db_con", None)) is not None:
        table.close()
    return dataset
