"""How many images, patients, annotations and pixels there are, and of whom."""

import dataclasses
from collections import Counter

import numpy as np
from jaxtyping import Int

from hpunet.data.labels import IGNORED
from hpunet.inspection.material import Example
from hpunet.inspection.mean import Mean

LABELS = IGNORED + 1


@dataclasses.dataclass
class SplitCount:
    """What is in a split.

    Attributes:
        images: Those that anyone annotated.
        annotations: Of all of them.
        patients: Their names.
        files: Their names; fewer than images where these are slices of volumes.
        by_annotators: How many images have so many annotations.
    """

    images: int = 0
    annotations: int = 0
    patients: set[str] = dataclasses.field(default_factory=set)
    files: set[str] = dataclasses.field(default_factory=set)
    by_annotators: Counter[int] = dataclasses.field(default_factory=Counter)


@dataclasses.dataclass
class AnnotatorCount:
    """What an annotator did.

    Attributes:
        annotated: Images that they looked at.
        empty: Those of them in which they marked nothing.
        marked: Share of an image's pixels that they marked, of those that are not ignored.
        ignored: Share of an image's pixels that they ignored.
    """

    annotated: int = 0
    empty: int = 0
    marked: Mean = dataclasses.field(default_factory=Mean)
    ignored: Mean = dataclasses.field(default_factory=Mean)


class Counts:
    """Counts that every example adds to.

    Attributes:
        splits: By name, in the order train, val, test.
        annotators: By name.
        annotations_of: How many annotations of each image there are.
        pixels: Of each label, over all annotations.
        occurrences: Annotations in which each label occurs.
    """

    def __init__(self) -> None:
        """Has counted nothing yet."""
        self.splits: dict[str, SplitCount] = {}
        self.annotators: dict[str, AnnotatorCount] = {}
        self.annotations_of: list[int] = []
        self.pixels = np.zeros(LABELS, np.int64)
        self.occurrences = np.zeros(LABELS, np.int64)

    @property
    def images(self) -> int:
        """All of them."""
        return sum(split.images for split in self.splits.values())

    def absent(self, annotator: str) -> int:
        """Images that others annotated, but this one did not look at."""
        return self.images - self.annotators[annotator].annotated

    def add(self, example: Example) -> None:
        """Counts an example in."""
        split = self.splits.setdefault(example.split, SplitCount())
        split.images += 1
        split.annotations += len(example.annotations)
        split.patients.add(example.patient)
        split.files.add(example.file)
        split.by_annotators[len(example.annotations)] += 1
        self.annotations_of.append(len(example.annotations))
        for annotator, labels in zip(example.annotators, example.annotations, strict=True):
            self._add_annotation(annotator, np.bincount(labels.ravel(), minlength=LABELS))

    def _add_annotation(self, name: str, pixels: Int[np.ndarray, " L"]) -> None:
        self.pixels += pixels
        self.occurrences += pixels > 0
        annotator = self.annotators.setdefault(name, AnnotatorCount())
        annotator.annotated += 1
        counting = pixels[:IGNORED].sum()
        marked = counting - pixels[0]
        annotator.empty += int(marked == 0)
        annotator.marked.add(marked / max(1, counting))
        annotator.ignored.add(pixels[IGNORED] / pixels.sum())
