"""Scores a set of images, and writes and prints the result."""

from pathlib import Path
from typing import NamedTuple

from hpunet.evaluation import result, table
from hpunet.evaluation.estimates import Estimates, estimate_all
from hpunet.evaluation.figures import Log, write_figures
from hpunet.evaluation.published import Comparison, compare
from hpunet.evaluation.scoring import Conventions, ImageScores, ScoredImages, score_images
from hpunet.evaluation.scoring_set import ScoringSet
from hpunet.evaluation.truth import TruthReport, compare_scoring_set
from hpunet.io.progress import Progress


class Outputs(NamedTuple):
    """Files of a result; None to write none.

    Attributes:
        result: JSON file; a CSV file of the images has the same name.
        figures: Folder for figures.
        log: Lines of a run's `metrics.jsonl`, and kappa, for the training curves.
    """

    result: Path | None = None
    figures: Path | None = None
    log: Log | None = None


def evaluate(
    scoring_set: ScoringSet, conventions: Conventions, benchmark: str | None, outputs: Outputs
) -> int:
    """Scores images, writes JSON, prints a table and writes figures.

    Args:
        scoring_set: Images with samples.
        conventions: Conventions of the scores.
        benchmark: Benchmark of the images, or None.
        outputs: Files of the result.

    Returns:
        Number of images that could not be read or scored; the result lists them.

    Raises:
        UserError: If no image can be scored, or a file cannot be written.
    """
    with Progress("scoring", len(scoring_set.images)) as progress:
        scores = score_images(scoring_set.images, scoring_set.num_samples, conventions, progress)
    not_scored = (*scoring_set.not_scored, *scores.not_scored)
    if scores.not_scored:
        scoring_set = scoring_set._replace(images=ScoredImages(scoring_set.images, scores))
    scores = scores._replace(not_scored=not_scored)
    estimates = estimate_all(scores, conventions)
    comparison = compare(benchmark, scoring_set.data_name, scores, conventions.classes)
    truth = compare_scoring_set(scoring_set, scores)
    if outputs.result is not None:
        # Before printing, which fails if the pipe is closed.
        content = result.as_json(scoring_set, scores, estimates, comparison, truth)
        result.write(outputs.result, content, scores)
    print(_text(scoring_set, scores, estimates, comparison, truth))
    if outputs.result is not None:
        print(f"result: {outputs.result}; each image: {outputs.result.with_suffix('.csv')}")
    if outputs.figures is not None:
        show_published = scoring_set.data_name.startswith("lidc") or benchmark is not None
        folder, log = outputs.figures, outputs.log
        write_figures(folder, scoring_set, scores, estimates, show_published, log)
        print(f"figures: {folder}")
    return len(not_scored)


def _text(
    scoring_set: ScoringSet,
    scores: ImageScores,
    estimates: Estimates,
    comparison: Comparison,
    truth: TruthReport | None,
) -> str:
    level, patients_known = estimates.conventions.level, scoring_set.patients_known
    parts = [
        table.heading(scoring_set, scores),
        table.not_scored_text(scores.not_scored),
        table.as_text(estimates.groups, level, patients_known, scoring_set.notes),
        table.comparison_text(comparison, estimates.groups),
        "" if truth is None else truth.as_text(),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"
