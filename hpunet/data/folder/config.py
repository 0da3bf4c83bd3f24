"""Settings of a folder of one's own images."""

import dataclasses
import functools
import math
import re

from hpunet.data.folder.classes import ClassTable, class_table

SIZES = ("crop", "annotated", "resize")
INTENSITIES = ("percentiles", "range", "zscore")
SLICES = ("all", "annotated")


@dataclasses.dataclass(frozen=True)
class FolderConfig:
    """How a folder is read. Texts are those of the configuration's keys of the same names.

    Attributes:
        num_classes: Classes that the network tells apart.
        table: Path of a CSV file below the folder, or None for `annotations.csv` if that is there.
        classes: Value or colour of each class, or None.
        ignore: Value or colour of pixels that count nowhere, or None.
        patient: A regular expression whose first group, in an image's name, is its patient; None
            for the folder below `images` that it lies in, if any.
        splits: A CSV file of patients or images with their splits, or None.
        split_seed: Decides the split where none is given.
        split_shares: Shares of the patients in `train`, `val` and `test` where none is given.
        slices: `all` of a volume, or those in which something is `annotated`.
        sizes: How images become what training sees: a `crop` of them, one around pixels that are
            `annotated`, or the whole, `resize`d.
        intensities: Which values become 0 and 1: `percentiles` of the training split, a `range`, or
            its mean and deviation, `zscore`.
        range: For `range`: these values, or None for the training split's least and largest.
        percentiles: For `percentiles`: which two.
        annotator_weights: How often an annotator is drawn in training, such as `anna=2,ben=0.5`; 1
            where nothing is said.

    Raises:
        ValueError: Naming the key, if a value is none of these.
    """

    num_classes: int = 2
    table: str | None = None
    classes: str | None = None
    ignore: str | None = None
    patient: str | None = None
    splits: str | None = None
    split_seed: int = 0
    split_shares: tuple[float | int, ...] = (0.7, 0.15, 0.15)
    slices: str = "all"
    sizes: str = "crop"
    intensities: str = "percentiles"
    range: tuple[float | int, float | int] | None = None
    percentiles: tuple[float | int, float | int] = (0.5, 99.5)
    annotator_weights: str | None = None

    def __post_init__(self) -> None:
        """Reads every text once, so that mistakes show before any file is opened."""
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
        if self.patient is not None:
            try:
                groups = re.compile(self.patient).groups
            except re.error as error:
                raise ValueError(f"patient={self.patient}: {error}") from None
            if groups < 1:
                raise ValueError(
                    f"patient={self.patient}: allowed is an expression with a group, as "
                    r"^(\w+)_ for the part of a name before its last underscore"
                )

    @functools.cached_property
    def class_table(self) -> ClassTable:
        """What the numbers in masks mean."""
        return class_table(self.classes, self.ignore, self.num_classes)

    @functools.cached_property
    def weights(self) -> dict[str, float]:
        """How often annotators are drawn, by name; 1 for those that are not named."""
        if self.annotator_weights is None:
            return {}
        found = {}
        for word in self.annotator_weights.split(","):
            name, equals, number = word.strip().rpartition("=")
            try:
                weight = float(number)
            except ValueError:
                weight = -1.0
            if not (equals and name and 0 <= weight < math.inf):
                raise ValueError(
                    f"annotator_weights={self.annotator_weights}: allowed are names with numbers "
                    "from 0 up, such as anna=2,ben=0.5"
                )
            found[name] = weight
        return found
