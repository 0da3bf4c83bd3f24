"""Reports of a survey as JSON, and of its faults as CSV."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from hpunet.data.folder.faults import Fault, by_kind
from hpunet.inspection.agreement import Agreement
from hpunet.inspection.counts import RunningMean
from hpunet.inspection.proposal import Proposal
from hpunet.inspection.survey import Survey
from hpunet.inspection.text_report import PERCENTILES


def as_json(
    survey: Survey, crop: int | tuple[int, int], proposal: Proposal | None
) -> dict[str, Any]:
    """Statistics, proposal and faults as JSON values; null replaces NaN.

    Args:
        survey: Survey of the data set.
        crop: Configured crop in pixels, one number or (height, width).
        proposal: Proposal, or None without valid examples.
    """
    return {
        "data": survey.reader.name,
        "images": survey.counts.images,
        "left_out": survey.reader.num_unannotated,
        "patients_known": survey.reader.patients_known,
        "splits": _splits(survey),
        "annotators": _annotators(survey),
        "classes": _classes(survey),
        "sizes": _sizes(survey, crop) if survey.has_examples else None,
        "intensities": _intensities(survey),
        "agreement": _agreement(survey.agreement, survey.reader.class_names),
        "proposal": None if proposal is None else _proposal(proposal),
        "notes": list(survey.notes),
        "faults": [fault._asdict() for fault in survey.faults],
        "fault_kinds": [
            {"count": kind.number, "problem": kind.first.problem, "files": kind.files}
            for kind in by_kind(survey.faults)
        ],
    }


def as_csv(faults: Sequence[Fault]) -> str:
    """Table of faults with a header, as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([Fault._fields, *faults])
    return file.getvalue()


def _splits(survey: Survey) -> dict[str, Any]:
    return {
        name: {
            "images": split.images,
            "files": len(split.files),
            "patients": len(split.patients),
            "annotations": split.annotations,
            "images_by_annotators": {str(n): split.by_annotators[n] for n in split.by_annotators},
        }
        for name, split in survey.counts.splits.items()
    }


def _annotators(survey: Survey) -> dict[str, Any]:
    return {
        name: {
            "annotated": counted.annotated,
            "empty": counted.empty,
            "absent": survey.counts.absent(name),
            "marked_share": _finite(counted.marked.value),
            "ignored_share": _finite(counted.ignored.value),
        }
        for name, counted in sorted(survey.counts.annotators.items())
    }


def _classes(survey: Survey) -> list[dict[str, Any]]:
    counts = survey.counts
    return [
        {
            "name": name,
            "pixels": int(counts.pixels[label]),
            "annotations": int(counts.occurrences[label]),
        }
        for label, name in enumerate(survey.reader.class_names)
    ]


def _sizes(survey: Survey, crop: int | tuple[int, int]) -> dict[str, Any]:
    ordered = survey.shapes.ordered
    return {
        "smallest": ordered[0],
        "median": ordered[len(ordered) // 2],
        "largest": ordered[-1],
        "smaller_than_crop": survey.shapes.smaller_than(crop),
        "images": [
            {"height": height, "width": width, "images": count}
            for (height, width), count in sorted(survey.shapes.sizes.items())
        ],
        "marked_extent": _finite(survey.shapes.extent),
        "part_extent": _finite(survey.shapes.part_extent),
        "part_length": _finite(survey.shapes.part_length),
        "part_thickness": _finite(survey.shapes.part_thickness),
        "disputed_side": _finite(survey.shapes.disputed_side),
        "disputed_width": _finite(survey.shapes.disputed_width),
    }


def _intensities(survey: Survey) -> dict[str, Any]:
    window = survey.intensities
    channels = {
        split: [
            {
                "min": channel.low,
                "percentiles": dict(
                    zip(map(str, PERCENTILES), channel.percentiles(PERCENTILES), strict=True)
                ),
                "max": channel.high,
                "mean": channel.mean,
                "deviation": channel.deviation,
            }
            for channel in statistics.channels
        ]
        for split, statistics in survey.values.items()
    }
    return {"channels": channels, "become_0_and_1": window and window._asdict()}


def _agreement(agreement: Agreement, class_names: Sequence[str]) -> dict[str, Any]:
    return {
        "iou": [
            {"annotators": pair, **_mean(mean)} for pair, mean in sorted(agreement.pairs.items())
        ],
        "ged_alone": {name: _mean(mean) for name, mean in sorted(agreement.alone.items())},
        "iou_by_class": {
            class_names[label]: {"mean": _finite(mean.value), "pairs": mean.count}
            for label, mean in agreement.classes.items()
        },
    }


def _mean(mean: RunningMean) -> dict[str, Any]:
    return {"mean": _finite(mean.value), "images": mean.count}


def _proposal(proposal: Proposal) -> dict[str, Any]:
    return {
        "values": {key: choice.value for key, choice in proposal.choices.items()},
        "reasons": {key: choice.reason for key, choice in proposal.choices.items()},
        "configured": dict(proposal.now),
        "differing": proposal.differing,
        "configured_is_refused": proposal.refused or None,
        "flags": proposal.flags,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
