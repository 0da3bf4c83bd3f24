"""The settings of a run, one frozen dataclass for each group of keys.

A field carries the default, the bounds and the meaning of its key; `hpunet.config.keys` makes
everything else from them. The settings of the models are in `hpunet.models`.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from hpunet.config.class_table import ClassTable, class_table
from hpunet.models.base import PRECISIONS
from hpunet.models.fields import (
    BOOLEAN,
    FINITE,
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
SCHEDULES = ("constant", "piecewise", "cosine")
# More protrusions than this would touch one another.
MAX_PROTRUSIONS = 4
# A displacement whose slope passes -1 folds the image. The slope's standard deviation is
# displacement / (sqrt(2) * scale); this bound keeps 1 at more than four of them.
MAX_DISPLACEMENT_PER_SCALE = 1 / 3
HEIGHT_AND_WIDTH = Allowed(
    f"(height, width) with whole numbers from 1 to {2**31 - 1}",
    lambda v: several(whole(1), 2, 2).test(v),
)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What holds for all steps of a run."""

    seed: int = field(0, whole(0), "Decides weights, order, annotators, noise and augmentation.")
    batch_size: int = field(32, whole(1), "Images of a step, over all devices of all hosts.")
    precision: str = field(
        "float32", one_of(*PRECISIONS), "Of the features in training; all else is float32."
    )
    remat: bool = field(
        False, BOOLEAN, "Computes levels twice instead of keeping them, to save memory of a GPU."
    )


