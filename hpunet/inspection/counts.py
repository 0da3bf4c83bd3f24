"""Counts, sizes and shares of the examples of a data set, accumulated one example at a time."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from hpunet.data.labels import IGNORED, marked, without_ignored
from hpunet.inspection.dataset_reader import Example
from hpunet.inspection.regions import Regions, measure_regions

Size = tuple[int, int]
NUM_LABELS = IGNORED + 1
# Percentage of the images in which the marked pixels span at most `Shapes.extent`.
EXTENT_PERCENTILE = 90
# Pixels. The exact course of outlines decides smaller regions.
LEAST_REGION = 4
# A crop contains a compact part as a whole. Of a part that is longer than this number of times its
# thickness, such as a vessel, it contains a piece of this length.
MOST_ELONGATED = 8
# Widths are counted in steps of this number of pixels.
WIDTH_STEP = 0.25


@dataclasses.dataclass
class RunningMean:
    """Mean of the numbers added so far.

    Attributes:
        total: Sum of the numbers.
        count: Number of the numbers.
    """

    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Adds a number."""
        self.total += float(value)
        self.count += 1

    @property
    def value(self) -> float:
        """The mean; NaN without numbers."""
        return self.total / self.count if self.count else math.nan


@dataclasses.dataclass
class SplitCount:
    """Contents of a split.

    Attributes:
        images: Number of annotated images.
        annotations: Number of annotations of all images.
        patients: Names of the patients.
        files: Names of the files; fewer than images if images are slices of volumes.
        by_annotators: Number of images by number of annotations.
    """

    images: int = 0
    annotations: int = 0
    patients: set[str] = dataclasses.field(default_factory=set)
    files: set[str] = dataclasses.field(default_factory=set)
    by_annotators: Counter[int] = dataclasses.field(default_factory=Counter)


@dataclasses.dataclass
class AnnotatorCount:
    """Annotations of an annotator.

    Attributes:
        annotated: Number of images with a mask of this annotator.
        empty: Number of these masks without foreground.
        marked: Marked share of the pixels of an image that are not ignored.
        ignored: Ignored share of the pixels of an image.
    """

    annotated: int = 0
    empty: int = 0
    marked: RunningMean = dataclasses.field(default_factory=RunningMean)
    ignored: RunningMean = dataclasses.field(default_factory=RunningMean)


class Counts:
    """Counts over all examples.

    Attributes:
        splits: Counts of each split, in the order train, val, test.
        annotators: Counts of each annotator.
        annotations_of: Number of annotations of each image.
        pixels: Number of pixels of each label, over all annotations.
        occurrences: Number of annotations that contain each label.
    """

    def __init__(self) -> None:
        """Starts without examples."""
        self.splits: dict[str, SplitCount] = {}
        self.annotators: dict[str, AnnotatorCount] = {}
        self.annotations_of: list[int] = []
        self.pixels = np.zeros(NUM_LABELS, np.int64)
        self.occurrences = np.zeros(NUM_LABELS, np.int64)

    @property
    def images(self) -> int:
        """Number of images of all splits."""
        return sum(split.images for split in self.splits.values())

    def absent(self, annotator: str) -> int:
        """Number of images annotated by others but not by this annotator."""
        return self.images - self.annotators[annotator].annotated

    def add(self, example: Example) -> None:
        """Adds an example."""
        split = self.splits.setdefault(example.split, SplitCount())
        split.images += 1
        split.annotations += len(example.annotations)
        split.patients.add(example.patient)
        split.files.add(example.file)
        split.by_annotators[len(example.annotations)] += 1
        self.annotations_of.append(len(example.annotations))
        for annotator, labels in zip(example.annotators, example.annotations, strict=True):
            self._add_annotation(annotator, np.bincount(labels.ravel(), minlength=NUM_LABELS))

    def _add_annotation(self, name: str, pixels: Int[np.ndarray, " L"]) -> None:
        self.pixels += pixels
        self.occurrences += pixels > 0
        annotator = self.annotators.setdefault(name, AnnotatorCount())
        annotator.annotated += 1
        counting = pixels[:IGNORED].sum()
        num_marked = counting - pixels[0]
        annotator.empty += int(num_marked == 0)
        annotator.marked.add(num_marked / max(1, counting))
        annotator.ignored.add(pixels[IGNORED] / pixels.sum())


