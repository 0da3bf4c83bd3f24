"""Class labels of annotated pixels, and those that count nowhere."""

import numpy as np
from jaxtyping import Bool, UInt8

# What stands in annotations at pixels that count nowhere.
IGNORED = 255


def marked(annotations: UInt8[np.ndarray, "*G H W"]) -> Bool[np.ndarray, "*G H W"]:
    """Pixels of the foreground: of any class but the background, and not ignored."""
    return (annotations > 0) & (annotations != IGNORED)