@dataclasses.dataclass(frozen=True)
class LoopConfig:
    """How long to train, and when to do what."""

    num_steps: int = field(240_000, whole(1), "Steps of training.")
    log_every: int = field(100, whole(1), "Steps between two lines of metrics.jsonl.")
    checkpoint_every: int = field(1000, whole(1), "Steps between two checkpoints.")
    evaluate_every: int = field(5000, whole(0), "Steps between two validations; 0 for none.")


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """What is scored while training goes on, and at its end."""

    num_images: int = field(64, whole(1), "Validation images that are scored.")
    num_samples: int = field(16, whole(1), "Samples an image that they are scored with.")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which data set, where it is, and which part of its images the network sees."""

    name: str = field("synthetic", one_of(*DATA_SETS), "Which data set.")
    dir: str | None = field(
        None,
        optional(TEXT),
        "Folder of the LIDC crops, packed or not, None downloads them; or of an annotated folder.",
    )
    prepared_dir: str | None = field(
        None,
        optional(TEXT),
        "Folder for the data as prepared at the first run; None takes $HPUNET_CACHE/data, else "
        "$XDG_CACHE_HOME/hpunet/data, else ~/.cache/hpunet/data.",
    )
    crop: int | tuple[int, int] = field(
        128,
        either(whole(1), HEIGHT_AND_WIDTH),
        "Height and width that the network sees, in pixels: one number or (height, width).",
    )
    augment: bool = field(
        True,
        BOOLEAN,
        "Deforms and crops at random; False takes the central crop, of an annotated folder the one "
        "that sizes names.",
    )
    pixel_spacing: float | None = field(
        None, optional(number(0, above=True)), "Millimetres a pixel, kept with the weights."
    )
    num_workers: int = field(
        2, whole(0), "Processes that read, at most one a core; 0 reads in a thread."
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
    """Ranges of the random deformations; every one is drawn anew for each example.

    The kinds are the paper's, the ranges are ours: the paper names none. With 0, 0, 0 and (1, 1)
    only the random crop is left.

    Attributes:
        elastic_displacement: Standard deviation of each pixel's shift along either axis, in pixels.
        elastic_scale: How far the shifts reach, in pixels: standard deviation of the Gaussian that
            smooths them. At least three times the displacement, or the image could fold.
        rotation_degrees: Largest rotation either way, in degrees.
        shear: Largest shear along either axis: pixels of shift per pixel of distance.
        scale: Smallest and largest magnification; above 1 things get larger.

    Raises:
        ValueError: If a value is out of its range.
    """

    # Whether the crop's place is drawn, too; else it is in the middle.
    random_crop: ClassVar[bool] = True

    elastic_displacement: float = field(
        2.0, number(0), "Standard deviation of the elastic shifts, in pixels."
    )
    elastic_scale: float = field(
        16.0, number(0, above=True), "How far the elastic shifts reach, in pixels."
    )
    rotation_degrees: float = field(
        15.0, number(0, most=180), "Largest rotation either way, in degrees."
    )
    shear: float = field(
        0.1, number(0, most=0.99), "Largest shear: pixels of shift a pixel of distance."
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
    """The same for windows that were cut at random places and are deformed about their middle."""

    random_crop: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class SyntheticConfig:
    """What is drawn, how much of it, and how its annotators decide.

    An annotator makes independent choices with the same probabilities on every image: to draw the
    lesion at all, to count the halo around the core as lesion, and for every protrusion, to follow
    it or to leave it out.

    Raises:
        ValueError: If a value is not allowed.
    """

    image_size: int = field(128, whole(32, multiple=8), "Height and width, in pixels.")
    num_train: int = field(2000, whole(1), "Images of the split train.")
    num_val: int = field(200, whole(1), "Images of the split val.")
    num_test: int = field(200, whole(1), "Images of the split test.")
    num_annotators: int = field(4, whole(1), "Independent annotations of an image.")
    p_drawn: float = field(
        0.7, PROBABILITY, "Probability that an annotator draws the lesion at all."
    )
    p_halo: float = field(0.4, PROBABILITY, "Probability that one who draws it includes the halo.")
    p_protrusion: tuple[float, ...] = field(
        (0.5, 0.35),
        several(PROBABILITY, most=MAX_PROTRUSIONS),
        "Probability that one who draws it includes each protrusion.",
    )
    seed: int = field(0, whole(0), "Of images and annotations.")

    def __post_init__(self) -> None:
        """Checks every value; a list of probabilities becomes a tuple."""
        check_fields(self)

    @property
    def num_sites(self) -> int:
        """Number of places where a protrusion leaves the core."""
        return len(self.p_protrusion)

    @property
    def num_images(self) -> Mapping[str, int]:
        """Images of each split."""
        return {"train": self.num_train, "val": self.num_val, "test": self.num_test}


@dataclasses.dataclass(frozen=True)
class FolderConfig:
    """How an annotated folder is read.

    Raises:
        ValueError: Naming the key, if a value is not allowed.
    """

    # Of the model: the data must tell as many classes apart.
    num_classes: int = 2
    table: str | None = field(
        None, optional(TEXT), "CSV file below data.dir; None for annotations.csv if it is there."
    )
    classes: str | None = field(
        None,
        optional(TEXT),
        "Value of each class in masks, as 0,128=edema,255=core or #000000,#ff0000=core.",
    )
    ignore: str | None = field(
        None, optional(TEXT), "Value or colour in masks of pixels that count nowhere."
    )
    patient: str | None = field(
        None,
        optional(TEXT),
        "Regular expression whose first group, in an image's name, is its patient; None takes the "
        "folder below images.",
    )
    splits: str | None = field(
        None, optional(TEXT), "CSV file of patients or images and splits; None draws by seed."
    )
    split_seed: int = field(0, whole(0), "Which patients are in which split.")
    split_shares: tuple[float | int, ...] = field(
        (0.7, 0.15, 0.15), several(PROBABILITY), "Of the patients, for train, val and test."
    )
    slices: str = field("all", one_of(*SLICES), "Slices of volumes that are used.")
    sizes: str = field(
        "crop",
        one_of(*SIZES),
        "What training sees: a crop from anywhere, around annotated pixels, or the image resized.",
    )
    intensities: str = field(
        "percentiles",
        one_of(*INTENSITIES),
        "Which values become 0 and 1: percentiles of the training split, a range, or by zscore its "
        "mean and deviation.",
    )
    range: tuple[float | int, float | int] | None = field(
        None, optional(pair(FINITE)), "range: values that become 0 and 1; None for all there are."
    )
    percentiles: tuple[float | int, float | int] = field(
        (0.5, 99.5), pair(number(0, most=100)), "percentiles: which become 0 and 1."
    )
    annotator_weights: str | None = field(
        None,
        optional(TEXT),
        "How often annotators are drawn in training, as anna=2,ben=0; 1 for all others.",
    )

    def __post_init__(self) -> None:
        """Reads every text once, so that mistakes show before any file is opened."""
        check_fields(self)
        for name in ("class_table", "weights"):
            getattr(self, name)
        if len(self.split_shares) != 3 or not math.isclose(sum(self.split_shares), 1, abs_tol=1e-6):
            raise ValueError(
                f"split_shares={self.split_shares}: allowed are three numbers that sum to 1"
            )
        if not self.split_shares[0]:
            raise ValueError(f"split_shares={self.split_shares}: the first must be above 0")
        for name in ("range", "percentiles"):
            value = getattr(self, name)
            if value is not None and value[0] >= value[1]:
                raise ValueError(f"{name}={value}: allowed are two numbers, the lower one first")
        _check_expression("patient", self.patient)

    @functools.cached_property
    def class_table(self) -> ClassTable:
        """What the numbers in masks mean."""
        return class_table(self.classes, self.ignore, self.num_classes)

    @functools.cached_property
    def weights(self) -> dict[str, float]:
        """How often annotators are drawn, by name; 1 for those that are not named."""
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
                    "from 0 up, such as anna=2,ben=0.5"
                )
            weights[name] = weight
        return weights


def _check_expression(name: str, expression: str | None) -> None:
    if expression is None:
        return
    try:
        groups = re.compile(expression).groups
    except re.error as error:
        raise ValueError(f"{name}={expression}: {error}") from None
    if groups < 1:
        raise ValueError(
            f"{name}={expression}: allowed is an expression with a group, as "
            r"^(\w+)_ for the part of a name before its last underscore"
        )


@dataclasses.dataclass(frozen=True)
class GecoConfig:
    """GECO: the KL is minimised while the reconstruction is held at a target.

    Attributes:
        kappa: Target of the cross-entropy, in nats a kept pixel.
        decay: Decay of the average of the reconstruction.
        rate: Factor on the multiplier's gradient. Adam all but cancels it.

    Raises:
        ValueError: If a value is out of range.
    """

    kappa: float = field(0.05, number(0, above=True), "GECO: nats a kept pixel to be reached.")
    decay: float = field(0.99, number(0, most=0.999999), "GECO: decay of the average.")
    rate: float = field(0.01, number(0, above=True), "GECO: factor on the multiplier's gradient.")

    def __post_init__(self) -> None:
        """Checks the values."""
        check_fields(self)


@dataclasses.dataclass(frozen=True)
class ElboConfig:
    """The evidence lower bound, with a weight on its KL.

    Raises:
        ValueError: If beta is negative.
    """

    beta: float = field(1.0, number(0), "ELBO: weight of the KL.")

    def __post_init__(self) -> None:
        """Checks beta."""
        check_fields(self)


OBJECTIVES: dict[str, Any] = {
    "geco": GecoConfig,
    "elbo": ElboConfig,
}


@dataclasses.dataclass(frozen=True)
class TopK:
    """Which pixels count.

    Attributes:
        fraction: Share of all pixels of the batch that are kept, in (0, 1]. (The reference calls
            this fraction a percentage.)
        deterministic: Keeps the pixels of largest cross-entropy instead of drawing them without
            replacement in proportion to it.

    Raises:
        ValueError: If the fraction is out of range.
    """

    fraction: float = field(
        0.02, number(0, above=True, most=1), "Share of all pixels of the batch that are kept."
    )
    deterministic: bool = field(False, BOOLEAN, "Keeps the worst pixels instead of drawing them.")

    def __post_init__(self) -> None:
        """Checks the fraction."""
        check_fields(self)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What is minimised.

    Attributes:
        objective: How reconstruction and KL are weighed.
        top_k_fraction: Share of all pixels of the batch that count; None for all.
        deterministic_top_k: Whether the worst pixels are kept instead of drawn.
        l2: Factor of the sum of the squares of all weights.

    Raises:
        ValueError: If a value is out of range.
    """

    objective: GecoConfig | ElboConfig
    top_k_fraction: float | None = field(
        0.02, optional(number(0, above=True, most=1)), "Share of pixels kept; None for all."
    )
    deterministic_top_k: bool = field(
        False, BOOLEAN, "Keeps the worst pixels instead of drawing them."
    )
    l2: float = field(1e-5, number(0), "Factor of the sum of the squares of all weights.")

    def __post_init__(self) -> None:
        """Checks the values."""
        check_fields(self)

    @property
    def top_k(self) -> TopK | None:
        """Which pixels count; None for all."""
        if self.top_k_fraction is None:
            return None
        return TopK(self.top_k_fraction, self.deterministic_top_k)

    @property
    def draws_pixels(self) -> bool:
        """Whether the pixels that count are drawn, so that Gumbel noise is needed."""
        return self.top_k_fraction is not None and not self.deterministic_top_k


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam and its rate.

    The rate climbs from 0 to `learning_rate` over `warmup_steps`, then follows the schedule, whose
    steps count from the first step of all: `constant`; `piecewise`, which multiplies the rate by
    `factors[i]` from step `boundaries[i]` on; or `cosine`, which lowers it to `final_factor` times
    its value at step `decay_steps` and keeps it there.

    Raises:
        ValueError: If a value is out of range or values do not fit each other.
    """

    learning_rate: float = field(
        1e-4, number(0, above=True), "Learning rate of Adam after the warm-up."
    )
    schedule: str = field("constant", one_of(*SCHEDULES), "How the learning rate changes.")
    warmup_steps: int = field(0, whole(0), "Steps of linear climb.")
    boundaries: tuple[int, ...] = field(
        (), several(whole(1)), "piecewise: steps at which the learning rate changes."
    )
    factors: tuple[float, ...] = field(
        (), several(number(0)), "piecewise: factors on learning_rate from each boundary on."
    )
    decay_steps: int = field(1, whole(1), "cosine: step at which the learning rate is lowest.")
    final_factor: float = field(0.0, PROBABILITY, "cosine: lowest rate over learning_rate.")
    b1: float = field(0.9, number(0, most=0.999999), "Adam: decay of the gradient's average.")
    b2: float = field(
        0.999, number(0, most=0.999999), "Adam: decay of the squared gradient's average."
    )
    eps: float = field(1e-8, number(0, above=True), "Adam: epsilon.")

    def __post_init__(self) -> None:
        """Checks every value, and that they fit each other."""
        check_fields(self)
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries={self.boundaries}: allowed are ascending steps")
        if self.schedule == "piecewise" and not self.boundaries:
            raise ValueError(
                f"boundaries={self.boundaries}: allowed with schedule='piecewise' is at least one "
                "step"
            )
        if len(self.boundaries) != len(self.factors):
            raise ValueError(
                f"factors={self.factors}: allowed are as many as there are boundaries, "
                f"{len(self.boundaries)}"
            )
