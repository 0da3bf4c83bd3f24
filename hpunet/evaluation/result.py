"""A result as JSON: everything that is needed to compare it, or to make it again."""

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpunet import metrics
from hpunet.errors import UserError
from hpunet.evaluation.estimates import CALIBRATION_ERROR, Group
from hpunet.evaluation.provenance import provenance
from hpunet.evaluation.published import Comparison
from hpunet.evaluation.scoring import Conventions, ImageScores
from hpunet.training.workdir import write_json, write_whole

FORMAT = "hpunet-scores-1"


def as_json(
    scores: ImageScores,
    estimated: Mapping[str, Group],
    modes: Mapping[int, Sequence[metrics.ModeEstimate]],
    conventions: Conventions,
    subject: Mapping[str, Any],
    comparison: Comparison,
) -> dict[str, Any]:
    """The whole result.

    Args:
        scores: Of all images.
        estimated: Means and intervals by group.
        modes: How often modes were drawn, by number of samples.
        conventions: What the scores leave open.
        subject: What was scored on what; put in front as it is.
        comparison: Published scores it may be set beside, and why not beside others.
    """
    return {
        "format": FORMAT,
        **subject,
        "num_samples": list(scores.by_num_samples),
        "conventions": _conventions(conventions),
        "groups": {name: _group(group) for name, group in estimated.items()},
        "calibration": {
            str(n): _calibration(values.calibration) for n, values in scores.by_num_samples.items()
        },
        "modes": {
            str(n): [
                {
                    "chosen": mode.chosen,
                    "drawn": _estimate(mode.drawn),
                    "num_modes": mode.num_modes,
                }
                for mode in found
            ]
            for n, found in modes.items()
        },
        "published": {
            "benchmark": comparison.benchmark,
            "comparable": [row._asdict() for row in comparison.rows],
            "warnings": list(comparison.warnings),
        },
        "made_with": provenance(),
    }


def own_name(choices: Mapping[str, Any]) -> str:
    """A name for each choice of what is scored: a quick look must not replace a whole result.

    Args:
        choices: By name what was chosen, None for what was left alone.
    """
    chosen = [f"{name}_{value}" for name, value in choices.items() if value is not None]
    return f"scores{'_'.join(chosen)}.json".replace(",", "-")


def write(path: Path, result: Mapping[str, Any], scores: ImageScores) -> None:
    """Writes the result, and beside it a table of the scores of every image.

    Args:
        path: Of the JSON file, which appears last and whole; the table is `<stem>.csv`.
        result: As from `as_json`.
        scores: Of all images.

    Raises:
        UserError: If they cannot be written.
    """
    table = _image_table(scores).encode("utf-8", errors="surrogateescape")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # An older result must not stand beside the new table.
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
        "subset_b": "the images on which every grader drew something",
        "num_samples": "the first n samples of each image",
        "scores": {name: info.convention for name, info in metrics.SCORES.items()},
    }


def _group(group: Group) -> dict[str, Any]:
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
    writer.writerow(["name", "patient", "graders", "graders_who_drew", "samples", *names])
    for n, values in scores.by_num_samples.items():
        columns = [getattr(values, name) for name in names]
        for b, image in enumerate(scores.names):
            numbers = ["" if np.isnan(column[b]) else repr(float(column[b])) for column in columns]
            row = [image, scores.patients[b], scores.num_graders[b], scores.num_drawn[b], n]
            writer.writerow([*row, *numbers])
    return file.getvalue()
