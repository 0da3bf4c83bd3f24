"""Class labels of annotated pixels, and those that count nowhere."""

import numpy as np
from jaxtyping import Bool, UInt8

# What stands in annotations at pixels that count nowhere.
IGNORED = 255


def marked(annotations: UInt8[np.ndarray, "*G H W"]) -> Bool[np.ndarray, "*G H W"]:
    """Pixels of the foreground: of any class but the background, and not ignored."""
    return (annotations > 0) & (annotations != IGNORED)


def without_ignored(
    annotations: UInt8[np.ndarray, "G *B H W"],
) -> tuple[UInt8[np.ndarray, "G *B H W"], Bool[np.ndarray, "*B H W"]]:
    """Labels with the background at ignored pixels, and the pixels that any annotator ignores."""
    ignored = annotations == IGNORED
    return np.where(ignored, np.uint8(0), annotations), ignored.any(axis=0)
