"""Settings of data sets, crops and augmentation, one frozen dataclass for each group of keys.

A field carries the default, the bounds and the meaning of its key.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping
from typing import ClassVar

from hpunet.config.class_table import ClassTable, class_table
from hpunet.models.fields import (
    BOOLEAN,
    FINITE,
    LARGEST,
    PROBABILITY,
    TEXT,
    Allowed,
    check_fields,
    either,
    field,
    number,
    one_of,
    optional,
    pair,
    several,
    whole,
)

DATA_SETS = ("synthetic", "lidc", "folder")
SIZES = ("crop", "annotated", "resize")
INTENSITIES = ("percentiles", "range", "zscore")
SLICES = ("all", "annotated")
PLANES = ("auto", "axial", "coronal", "sagittal")
# More protrusions would touch one another.
MAX_PROTRUSIONS = 4
# A displacement with a slope below -1 folds the image. The standard deviation of the slope is
# displacement / (sqrt(2) * scale). With this bound, a slope of 1 is more than four of them.
MAX_DISPLACEMENT_PER_SCALE = 1 / 3
HEIGHT_AND_WIDTH = Allowed(
    f"(height, width) with whole numbers from 1 to {LARGEST}",
    lambda v: several(whole(1), 2, 2).test(v),
)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The data set, its folder, and the crop of its images."""

    name: str = field("synthetic", one_of(*DATA_SETS), "Name of the data set.")
    dir: str | None = field(
        None,
        optional(TEXT),
        "Annotated folder, or folder of the LIDC crops, packed or not; None downloads the crops.",
    )
    prepared_dir: str | None = field(
        None,
        optional(TEXT),
        "Folder for the data that the first run prepares; None for $HPUNET_CACHE/data if set, "
        "else $XDG_CACHE_HOME/hpunet/data if set, else ~/.cache/hpunet/data.",
    )
    crop: int | tuple[int, int] = field(
        128,
        either(whole(1), HEIGHT_AND_WIDTH),
        "Size of the network's input in pixels: one number or (height, width).",
    )
    augment: bool = field(
        True,
        BOOLEAN,
        "Random deformations and crops; False for central crops, or, with an annotated folder, for "
        "crops as data.folder.sizes selects.",
    )
    pixel_spacing: float | None = field(
        None, optional(number(0, above=True)), "Pixel spacing in mm; saved with the weights."
    )
    num_workers: int = field(
        2, whole(0), "Number of reading processes, at most one per core; 0 for a thread."
    )

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width of the crop in pixels."""
        if isinstance(self.crop, int):
            return (self.crop, self.crop)
        height, width = self.crop
        return (height, width)


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the random deformations, which are drawn for each example.

    The paper names the kinds of deformation but not their ranges, which are this project's choice.
    With displacement, rotation and shear at 0 and scale at (1, 1), only the random crop remains.

    Attributes:
        elastic_displacement: Standard deviation of a pixel's shift along either axis, in pixels.
        elastic_scale: Standard deviation of the Gaussian that smooths the shifts, in pixels. It is
            at least three times the displacement, otherwise the image could fold.
        rotation_degrees: Largest rotation in either direction, in degrees.
        shear: Largest shear along either axis, in pixels of shift per pixel of distance.
        scale: Smallest and largest magnification; values above 1 enlarge the image.

    Raises:
        ValueError: If a value is out of range.
    """

    # Whether the position of the crop is random; otherwise the crop is central.
    random_crop: ClassVar[bool] = True

    elastic_displacement: float = field(
        2.0, number(0), "Standard deviation of the elastic shifts, in pixels."
    )
    elastic_scale: float = field(
        16.0, number(0, above=True), "Width of the Gaussian that smooths the shifts, in pixels."
    )
    rotation_degrees: float = field(
        15.0, number(0, most=180), "Largest rotation in either direction, in degrees."
    )
    shear: float = field(
        0.1, number(0, most=0.99), "Largest shear, in pixels of shift per pixel of distance."
    )
    scale: tuple[float | int, float | int] = field(
        (0.9, 1.1), pair(number(0, above=True)), "Smallest and largest magnification."
    )

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_fields(self)
        least = self.elastic_displacement / MAX_DISPLACEMENT_PER_SCALE
        if self.elastic_scale < least:
            raise ValueError(
                f"elastic_scale={self.elastic_scale}: allowed is at least 3 * "
                f"elastic_displacement = {least:g}"
            )


@dataclasses.dataclass(frozen=True)
class CentredAugmentConfig(AugmentConfig):
    """Ranges for crops that were cut at random positions and are deformed about their centre."""

    random_crop: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class SyntheticConfig:
    """The synthetic data set: number of images, and behaviour of the annotators.

    On every image, an annotator makes independent choices with the same probabilities: whether to
    draw the lesion, whether to include the halo around the core, and whether to include each
    protrusion.

    Raises:
        ValueError: If a value is not allowed.
    """

    image_size: int = field(128, whole(32, multiple=8), "Height and width, in pixels.")
    num_train: int = field(2000, whole(1), "Images in the split train.")
    num_val: int = field(200, whole(1), "Images in the split val.")
    num_test: int = field(200, whole(1), "Images in the split test.")
    num_annotators: int = field(4, whole(1), "Independent annotations per image.")
    p_drawn: float = field(0.7, PROBABILITY, "Probability that an annotator draws the lesion.")
    p_halo: float = field(
        0.4, PROBABILITY, "Probability that an annotator who draws the lesion includes the halo."
    )
    p_protrusion: tuple[float, ...] = field(
        (0.5, 0.35),
        several(PROBABILITY, most=MAX_PROTRUSIONS),
        "Probabilities that an annotator who draws the lesion includes each protrusion.",
    )
    seed: int = field(0, whole(0), "Seed of images and annotations.")

    def __post_init__(self) -> None:
        """Checks every value; converts a list of probabilities to a tuple."""
        check_fields(self)

    @property
    def num_sites(self) -> int:
        """Number of protrusions of the core."""
        return len(self.p_protrusion)

    @property
    def num_images(self) -> Mapping[str, int]:
        """Number of images in each split."""
        return {"train": self.num_train, "val": self.num_val, "test": self.num_test}


