"""How well a mask is rebuilt from its own latents."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.iou import as_sets, iou


def reconstruction_iou(reconstructions: ArrayLike, annotations: ArrayLike) -> NDArray[np.float64]:
    """IoU of each annotation with its reconstruction, averaged over the graders of an image.

    A reconstruction is the mask decoded from the posterior's means given that annotation; how many
    of an annotation's shapes the latents can express. Binary: every label above 0 is foreground,
    classes are not told apart. Two empty masks have IoU 1.

    Args:
        reconstructions: Labels `[G, B, H, W]`, integer or boolean, of the annotations in order.
        annotations: Labels `[G, B, H, W]`.

    Returns:
        Float64 `[B]` in [0, 1], higher is better.

    Raises:
        ValueError: If the shapes differ, there is no grader or the labels are not integers.

    Reference: Kohl et al. 2019, section 3, IoU_rec.
    """
    reconstructions, annotations = as_sets(reconstructions=reconstructions, annotations=annotations)
    return iou(reconstructions, annotations).mean(axis=0)
