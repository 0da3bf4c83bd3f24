"""Class labels of annotated pixels, and the pixels that are ignored."""

import numpy as np
from jaxtyping import Bool, UInt8

from hpunet.config.class_table import IGNORED


def marked(annotations: UInt8[np.ndarray, "*G H W"]) -> Bool[np.ndarray, "*G H W"]:
    """Pixels of the foreground: of any class but the background, and not ignored.

    Args:
        annotations: Class labels, `IGNORED` at ignored pixels.
    """
    return (annotations > 0) & (annotations != IGNORED)


def without_ignored(
    annotations: UInt8[np.ndarray, "G *B H W"],
) -> tuple[UInt8[np.ndarray, "G *B H W"], Bool[np.ndarray, "*B H W"]]:
    """Separates class labels from ignored pixels.

    Args:
        annotations: Class labels of G annotators, `IGNORED` at ignored pixels.

    Returns:
        The labels with the background at ignored pixels, and the pixels that any annotator ignores.
    """
    ignored = annotations == IGNORED
    return np.where(ignored, np.uint8(0), annotations), ignored.any(axis=0)
