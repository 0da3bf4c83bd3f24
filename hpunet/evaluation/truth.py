"""A network's samples compared with the known distribution behind the annotations."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.data.synthetic.truth import Truth, thresholded_mean_ged, total_variation
from hpunet.evaluation.scoring import ImageScores
from hpunet.evaluation.scoring_set import ScoringSet

# A network has learned the distribution if it comes this close.
MAX_GAP = 0.2
MAX_TOTAL_VARIATION = 0.15


class TruthReport(NamedTuple):
    """Scores of a network's samples compared with those of a perfect model.

    Attributes:
        num_samples: Samples per image.
        ged: GED^2 of the network.
        perfect_ged: Expected GED^2 of independent draws from the truth.
        mean_ged: GED^2 of a model that always gives the annotators' thresholded mean.
        names: The modes.
        probabilities: Their true probabilities.
        frequencies: Share of the network's samples that is nearest to each.
    """

    num_samples: int
    ged: float
    perfect_ged: float
    mean_ged: float
    names: Sequence[str]
    probabilities: Float[np.ndarray, " M"]
    frequencies: Float[np.ndarray, " M"]

    @property
    def gap(self) -> float:
        """Position of the GED^2 between that of a perfect model, 0, and of the thresholded mean, 1.

        Of few samples, even a perfect model's may score worse than the mean: then it is NaN.
        """
        room = self.mean_ged - self.perfect_ged
        return (self.ged - self.perfect_ged) / room if room > 0 else math.nan

    @property
    def total_variation(self) -> float:
        """Total variation distance of the modes' frequencies from their probabilities."""
        return total_variation(self.frequencies, self.probabilities)

    @property
    def learned(self) -> bool:
        """Whether gap and total variation are within the limits."""
        return self.gap <= MAX_GAP and self.total_variation <= MAX_TOTAL_VARIATION

    def as_json(self) -> dict[str, Any]:
        """Returns all numbers as JSON values."""
        return {
            **self._asdict(),
            "names": list(self.names),
            "probabilities": self.probabilities.tolist(),
            "frequencies": self.frequencies.tolist(),
            "gap": None if math.isnan(self.gap) else self.gap,
            "max_gap": MAX_GAP,
            "total_variation": self.total_variation,
            "max_total_variation": MAX_TOTAL_VARIATION,
            "learned": self.learned,
        }

    def as_text(self) -> str:
        """Formats the table for the terminal."""
        width = max(map(len, self.names))
        rows = zip(self.names, self.probabilities, self.frequencies, strict=True)
        modes = [f"  {name:<{width}}  {p:>7.1%}  {f:>8.1%}" for name, p, f in rows]
        return "\n".join(
            [
                f"GED^2 at {self.num_samples} samples",
                f"  this network          {self.ged:.4f}",
                f"  a perfect model       {self.perfect_ged:.4f}",
                f"  thresholded mean      {self.mean_ged:.4f}",
                f"  gap                   {self.gap:.1%} (0 perfect, 100% the mean; "
                f"allowed: {MAX_GAP:.0%})",
                "",
                f"{'Modes':<{width + 2}}     truth   network",
                *modes,
                f"  total variation {self.total_variation:.3f} (allowed: {MAX_TOTAL_VARIATION})",
                "",
                self._verdict(),
            ]
        )

    def _verdict(self) -> str:
        if math.isnan(self.gap):
            return (
                f"{self.num_samples} samples are too few to tell whether the network has learned."
            )
        if self.learned:
            return "The network has learned the distribution."
        return "The network has NOT learned the distribution."


def compare_scoring_set(scoring_set: ScoringSet, scores: ImageScores) -> TruthReport | None:
    """Compares the samples of all images, the largest number of each that was scored.

    Args:
        scoring_set: The images and samples that were scored.
        scores: Scores of all images.

    Returns:
        None if no truth is known, or if only a part of the split was scored: with few images,
        chance decides.
    """
    dataset, dataset_images = scoring_set.dataset, scoring_set.dataset_images
    if dataset is None or dataset_images is None or dataset.truth is None:
        return None
    if not scoring_set.subject["data"]["whole_split"]:
        return None
    num_samples = max(scoring_set.num_samples)
    images = [scoring_set.images[index] for index in range(len(scoring_set.images))]
    return compare_with_truth(
        dataset.truth,
        np.stack([image.samples[:num_samples] for image in images], axis=1),
        np.stack([image.annotations for image in images], axis=1),
        np.stack([dataset_images.read_modes(index) for index in range(len(dataset_images))]),
        scores.by_num_samples[num_samples].ged,
    )


def compare_with_truth(
    truth: Truth,
    samples: UInt8[np.ndarray, "S B H W"],
    annotations: UInt8[np.ndarray, "G B H W"],
    modes: UInt8[np.ndarray, "B M H W"],
    ged: Float[np.ndarray, " B"],
) -> TruthReport:
    """Compares a network's samples with the distribution behind the annotations.

    Args:
        truth: That distribution.
        samples: Class labels drawn by the network.
        annotations: The annotators' class labels.
        modes: The masks of each image's modes.
        ged: GED^2 of the samples, image by image.
    """
    pairs = list(zip(modes, annotations.swapaxes(0, 1), strict=True))
    perfect = [truth.expected_ged(m, a, len(samples)) for m, a in pairs]
    mean = [thresholded_mean_ged(a) for _, a in pairs]
    return TruthReport(
        num_samples=len(samples),
        ged=float(ged.mean()),
        perfect_ged=float(np.mean(perfect)),
        mean_ged=float(np.mean(mean)),
        names=truth.names,
        probabilities=truth.probabilities,
        frequencies=truth.frequencies(samples, modes),
    )
