"""Counts, sizes and shares of the examples of a data set, accumulated one example at a time."""

import dataclasses
import math
from collections import Counter

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

from hpunet.data.labels import IGNORED, marked, without_ignored
from hpunet.inspection.dataset_reader import Example

Size = tuple[int, int]
NUM_LABELS = IGNORED + 1
# Percentage of the images in which the marked pixels span at most `Shapes.extent`.
EXTENT_PERCENTILE = 90
# Pixels. The exact course of outlines decides smaller regions.
LEAST_REGION = 4


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

    Attributes:
        sizes: Number of images by height and width in pixels.
        extents: Longer side in pixels of the box around all marked pixels, for each image with
            marked pixels.
        regions: Number of connected regions of disagreement by their area in pixels.
    """

    def __init__(self) -> None:
        """Starts without examples."""
        self.sizes: Counter[Size] = Counter()
        self.extents: list[int] = []
        self.regions: Counter[int] = Counter()

    def add(self, example: Example) -> None:
        """Adds an example."""
        height, width = example.image.shape[:2]
        self.sizes[height, width] += 1
        foreground = np.any(marked(example.annotations), axis=0)
        if foreground.any():
            self.extents.append(max(_span(np.any(foreground, axis=axis)) for axis in (0, 1)))
        labels, ignored = without_ignored(example.annotations)
        disputed = (labels != labels[0]).any(axis=0) & ~ignored
        regions, count = ndimage.label(disputed)
        if count:
            self.regions.update(np.bincount(regions.ravel())[1:].tolist())

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
        """Extent in pixels of the marked part, exceeded in one of ten images; NaN without any."""
        return float(np.percentile(self.extents, EXTENT_PERCENTILE)) if self.extents else math.nan

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
