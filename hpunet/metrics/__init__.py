"""Scores of sampled segmentations: NumPy in, NumPy out, usable with any framework.

Samples are integer labels `[S, B, H, W]` and annotations are `[G, B, H, W]`, for S samples and G
annotators of B images. Most scores are float64 `[B]`, one value per image; `estimate_mean` averages
them. Two scores describe a set of images: the calibration error, computed from sums over all pixels
(`calibration` and `estimate_calibration_error`), and how often modes are drawn, grouped by how
often annotators chose them (`held_out_frequencies` and `estimate_modes`). Every estimate has a
confidence interval. The docstrings state the conventions (what is foreground, what two empty masks
score, which pairs count), and `SCORES` summarises each in a sentence. Two of them differ from other
public code: classes absent from both masks count as nothing (see `ged`), and `variance_ncc` is not
PHiSeg's S_NCC. Three arguments have the same
meaning everywhere: `classes` compares labels separately, `ignored` excludes pixels, and `weights`
weights the annotations.
"""

from hpunet.metrics.bootstrap import Estimate, estimate_calibration_error, estimate_mean
from hpunet.metrics.calibration import Calibration, calibration, expected_calibration_error
from hpunet.metrics.ged import ged, sample_diversity
from hpunet.metrics.held_out import (
    HeldOutFrequencies,
    ModeEstimate,
    estimate_modes,
    held_out_frequencies,
)
from hpunet.metrics.hungarian import hungarian_iou
from hpunet.metrics.iou import distance, iou, pairwise_distance, pairwise_iou, reconstruction_iou
from hpunet.metrics.modes import ModeFrequencies, annotation_modes, mode_frequencies
from hpunet.metrics.pixelwise import dice_of_mean, variance_ncc
from hpunet.metrics.score_info import SCORES, ScoreInfo
from hpunet.metrics.scores import Scores, score

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
