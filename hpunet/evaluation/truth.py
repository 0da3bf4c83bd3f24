"""A network's samples beside the distribution behind the annotations, where that is known."""

import numpy as np

from hpunet.evaluation.judged import Judged
from hpunet.evaluation.scoring import ImageScores
from hpunet.evaluation.truth_report import TruthReport, compare_with_truth


def compare_with_known(judged: Judged, scores: ImageScores) -> TruthReport | None:
    """Compares the samples of all images, as many of each as were scored at most.

    Args:
        judged: What was scored.
        scores: Of all images.

    Returns:
        None if no truth is known, or if only a part of the split was scored: of few images, chance
        decides.
    """
    dataset, images, cases = judged.dataset, judged.images, judged.cases
    if dataset is None or images is None or dataset.truth is None:
        return None
    if not judged.subject["data"]["whole_split"]:
        return None
    num_samples = max(judged.num_samples)
    read = [cases[index] for index in range(len(cases))]
    return compare_with_truth(
        dataset.truth,
        np.stack([case.samples[:num_samples] for case in read], axis=1),
        np.stack([case.annotations for case in read], axis=1),
        np.stack([images.read_modes(index) for index in range(len(images))]),
        scores.by_num_samples[num_samples].ged,
    )
