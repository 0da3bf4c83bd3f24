"""Calibration of pixels: share of samples against share of annotators that mark a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.counting import Votes, marks_of, votes_of
from hpunet.metrics.inputs import annotated_images, as_classes, as_sets


class Calibration(NamedTuple):
    """Sums over the pixels of images, in N bins of the share of samples that mark a pixel.

    Attributes:
        pixels: Number of pixels in each bin, `[..., N]`.
        predicted: Sum over these pixels of the share of samples that mark a pixel, `[..., N]`.
        observed: Sum over these pixels of the weighted share of annotators, `[..., N]`.
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
    """Predicted and observed shares of foreground, summed over the pixels of each bin, per image.

    The prediction of a pixel is the share of samples that mark it as foreground, which is every
    label above 0; the observation is the weighted share of annotators. Bin i of N holds predictions
    in [i / N, (i + 1) / N); the last bin includes 1. With `classes`, each class in turn is the
    foreground and all other labels are background, and the sums include every class: each pixel
    counts once per class.

    The sums of a set are the sums over its images; means and `expected_calibration_error` follow
    from them.

    Args:
        samples: Labels `[S, B, H, W]`, integer or boolean.
        annotations: Labels `[G, B, H, W]`.
        num_bins: Number N of bins of equal width.
        classes: Labels to compare separately; None compares the foreground. A label that occurs
            nowhere is accepted; if none of them occurs, all masks are equal.
        ignored: Boolean `[B, H, W]`, pixels that are not counted; None for none.
        weights: `[G]` or `[G, B]`, weight of each annotation, at least 0, in any unit; weight 0
            removes an annotation. None weights all annotations equally.

    Returns:
        Sums `[B, N]`, float64.

    Raises:
        ValueError: If shapes do not match, a set is empty, labels are not integers, or num_bins,
            classes, ignored or weights are invalid.

    Example:
        >>> from hpunet import metrics
        >>> samples = [[[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]]]
        >>> annotations = [[[[1, 1, 0, 0]]], [[[1, 1, 0, 0]]]]
        >>> sums = metrics.calibration(samples, annotations, num_bins=2)
        >>> sums.pixels, sums.predicted, sums.observed
        (array([[2., 2.]]), array([[0. , 1.5]]), array([[0., 2.]]))
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
    """Mean absolute difference of predicted and observed shares, weighted by the pixels of bins.

    The error is the sum over bins of (pixels / total) |predicted / pixels - observed / pixels|.
    Classes, weights and ignored pixels are those of the sums. The error of a set of images follows
    from the sums over its images.

    Args:
        calibration: Sums `[..., N]`.

    Returns:
        Float64 `[...]` in [0, 1], lower is better; NaN where there is no pixel.

    Example:
        >>> import numpy as np
        >>> from hpunet import metrics
        >>> sums = metrics.Calibration(np.array([2, 2]), np.array([0, 1.5]), np.array([0, 2.0]))
        >>> metrics.expected_calibration_error(sums)
        array(0.125)

    Reference: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    total = np.asarray(calibration.pixels, np.float64).sum(axis=-1)
    gaps = np.abs(np.subtract(calibration.predicted, calibration.observed)).sum(axis=-1)
    return np.where(total > 0, gaps / np.where(total > 0, total, 1.0), np.nan)


def as_num_bins(num_bins: int) -> int:
    """Validates the number of bins.

    Raises:
        ValueError: If it is not an integer of at least 1.
    """
    if not isinstance(num_bins, int | np.integer) or num_bins < 1:
        raise ValueError(f"num_bins is {num_bins!r}; allowed are integers from 1")
    return int(num_bins)


def binned_sums(samples: Votes, annotators: Votes, num_bins: int) -> Calibration:
    """Sums `[N]` of one image over pixels and classes; each sample has one vote."""
    # There are few counts and many pixels: sum by count first, in integers where possible.
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
    """Stacks the sums `[N]` of each image to `[B, N]`."""
    stacked = np.array(images, np.float64).reshape(len(images), 3, num_bins)
    return Calibration(*np.moveaxis(stacked, 1, 0))
