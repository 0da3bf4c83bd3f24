"""Names, directions, bounds and conventions of the scores."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple


class ScoreInfo(NamedTuple):
    """Description of a score.

    Attributes:
        label: Name in tables and figures.
        better: "lower", "higher", or "" if neither is better.
        bounds: Smallest and largest possible value.
        convention: One sentence that defines the score.
    """

    label: str
    better: Literal["lower", "higher", ""]
    bounds: tuple[float, float]
    convention: str


SCORES: Mapping[str, ScoreInfo] = MappingProxyType(
    {
        "ged": ScoreInfo(
            "GED²",
            "lower",
            (0.0, 2.0),
            "Squared generalised energy distance with d = 1 - IoU, including pairs of a mask with "
            "itself; two empty masks have distance 0.",
        ),
        "ged_unbiased": ScoreInfo(
            "GED², unbiased",
            "lower",
            (-1.0, 2.0),
            "Squared generalised energy distance without the pairs of a mask with itself; missing "
            "for a single sample or annotator.",
        ),
        "hungarian_iou": ScoreInfo(
            "HM-IoU",
            "higher",
            (0.0, 1.0),
            "Mean IoU of samples and annotations matched one to one, both repeated to the least "
            "common multiple of their numbers; two empty masks have IoU 1.",
        ),
        "reconstruction_iou": ScoreInfo(
            "IoU_rec",
            "higher",
            (0.0, 1.0),
            "IoU of each annotation with its reconstruction from the posterior means, averaged "
            "over the annotators; two empty masks have IoU 1.",
        ),
        "sample_diversity": ScoreInfo(
            "Sample diversity",
            "",
            (0.0, 1.0),
            "Mean distance 1 - IoU among the samples, including pairs of a sample with itself.",
        ),
        "sample_diversity_unbiased": ScoreInfo(
            "Sample diversity, unbiased",
            "",
            (0.0, 1.0),
            "Mean distance 1 - IoU of two different samples; missing for a single sample.",
        ),
        "annotator_diversity": ScoreInfo(
            "Annotator diversity",
            "",
            (0.0, 1.0),
            "Mean distance 1 - IoU among the annotations, including pairs of one with itself.",
        ),
        "annotator_diversity_unbiased": ScoreInfo(
            "Annotator diversity, unbiased",
            "",
            (0.0, 1.0),
            "Mean distance 1 - IoU of two different annotations; missing for a single one.",
        ),
        "dice_of_mean": ScoreInfo(
            "Dice of the mean",
            "higher",
            (0.0, 1.0),
            "Dice of the pixels marked by at least half of the samples with those marked by at "
            "least half of the annotators, 1 if both are empty; with classes, of the most frequent "
            "class.",
        ),
        "variance_ncc": ScoreInfo(
            "NCC of the variances",
            "higher",
            (-1.0, 1.0),
            "Correlation over the pixels of the variance of the samples with that of the "
            "annotators, unlike PHiSeg's S_NCC of cross-entropies; missing if either is constant.",
        ),
        "calibration_error": ScoreInfo(
            "Calibration error",
            "lower",
            (0.0, 1.0),
            "Expected calibration error of the share of samples that mark a pixel against the "
            "share of annotators, in bins of equal width over the pixels of all images.",
        ),
    }
)
