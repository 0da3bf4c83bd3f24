"""How samples are judged: NumPy in, NumPy out, for any framework.

Samples are integer labels `[S, B, H, W]`, annotations `[G, B, H, W]`: S samples and G graders of B
images. Every score is float64 `[B]`, one number an image; averaging over images is the caller's.
The conventions (what is foreground, what two empty masks score, which pairs count) stand in the
docstrings of the functions.
"""

from hpunet.metrics.ged import ged
from hpunet.metrics.hungarian import hungarian_iou
from hpunet.metrics.iou import distance, iou, pairwise_distance, pairwise_iou
from hpunet.metrics.reconstruction import reconstruction_iou

__all__ = [
    "distance",
    "ged",
    "hungarian_iou",
    "iou",
    "pairwise_distance",
    "pairwise_iou",
    "reconstruction_iou",
]