class Shapes:
    """Sizes of images, of their marked parts and of the regions that annotators disagree about.

    A part is a connected region of pixels that any annotator marked.

    Attributes:
        sizes: Number of images by height and width in pixels.
        extents: Longer side in pixels of the box around all marked pixels, for each image with
            marked pixels.
        part_extents: Length in pixels that a crop needs for the largest part of each of these
            images: the longer side of its box, at most `MOST_ELONGATED` times its thickness.
        part_lengths: Longer side in pixels of the box around the longest part of each.
        part_thicknesses: Mean thickness in pixels of the parts of each, weighted by their area.
        regions: Number of connected regions of disagreement by their area in pixels.
        disputed_widths: Number of disputed pixels by the thickness in pixels of their region.
    """

    def __init__(self) -> None:
        """Starts without examples."""
        self.sizes: Counter[Size] = Counter()
        self.extents: list[int] = []
        self.part_extents: list[float] = []
        self.part_lengths: list[int] = []
        self.part_thicknesses: list[float] = []
        self.regions: Counter[int] = Counter()
        self.disputed_widths: Counter[float] = Counter()

    def add(self, example: Example) -> None:
        """Adds an example."""
        height, width = example.image.shape[:2]
        self.sizes[height, width] += 1
        foreground = np.any(marked(example.annotations), axis=0)
        if foreground.any():
            self.extents.append(max(_span(np.any(foreground, axis=axis)) for axis in (0, 1)))
            self._add_parts(measure_regions(foreground))
        labels, ignored = without_ignored(example.annotations)
        regions = measure_regions((labels != labels[0]).any(axis=0) & ~ignored)
        self.regions.update(regions.areas.tolist())
        widths = np.rint(regions.thicknesses / WIDTH_STEP) * WIDTH_STEP
        for width, area in zip(widths.tolist(), regions.areas.tolist(), strict=True):
            self.disputed_widths[width] += area

    def _add_parts(self, parts: Regions) -> None:
        needed = np.minimum(parts.extents, MOST_ELONGATED * parts.thicknesses)
        self.part_extents.append(float(needed.max()))
        self.part_lengths.append(int(parts.extents.max()))
        self.part_thicknesses.append(float(np.average(parts.thicknesses, weights=parts.areas)))

    @property
    def ordered(self) -> list[Size]:
        """Size of every image, in ascending order of the area."""
        return sorted(self.sizes.elements(), key=lambda size: (size[0] * size[1], size))

    @property
    def usual_side(self) -> int:
        """Length in pixels that the shorter side of at least half of the images reaches."""
        sides = sorted((min(size) for size in self.sizes.elements()), reverse=True)
        return sides[len(sides) // 2]

    @property
    def least_side(self) -> int:
        """Shortest side of all images in pixels."""
        return min(map(min, self.sizes))

    def smaller_than(self, crop: int | tuple[int, int]) -> int:
        """Number of images that do not contain the crop, one number or (height, width)."""
        height, width = (crop, crop) if isinstance(crop, int) else crop
        return sum(count for (h, w), count in self.sizes.items() if h < height or w < width)

    @property
    def extent(self) -> float:
        """Extent in pixels of all marked parts, exceeded in one of ten images; NaN without any."""
        return _exceeded_in_few(self.extents)

    @property
    def part_extent(self) -> float:
        """Value of `part_extents` exceeded in one of ten images; NaN if nothing is marked."""
        return _exceeded_in_few(self.part_extents)

    @property
    def part_length(self) -> float:
        """Value of `part_lengths` exceeded in one of ten images; NaN if nothing is marked."""
        return _exceeded_in_few(self.part_lengths)

    @property
    def part_thickness(self) -> float:
        """Median of `part_thicknesses`; NaN if nothing is marked."""
        return float(np.median(self.part_thicknesses)) if self.part_thicknesses else math.nan

    @property
    def disputed_width(self) -> float:
        """Thickness in pixels that the regions of half of the disputed pixels reach; NaN if none.

        Pixels count, not regions: many regions are single pixels of an outline.
        """
        total, seen = self.disputed_widths.total(), 0
        for width in sorted(self.disputed_widths, reverse=True):
            seen += self.disputed_widths[width]
            if 2 * seen >= total:
                return width
        return math.nan

    @property
    def disputed_side(self) -> float:
        """Side of a square with the median area of a region of disagreement; NaN without any.

        Regions of fewer than 4 pixels are skipped if there are larger regions.
        """
        every = sorted(self.regions.elements())
        areas = [area for area in every if area >= LEAST_REGION] or every
        return math.sqrt(float(np.median(areas))) if areas else math.nan


def _span(occupied: Bool[np.ndarray, " n"]) -> int:
    indices = np.flatnonzero(occupied)
    return int(indices[-1] - indices[0] + 1)


def _exceeded_in_few(values: Sequence[float]) -> float:
    return float(np.percentile(values, EXTENT_PERCENTILE)) if values else math.nan
