"""Whether the share of samples that mark a pixel is the share of annotators that do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.overlap import marks_of
from hpunet.metrics.sets import annotated_images, as_classes, as_sets
from hpunet.metrics.votes import Votes, votes_of


class Calibration(NamedTuple):
    """Sums over the pixels of an image, by how many of its samples mark them.

    Attributes:
        pixels: Number of pixels in each bin, `[..., N]`.
        predicted: Sum over them of the share of samples that mark a pixel.
        observed: Sum over them of the share of annotators, by weight.
    """

    pixels: NDArray[np.float64]
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]


def calibration(
    samples: ArrayLike,
    annotations: ArrayLike,
    *,
    num_bins: int = 10,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Calibration:
    """Predicted and observed shares of foreground, summed over pixels in bins, image by image.

    A pixel's prediction is the share of samples that mark it as foreground, which is every label
    above 0; what is observed is the share of annotators, by weight. Bin i of N holds the
    predictions from i / N to below (i + 1) / N, the last one 1 too. With `classes`, each given
    class is in its turn the foreground and all other labels the background, and the sums run over
    the classes, too: a pixel counts once for each.

    Sums of images add up to the sums of the set; means, and `expected_calibration_error`, follow
    from them.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        num_bins: N, bins of equal width.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels that are not counted; None for none.
        weights: `[G]` or `[G, B]`, how much each annotation counts, at least 0, in any unit; 0 is
            an annotation that is not there. None for all alike.

    Returns:
        Sums `[B, N]`, float64.

    Raises:
        ValueError: If the shapes do not fit, a set is empty, the labels are not integers, or bins,
            classes, ignored pixels or weights do not fit.
    """
    samples, annotations = as_sets(samples=samples, annotations=annotations)
    classes, num_bins = as_classes(classes), as_num_bins(num_bins)
    images = [
        binned_sums(
            votes_of(marks_of(image.samples, classes)),
            votes_of(marks_of(image.annotations, classes), image.weights),
            num_bins,
        )
        for image in annotated_images(samples, annotations, ignored, weights)
    ]
    return stack_calibrations(images, num_bins)


def expected_calibration_error(calibration: Calibration) -> NDArray[np.float64]:
    """Mean over the pixels of how far the predicted share of a bin is from the observed one.

    sum over bins of pixels / total |predicted / pixels - observed / pixels|. Which pixels count,
    classes and weights are those of the sums; of sums over images it is the error of the set.

    Args:
        calibration: Sums `[..., N]`.

    Returns:
        Float64 `[...]` in [0, 1], lower is better; NaN where there is no pixel.

    Reference: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    total = np.asarray(calibration.pixels, np.float64).sum(axis=-1)
    gaps = np.abs(np.subtract(calibration.predicted, calibration.observed)).sum(axis=-1)
    return np.where(total > 0, gaps / np.where(total > 0, total, 1.0), np.nan)


def as_num_bins(num_bins: int) -> int:
    """The number of bins.

    Raises:
        ValueError: If it is not a whole number of at least 1.
    """
    if not isinstance(num_bins, int | np.integer) or num_bins < 1:
        raise ValueError(f"num_bins is {num_bins!r}; allowed are whole numbers from 1")
    return int(num_bins)


def binned_sums(samples: Votes, annotators: Votes, num_bins: int) -> Calibration:
    """Sums `[N]` of one image over pixels and classes; each sample has one vote."""
    # There are few counts and many pixels: sum by count first, in whole numbers where they are.
    num_samples = int(samples.total)
    counts = samples.sums.ravel()
    pixels = np.bincount(counts, minlength=num_samples + 1)
    marked = np.bincount(counts, weights=annotators.sums.ravel(), minlength=num_samples + 1)
    count = np.arange(num_samples + 1)
    bins = np.minimum(count * num_bins // num_samples, num_bins - 1)
    sums = (pixels, pixels * count / num_samples, marked / annotators.total)
    binned = [np.bincount(bins, weights=x, minlength=num_bins) for x in sums]
    return Calibration(*np.stack(binned))


def stack_calibrations(images: Sequence[Calibration], num_bins: int) -> Calibration:
    """Sums `[B, N]` from those of each image."""
    stacked = np.array(images, np.float64).reshape(len(images), 3, num_bins)
    return Calibration(*np.moveaxis(stacked, 1, 0))
