"""How samples are judged: NumPy in, NumPy out, for any framework.

Samples are integer labels `[S, B, H, W]`, annotations `[G, B, H, W]`: S samples and G annotators of
B images. Most scores are float64 `[B]`, one number an image, and `estimate_mean` averages them. Two
are of a set of images: the calibration error, of sums over all their pixels (`calibration` and
`estimate_calibration_error`), and how often modes are drawn, shares gathered by how often
annotators chose them (`held_out_frequencies` and `estimate_modes`). Estimates come with an interval
that says how sure they are. The conventions (what is foreground, what two empty masks score, which
pairs count) stand in the docstrings of the functions and, in a sentence, in `SCORES`. Three are
arguments of the same name everywhere: `classes` tells labels apart, `ignored` leaves pixels out,
`weights` says how much each annotation counts.
"""

from hpunet.metrics.bootstrap import (
    ModeEstimate,
    estimate_calibration_error,
    estimate_mean,
    estimate_modes,
)
from hpunet.metrics.calibration import Calibration, calibration, expected_calibration_error
from hpunet.metrics.dice import dice_of_mean
from hpunet.metrics.ged import ged, sample_diversity
from hpunet.metrics.held_out import HeldOutFrequencies, held_out_frequencies
from hpunet.metrics.hungarian import hungarian_iou
from hpunet.metrics.iou import distance, iou, pairwise_distance, pairwise_iou
from hpunet.metrics.modes import ModeFrequencies, annotation_modes, mode_frequencies
from hpunet.metrics.reconstruction import reconstruction_iou
from hpunet.metrics.resampling import Estimate
from hpunet.metrics.score_info import SCORES, ScoreInfo
from hpunet.metrics.scores import Scores, score
from hpunet.metrics.variance import variance_ncc

__all__ = [
    "SCORES",
    "Calibration",
    "Estimate",
    "HeldOutFrequencies",
    "ModeEstimate",
    "ModeFrequencies",
    "ScoreInfo",
    "Scores",
    "annotation_modes",
    "calibration",
    "dice_of_mean",
    "distance",
    "estimate_calibration_error",
    "estimate_mean",
    "estimate_modes",
    "expected_calibration_error",
    "ged",
    "held_out_frequencies",
    "hungarian_iou",
    "iou",
    "mode_frequencies",
    "pairwise_distance",
    "pairwise_iou",
    "reconstruction_iou",
    "sample_diversity",
    "score",
    "variance_ncc",
]
