"""Notes on annotations that are valid but implausible, such as inverted masks."""

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import UInt8

from hpunet.config.class_table import IGNORED, ClassTable

# Masks, or images of two annotators, from which something that holds for all of them is no chance.
LEAST = 3
# Share of the pixels, and of the masks that mark something: most of both.
MOST = 0.5


class MaskStatistics:
    """What the annotators of a data set mark, for notes on what is implausible."""

    def __init__(self, table: ClassTable) -> None:
        """Takes the meaning of the values in masks."""
        self._table = table
        self._masks: Counter[str] = Counter()
        self._empty: Counter[str] = Counter()
        # Shares of a class that covers most pixels, one for each such mask of an annotator.
        self._covered: defaultdict[int, dict[str, list[float]]] = defaultdict(dict)
        self._values: set[int] = set()
        self._same: Counter[tuple[str, str]] = Counter()
        self._different: set[tuple[str, str]] = set()

    def add(
        self,
        annotators: Sequence[str],
        annotations: UInt8[np.ndarray, "G H W"],
        white: bool = False,
    ) -> None:
        """Adds the annotations of an image.

        Args:
            annotators: Names of the G annotators.
            annotations: Class labels, `IGNORED` at ignored pixels.
            white: Whether 255 stands for class 1 in the masks.
        """
        digests, marking = {}, set()
        for annotator, labels in zip(annotators, annotations, strict=True):
            pixels = np.bincount(labels.ravel(), minlength=IGNORED + 1)[:IGNORED]
            self._masks[annotator] += 1
            digests[annotator] = hashlib.blake2b(labels.tobytes(), digest_size=16).digest()
            if not pixels[1:].any():
                self._empty[annotator] += 1
                continue
            marking.add(annotator)
            largest = 1 + int(pixels[1:].argmax())
            if pixels[largest] > MOST * pixels.sum():
                shares = self._covered[largest].setdefault(annotator, [])
                shares.append(float(pixels[largest] / pixels.sum()))
            self._values.add(255 if white else 1)
        for first, second in itertools.combinations(sorted(annotators), 2):
            if digests[first] != digests[second]:
                self._different.add((first, second))
            elif first in marking:
                self._same[first, second] += 1

    def notes(self) -> Iterator[str]:
        """One note for each kind of implausible annotations."""
        yield from self._inverted()
        yield from self._silent()
        yield from self._identical()

    def _inverted(self) -> Iterator[str]:
        marking = self._masks - self._empty
        total = sum(marking.values())
        for label, by_annotator in sorted(self._covered.items()):
            shares = [share for own in by_annotator.values() for share in own]
            name = self._table.names[label]
            if len(shares) > MOST * total:
                values = self._values if self._table.white else set()
                yield (
                    f"{name} covers most pixels, {_span(shares)}, of {len(shares):,} of {total:,} "
                    "masks that mark something; if the rest is what is meant: "
                    f"--config.data.folder.classes={self._table.swapped(label, values)}"
                )
                continue
            for annotator, own in sorted(by_annotator.items()):
                if len(own) >= LEAST and len(own) > MOST * marking[annotator]:
                    yield (
                        f"{name} covers most pixels, {_span(own)}, of {len(own):,} of "
                        f"{marking[annotator]:,} masks of {annotator}, unlike those of others; if "
                        "they are inverted, invert the files, or keep them out of training with "
                        f"--config.data.folder.annotator_weights={annotator}=0"
                    )

    def _silent(self) -> Iterator[str]:
        silent = [
            name
            for name, count in sorted(self._masks.items())
            if count >= LEAST and self._empty[name] == count
        ]
        if silent and len(silent) < len(self._masks):
            counts = ", ".join(f"{name} ({self._masks[name]:,} masks)" for name in silent)
            weights = ",".join(f"{name}=0" for name in silent)
            yield (
                f"some annotators marked nothing in any image, unlike others: {counts}; if they "
                "did not look, remove their masks, or keep them out of training with "
                f"--config.data.folder.annotator_weights={weights}"
            )

    def _identical(self) -> Iterator[str]:
        pairs = {
            pair: count
            for pair, count in sorted(self._same.items())
            if count >= LEAST and pair not in self._different
        }
        if pairs:
            listed = ", ".join(
                f"{first} and {second} ({count:,} images with marks)"
                for (first, second), count in pairs.items()
            )
            copies = sorted({second for _, second in pairs})
            weights = ",".join(f"{name}=0" for name in copies)
            yield (
                f"the masks of some annotators are identical throughout: {listed}; if they are "
                "copies, remove one of each, or keep it out of training with "
                f"--config.data.folder.annotator_weights={weights}"
            )


def _span(shares: Sequence[float]) -> str:
    """The usual range of shares in percent."""
    low, high = (f"{100 * np.percentile(shares, q):.3g}" for q in (5, 95))
    return f"{low} %" if low == high else f"{low} to {high} %"
