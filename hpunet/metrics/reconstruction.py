"""How well a mask is rebuilt from its own latents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.iou import iou
from hpunet.metrics.sets import as_classes, as_ignored_images, as_sets, as_weights


def reconstruction_iou(
    reconstructions: ArrayLike,
    annotations: ArrayLike,
    *,
    classes: Sequence[int] | None = None,
    ignored: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """IoU of each annotation with its reconstruction, averaged over the annotators of an image.

    A reconstruction is the mask decoded from the posterior's means given that annotation; how many
    of an annotation's shapes the latents can express. Foreground is every label above 0; two masks
    without it have IoU 1. With `classes`, the IoU is the mean over those present in annotation or
    reconstruction, and 1 if none is.

    Args:
        reconstructions: Labels `[G, B, H, W]`, integer or boolean, of the annotations in order.
        annotations: Labels `[G, B, H, W]`.
        classes: Labels to tell apart; None for the foreground. One that occurs nowhere is not
            refused; if none occurs, all masks are alike.
        ignored: Boolean `[B, H, W]`, pixels left out of all masks; None for none.
        weights: `[G]` or `[G, B]`, how much each annotation counts in the average, at least 0, in
            any unit; 0 is an annotation that is not there. None for all alike.

    Returns:
        Float64 `[B]` in [0, 1], higher is better.

    Raises:
        ValueError: If the shapes differ, there is no annotator, the labels are not integers, or
            classes, ignored pixels or weights do not fit.

    Reference: Kohl et al. 2019, section 3, IoU_rec.
    """
    reconstructions, annotations = as_sets(reconstructions=reconstructions, annotations=annotations)
    classes, ignored = as_classes(classes), as_ignored_images(ignored, annotations)
    share = as_weights(weights, *annotations.shape[:2])
    each: NDArray[np.float64] = np.empty(annotations.shape[:2])
    # Image by image: the marks stay small whatever the number of images.
    for image in range(annotations.shape[1]):
        each[:, image] = iou(
            reconstructions[:, image],
            annotations[:, image],
            classes=classes,
            ignored=None if ignored is None else ignored[image],
        )
    return (each * share).sum(axis=0) / share.sum(axis=0)
