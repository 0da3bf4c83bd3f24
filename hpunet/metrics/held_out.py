"""Frequencies of modes with each annotator held out in turn, and their estimates over images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.bootstrap import Draws, Estimate, as_patients, estimate, mean_of_sums
from hpunet.metrics.counting import Overlap, marks_of, pack, pairwise_overlap
from hpunet.metrics.inputs import annotated_images, as_classes, as_sets
from hpunet.metrics.modes import nearest_modes, same_masks

# Difference of equal shares of weights that are added in another order.
_ROUNDING = 1e-9
# With more distinct shares than this, shares are grouped into as many equal parts of [0, 1].
_MOST_SHARES = 10


class HeldOutFrequencies(NamedTuple):
    """Shares of each mode among the other annotators, the samples and the held-out annotator.

    Row h * G + g describes the mode first shown by annotation g among the annotations of the
    others while annotator h is held out. Rows without a mode are NaN in all three arrays.

    Attributes:
        chosen: Weighted share of the other annotators, `[G * G, B]`.
        drawn: Share of the samples that are nearest to the mode, `[G * G, B]`.
        held_out: 1 if the held-out annotation is nearest to the mode, else 0, `[G * G, B]`.
    """

    chosen: NDArray[np.float64]
    drawn: NDArray[np.float64]
    held_out: NDArray[np.float64]


class ModeEstimate(NamedTuple):
    """Mean shares of a group of modes that annotators chose equally often.

    Attributes:
        chosen: Share of the other annotators who chose the mode, averaged over the modes.
        drawn: Share of the samples nearest to the mode, averaged over the modes.
        held_out: Share of the held-out annotators nearest to the mode, which is the expected value
            of `drawn` for samples from the distribution of the annotators.
        num_modes: Number of modes; each counts once per held-out annotator.
    """

    chosen: float
    drawn: Estimate
    held_out: Estimate
    num_modes: int


def held_out_frequencies(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> HeldOutFrequencies:
    """How often samples and a held-out annotator choose the modes of the other annotators.

    Each annotator is held out in turn. The modes are the distinct annotations of the others (see
    `annotation_modes`); samples and the held-out annotation are assigned to their nearest mode as
    in `mode_frequencies`.

    With few annotators the chosen shares are noisy and some modes are unseen. This affects samples
    and the held-out annotator equally: if samples are drawn independently from the distribution of
    the annotators, the means of `drawn` and `held_out` are equal for each value of `chosen`. They
    may differ from `chosen`. If all other annotators agree, there is one mode, and both are 1.

    Weights apply to the other annotators; every annotator of positive weight is held out once.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels to exclude from every mask; None excludes none.
        weights: `[G]` or `[G, B]`, weight of each annotation, at least 0, in any unit; weight 0
            removes an annotation. None weights all annotations equally.

    Returns:
        Shares `[G * G, B]`, float64, each summing to 1 over the modes of a held-out annotator; NaN
        where there is no mode, and everywhere in an image with a single annotator.

    Raises:
        ValueError: If shapes do not match, a set is empty, labels are not integers, or classes,
            ignored or weights are invalid.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0]]], [[[0, 0, 0]]]]
        >>> annotations = [[[[1, 1, 0]]], [[[0, 0, 0]]], [[[1, 1, 0]]]]
        >>> modes = metrics.held_out_frequencies(samples, annotations)
        >>> modes.chosen[:3, 0], modes.drawn[:3, 0], modes.held_out[:3, 0]
        (array([nan, 0.5, 0.5]), array([nan, 0.5, 0.5]), array([nan,  0.,  1.]))
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


