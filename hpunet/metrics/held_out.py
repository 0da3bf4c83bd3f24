"""How often samples hit the answers of annotators, beside how often another annotator does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.modes import nearest_modes, same_masks
from hpunet.metrics.overlap import Overlap, marks_of, pack, pairwise_overlap
from hpunet.metrics.sets import annotated_images, as_classes, as_sets


class HeldOutFrequencies(NamedTuple):
    """How often each mode of the others was chosen, drawn and met by the annotator held out.

    Row h * G + g holds the mode that stands at annotation g while annotator h is held out: at the
    first of the others' annotations that show it. Elsewhere all three are NaN.

    Attributes:
        chosen: Share of the other annotators, by weight, `[G * G, B]`.
        drawn: Share of the samples that are nearest to the mode.
        held_out: 1 where the annotation held out is nearest to it, else 0.
    """

    chosen: NDArray[np.float64]
    drawn: NDArray[np.float64]
    held_out: NDArray[np.float64]


def held_out_frequencies(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> HeldOutFrequencies:
    """How often the modes of all annotators but one are drawn, and how often this one meets them.

    Each annotator is held out in turn. The modes are the distinct annotations of the others (see
    `annotation_modes`), each at the first of those that are the same; samples and the annotation
    held out count for the mode nearest to them, as `mode_frequencies` says.

    Few annotators leave the shares that chose a mode noisy, and modes that none of them chose
    unseen. Samples and the annotator held out meet both alike: where samples are drawn from the
    distribution of the annotators, independently, the means of `drawn` and `held_out` are equal for
    each value of `chosen`, whatever the noise. They need not be equal to `chosen`. Where the others
    agree there is one mode, and both are 1.

    Weights say how much the others count; every annotator of weight above 0 is held out alike.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels left out of all masks; None for none.
        weights: `[G]` or `[G, B]`, how much each annotation counts, at least 0, in any unit; 0 is
            an annotation that is not there. None for all alike.

    Returns:
        Shares `[G * G, B]`, float64, that sum to 1 over the modes of each annotator held out; NaN
        where there is no mode, in all of an image with a single annotator.

    Raises:
        ValueError: If the shapes do not fit, a set is empty, the labels are not integers, or
            classes, ignored pixels or weights do not fit.
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    classes, annotators = as_classes(classes), len(annotations)
    result = np.full((3, annotators * annotators, annotations.shape[1]), np.nan)
    for index, image in enumerate(annotated_images(samples, annotations, ignored, weights)):
        bits = pack(marks_of(image.annotations, classes))
        between = pairwise_overlap(pack(marks_of(image.samples, classes)), bits)
        modes = others_modes(between, pairwise_overlap(bits, bits), image.weights)
        result[:, :, index] = modes.frequencies(len(samples), image.annotators, annotators)
    return HeldOutFrequencies(*result)


class OthersModes(NamedTuple):
    """Modes of one image while each of its annotators is held out.

    Attributes:
        chosen: Share of the others by weight, `[A, A]`: held out, place of the mode; NaN where
            there is no mode.
        met: Place `[A]` of the mode nearest to each annotation held out.
        nearest: Place `[S, A]` of the mode nearest to each sample.
    """

    chosen: NDArray[np.float64]
    met: NDArray[np.intp]
    nearest: NDArray[np.intp]

    def frequencies(
        self, count: int, annotators: NDArray[np.intp], num_annotators: int
    ) -> NDArray[np.float64]:
        """Shares `[3, G * G]` chosen, drawn by the first `count` samples, and held out.

        Args:
            count: Of samples.
            annotators: Places of the An annotators among all.
            num_annotators: G.
        """
        places = np.arange(len(self.chosen))
        drawn = (self.nearest[:count, :, None] == places).mean(axis=0)
        shares = np.stack([self.chosen, drawn, self.met[:, None] == places])
        result = np.full((3, num_annotators, num_annotators), np.nan)
        result[:, annotators[:, None], annotators] = np.where(np.isnan(self.chosen), np.nan, shares)
        return result.reshape(3, num_annotators * num_annotators)


def others_modes(
    between: Overlap, among_annotators: Overlap, weights: NDArray[np.float64]
) -> OthersModes:
    """Modes of one image while each of its annotators is held out.

    Args:
        between: Samples and annotations compared, `[S, A]`.
        among_annotators: Annotations compared, `[A, A]`.
        weights: Theirs, `[A]`.
    """
    count = len(weights)
    if count == 1:
        nowhere = np.zeros((len(between.iou), 1), np.intp)
        return OthersModes(np.full((1, 1), np.nan), nowhere[0], nowhere)
    same, others = same_masks(among_annotators), ~np.eye(count, dtype=bool)
    # A mode stands at an annotation if none of the others before it shows the same.
    earlier = np.tril(same, -1)
    modes = others & (earlier.sum(axis=1) - earlier.T == 0)
    chosen = (others * weights) @ same / (others * weights).sum(axis=1, keepdims=True)
    return OthersModes(
        np.where(modes, chosen, np.nan),
        nearest_modes(among_annotators.iou, among_annotators.differing, modes),
        nearest_modes(between.iou[:, None], between.differing[:, None], modes),
    )
