"""Results as JSON, with the data needed to compare or reproduce them."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpunet import metrics
from hpunet.evaluation.estimates import CALIBRATION_ERROR, Estimates, ImageGroup
from hpunet.evaluation.provenance import provenance
from hpunet.evaluation.published import Comparison
from hpunet.evaluation.scoring import Conventions, ImageScores
from hpunet.evaluation.scoring_set import ScoringSet
from hpunet.evaluation.truth import TruthReport
from hpunet.io.atomic import write_json, write_whole
from hpunet.io.errors import UserError

FORMAT = "hpunet-scores-1"


def as_json(
    scoring_set: ScoringSet,
    scores: ImageScores,
    estimates: Estimates,
    comparison: Comparison,
    truth: TruthReport | None,
) -> dict[str, Any]:
    """Returns the complete result.

    Args:
        scoring_set: The images and samples that were scored.
        scores: Scores of all images.
        estimates: Means and intervals.
        comparison: Published scores that are comparable, and reasons why others are not.
        truth: Comparison with the distribution behind the annotations, or None if unknown.
    """
    reasons = {image.name: image.problem for image in scores.not_scored}
    values = {
        "format": FORMAT,
        **scoring_set.subject,
        "num_samples": list(scores.by_num_samples),
        "not_scored": _described(reasons, "reason"),
        "conventions": _conventions(estimates.conventions),
        "num_images_with_ignored_pixels_or_weights": int(np.sum(~scores.is_plain)),
        "groups": {name: _group(group) for name, group in estimates.groups.items()},
        "calibration": {
            str(n): _calibration(values.calibration) for n, values in scores.by_num_samples.items()
        },
        "modes": {str(n): [_mode(mode) for mode in modes] for n, modes in estimates.modes.items()},
        "published": {
            "benchmark": comparison.benchmark,
            "comparable": [row._asdict() for row in comparison.rows],
            "warnings": list(comparison.warnings),
        },
        "made_with": provenance(),
    }
    values["unlike_training"] = _described(scoring_set.unlike_training, "value")
    if scoring_set.notes:
        values["notes"] = list(scoring_set.notes)
    return values if truth is None else {**values, "truth": truth.as_json()}


def _described(texts: Mapping[str, str], what: str) -> list[dict[str, str]]:
    return [{"name": name, what: text} for name, text in texts.items()]


def _mode(mode: metrics.ModeEstimate) -> dict[str, Any]:
    return {
        name: _estimate(value) if isinstance(value, metrics.Estimate) else value
        for name, value in mode._asdict().items()
    }


def own_name(choices: Mapping[str, Any]) -> str:
    """Returns the file name for the options, so that partial results do not replace complete ones.

    Args:
        choices: Options by name; None for those that were not given.
    """
    chosen = [f"{name}_{value}" for name, value in choices.items() if value is not None]
    return f"scores{'_'.join(chosen)}.json".replace(",", "-")


def check_replaceable(path: Path) -> None:
    """Checks that the path is free or has an earlier result.

    Raises:
        UserError: If there is a file that is no result.
    """
    if not path.exists():
        return
    try:
        is_result = json.loads(path.read_bytes()).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        is_result = False
    if not is_result:
        raise UserError(f"--out={path}: it holds something else; allowed is another name")


def write(path: Path, result: Mapping[str, Any], scores: ImageScores) -> None:
    """Writes the result, and the scores of every image as a table with the same name.

    Args:
        path: The JSON file, which is written last; the table is `<stem>.csv`.
        result: From `as_json`.
        scores: Scores of all images.

    Raises:
        UserError: If they cannot be written.
    """
    table = _image_table(scores).encode("utf-8", errors="surrogateescape")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # An older result must not remain with the new table.
        path.unlink(missing_ok=True)
        write_whole(path.with_suffix(".csv"), table)
        write_json(path, result)
    except OSError as error:
        raise UserError(f"--out={path}: {error.strerror or error}") from None


def _conventions(conventions: Conventions) -> dict[str, Any]:
    return {
        **dataclasses.asdict(conventions),
        "interval": f"{conventions.level:.0%}, percentiles of {conventions.draws} bootstrap draws "
        "of patients with all their images",
        "subset_b": "the images on which every annotator drew something",
        "num_samples": "the first n samples of each image",
        "foreground": "every label above 0, where no classes are given",
        "class_absent_from_both": "counts as nothing, as in Kohl et al. 2018; IoU is 1 where no "
        "class is in either mask. PHiSeg, SSN and CCDM give each such class IoU 1: with several "
        "classes, GED^2 differs by up to 0.39 and must not be compared",
        "modes": "distinct annotations of the other annotators, each annotator held out in turn: "
        "chosen, the share of those others; drawn, the share of samples nearest to the mode; "
        "held_out, how often the annotator held out is nearest to it, as a perfect sampler's "
        "samples would be",
        "scores": {name: info.convention for name, info in metrics.SCORES.items()},
    }


def _group(group: ImageGroup) -> dict[str, Any]:
    return {
        "num_images": group.num_images,
        "num_patients": group.num_patients,
        "num_samples": {
            str(n): {name: _estimate(estimate) for name, estimate in estimates.items()}
            for n, estimates in group.scores.items()
        },
    }


def _estimate(estimate: metrics.Estimate) -> dict[str, Any]:
    return {name: _finite(value) for name, value in estimate._asdict().items()}


def _calibration(calibration: metrics.Calibration) -> dict[str, Any]:
    return {name: getattr(calibration, name).sum(axis=0).tolist() for name in calibration._fields}


def _finite(value: float | int) -> float | int | None:
    return value if math.isfinite(value) else None


def _image_table(scores: ImageScores) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [name for name in metrics.SCORES if name != CALIBRATION_ERROR]
    writer.writerow(["name", "patient", "annotators", "annotators_who_drew", "samples", *names])
    for n, values in scores.by_num_samples.items():
        columns = [getattr(values, name) for name in names]
        for b, image in enumerate(scores.names):
            numbers = ["" if np.isnan(column[b]) else repr(float(column[b])) for column in columns]
            row = [image, scores.patients[b], scores.num_annotators[b], scores.num_drawn[b], n]
            writer.writerow([*row, *numbers])
    return file.getvalue()