def estimate_modes(
    modes: HeldOutFrequencies,
    patients: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[ModeEstimate]:
    """Mean drawn and held-out shares of modes, grouped by the chosen share.

    For samples from the distribution of the annotators, `drawn` and `held_out` differ only by
    chance at each value of `chosen`. The converse does not hold: the shares of modes chosen equally
    often are averaged, so an excess of one mode may cancel a lack of another.

    Modes of all images with the same chosen share form a group; if there are more than ten distinct
    shares, those in the same tenth of [0, 1] do. Intervals come from a bootstrap over patients as
    in `estimate_mean`, which takes all modes of a drawn patient's images; all modes count equally.

    Args:
        modes: Shares `[N, B]`, NaN where there is no mode; the order along N does not matter.
        patients: Names of the patients, one per image.
        draws: Number of draws.
        seed: Seed of the draws; the same seed gives the same interval.
        level: Share of the draws inside the interval, in (0, 1).

    Returns:
        Estimates in ascending order of `chosen`; an empty list without modes. Their numbers of
        images and patients count those with a mode of the group.

    Raises:
        ValueError: If shapes or lengths differ, a share is outside [0, 1], or draws, seed or level
            is not allowed.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0]]], [[[0, 0, 0]]]]
        >>> annotations = [[[[1, 1, 0]]], [[[0, 0, 0]]], [[[1, 1, 0]]]]
        >>> modes = metrics.held_out_frequencies(samples, annotations)
        >>> [(e.chosen, e.drawn.value, e.num_modes) for e in metrics.estimate_modes(modes, ["p1"])]
        [(0.5, 0.5, 4), (1.0, 1.0, 1)]
    """
    chosen, *estimated = _as_shares(modes)
    settings = Draws.of(draws, seed, level)
    as_patients(patients, chosen.shape[1])
    there = ~np.isnan(chosen)
    group = np.full(chosen.shape, -1)
    group[there] = _equally_chosen(chosen[there])
    result = []
    for here in (group == number for number in np.unique(group[there])):
        drawn, held_out = (
            estimate(_sums_over_modes(shares, here), patients, settings, mean_of_sums)
            for shares in estimated
        )
        result.append(ModeEstimate(float(chosen[here].mean()), drawn, held_out, int(here.sum())))
    return result


class OthersModes(NamedTuple):
    """Modes of one image with each of its annotators held out in turn.

    Attributes:
        chosen: Weighted share of the others, `[A, A]`, by held-out annotator and index of the mode;
            NaN where there is no mode.
        met: Index `[A]` of the mode nearest to each held-out annotation.
        nearest: Index `[S, A]` of the mode nearest to each sample.
    """

    chosen: NDArray[np.float64]
    met: NDArray[np.intp]
    nearest: NDArray[np.intp]

    def frequencies(
        self, count: int, annotators: NDArray[np.intp], num_annotators: int
    ) -> NDArray[np.float64]:
        """Shares `[3, G * G]` chosen, drawn by the first `count` samples, and held out.

        Args:
            count: Number of samples.
            annotators: Indices of the A annotators among all annotators.
            num_annotators: Number G of all annotators.
        """
        indices = np.arange(len(self.chosen))
        drawn = (self.nearest[:count, :, None] == indices).mean(axis=0)
        shares = np.stack([self.chosen, drawn, self.met[:, None] == indices])
        result = np.full((3, num_annotators, num_annotators), np.nan)
        result[:, annotators[:, None], annotators] = np.where(np.isnan(self.chosen), np.nan, shares)
        return result.reshape(3, num_annotators * num_annotators)


def others_modes(
    between: Overlap, among_annotators: Overlap, weights: NDArray[np.float64]
) -> OthersModes:
    """Modes of one image with each of its annotators held out in turn.

    Args:
        between: Comparison of samples and annotations, `[S, A]`.
        among_annotators: Comparison of the annotations with each other, `[A, A]`.
        weights: Weights of the annotations, `[A]`.
    """
    count = len(weights)
    if count == 1:
        nowhere = np.zeros((len(between.iou), 1), np.intp)
        return OthersModes(np.full((1, 1), np.nan), nowhere[0], nowhere)
    same, others = same_masks(among_annotators), ~np.eye(count, dtype=bool)
    # An annotation represents a mode if no earlier annotation of the others equals it.
    earlier = np.tril(same, -1)
    modes = others & (earlier.sum(axis=1) - earlier.T == 0)
    chosen = (others * weights) @ same / (others * weights).sum(axis=1, keepdims=True)
    return OthersModes(
        np.where(modes, chosen, np.nan),
        nearest_modes(among_annotators.iou, among_annotators.differing, modes),
        nearest_modes(between.iou[:, None], between.differing[:, None], modes),
    )


def _as_shares(modes: HeldOutFrequencies) -> list[NDArray[np.float64]]:
    """Converts chosen, drawn and held-out shares to arrays `[N, B]`.

    Raises:
        ValueError: If they have another shape or a share is outside [0, 1].
    """
    arrays = [np.asarray(shares, np.float64) for shares in modes]
    shapes = [array.shape for array in arrays]
    if len(arrays) != 3 or len(shapes[0]) != 2 or len(set(shapes)) > 1:
        raise ValueError(f"modes {shapes}; allowed is [N, B] for chosen, drawn and held_out")
    shares = np.stack(arrays)[:, ~np.isnan(arrays[0])]
    # Comparisons with NaN are false, so the positive form rejects NaN.
    if not ((shares >= -_ROUNDING) & (shares <= 1 + _ROUNDING)).all():
        raise ValueError("modes has values outside [0, 1]; allowed are shares, or NaN in all three")
    return arrays


def _sums_over_modes(shares: NDArray[np.float64], here: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sum and count `[B, 2]` of the shares `[N, B]` selected by `here`; NaN if none is selected."""
    sums = np.stack([np.where(here, shares, 0.0).sum(axis=0), here.sum(axis=0)], axis=1)
    sums[~here.any(axis=0)] = np.nan
    return sums


def _equally_chosen(chosen: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the group of each share `[M]`, in ascending order of the shares."""
    distinct, index = np.unique(chosen, return_inverse=True)
    number = np.cumsum(np.diff(distinct, prepend=-1.0) > _ROUNDING)
    if len(np.unique(number)) > _MOST_SHARES:
        part = np.floor(distinct * _MOST_SHARES + _ROUNDING)
        number = np.minimum(part, _MOST_SHARES - 1).astype(np.intp)
    return np.asarray(number[index])