@dataclasses.dataclass(frozen=True)
class FolderConfig:
    """Settings for reading an annotated folder.

    Raises:
        ValueError: If a value is not allowed. The message names the key.
    """

    # The model's number of classes, which the data must have, too.
    num_classes: int = 2
    table: str | None = field(
        None, optional(TEXT), "CSV file in data.dir; None for annotations.csv if it exists."
    )
    classes: str | None = field(
        None,
        optional(TEXT),
        "Value of each class in masks, as 0,128=edema,255=core or #000000,#ff0000=core; values of "
        "the same name are one class.",
    )
    ignore: str | None = field(None, optional(TEXT), "Value or colour of ignored pixels in masks.")
    patient: str | int | None = field(
        None,
        optional(either(whole(1), TEXT)),
        "Patient of an image: a regular expression whose first group, in the image's name, is the "
        "patient, or the number of the folder below images, from 1; None for the first folder, "
        "unless it names a split or there is a table.",
    )
    splits: str | None = field(
        None,
        optional(TEXT),
        "CSV file of patients or images and splits; None for the table's column, folders such as "
        "images/train and images/test, or random splits.",
    )
    split_seed: int = field(0, whole(0), "Seed of the random splits.")
    split_shares: tuple[float | int, ...] = field(
        (0.7, 0.15, 0.15), several(PROBABILITY), "Shares of the patients for train, val and test."
    )
    slices: str = field("all", one_of(*SLICES), "Slices of volumes to use.")
    plane: str = field(
        "auto",
        one_of(*PLANES),
        "Plane of the slices of NIfTI volumes; auto: across their thick slices, else axial.",
    )
    sizes: str = field(
        "crop",
        one_of(*SIZES),
        "Input in training: a random crop, a crop around annotated pixels, or the resized image.",
    )
    intensities: str = field(
        "percentiles",
        one_of(*INTENSITIES),
        "Intensity window: percentiles of the training split, a range, or zscore for its mean and "
        "standard deviation.",
    )
    range: tuple[float | int, float | int] | None = field(
        None,
        optional(pair(FINITE)),
        "range: values mapped to 0 and 1; None for the whole range of the data.",
    )
    percentiles: tuple[float | int, float | int] = field(
        (0.5, 99.5), pair(number(0, most=100)), "percentiles: percentiles mapped to 0 and 1."
    )
    nan: str | float | int | None = field(
        None,
        optional(either(FINITE, one_of("min", "ignore"))),
        "What NaN in images becomes: a number, min for the least value of the image, or ignore for "
        "min and ignored pixels; None refuses such images.",
    )
    annotator_weights: str | None = field(
        None,
        optional(TEXT),
        "Relative frequency of annotators in training, as anna=2,ben=0; 1 for all others.",
    )

    def __post_init__(self) -> None:
        """Checks every value, so that mistakes show before any file is opened."""
        check_fields(self)
        for name in ("class_table", "weights"):
            getattr(self, name)
        if len(self.split_shares) != 3 or not math.isclose(sum(self.split_shares), 1, abs_tol=1e-6):
            raise ValueError(
                f"split_shares={self.split_shares}: allowed are three numbers that sum to 1"
            )
        if not self.split_shares[0]:
            raise ValueError(f"split_shares={self.split_shares}: allowed is a first number above 0")
        for name in ("range", "percentiles"):
            value = getattr(self, name)
            if value is not None and value[0] >= value[1]:
                raise ValueError(f"{name}={value}: allowed are two numbers, the lower one first")
        if isinstance(self.patient, str) and self.patient_level is None:
            _check_expression("patient", self.patient)

    @functools.cached_property
    def class_table(self) -> ClassTable:
        """The meaning of the values in masks."""
        return class_table(self.classes, self.ignore, self.num_classes)

    @property
    def patient_level(self) -> int | None:
        """The number of the folder below images that is the patient, from 1, if one is given."""
        if isinstance(self.patient, str):
            return int(self.patient) if self.patient.isdecimal() and int(self.patient) else None
        return self.patient

    @functools.cached_property
    def weights(self) -> dict[str, float]:
        """Relative frequency of annotators by name; 1 for those that are not named."""
        if self.annotator_weights is None:
            return {}
        weights = {}
        for word in self.annotator_weights.split(","):
            name, equals, text = word.strip().rpartition("=")
            try:
                weight = float(text)
            except ValueError:
                weight = -1.0
            if not (equals and name and 0 <= weight < math.inf):
                raise ValueError(
                    f"annotator_weights={self.annotator_weights}: allowed are names with numbers "
                    "of at least 0, such as anna=2,ben=0.5"
                )
            weights[name] = weight
        return weights


def _check_expression(name: str, expression: str) -> None:
    try:
        groups = re.compile(expression).groups
    except re.error as error:
        raise ValueError(f"{name}={expression}: {error}") from None
    if groups < 1:
        raise ValueError(
            f"{name}={expression}: allowed is an expression with a group, such "
            r"as ^(\w+)_ for the part of a name before its last underscore, or the number of a "
            "folder below images, such as 1"
        )
