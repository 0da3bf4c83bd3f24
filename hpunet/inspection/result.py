"""A survey as JSON, and faults as CSV."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from hpunet.data.folder.faults import Fault
from hpunet.inspection.agreement import Agreement
from hpunet.inspection.mean import Mean
from hpunet.inspection.proposal import Proposal
from hpunet.inspection.survey import Survey
from hpunet.inspection.tables import PERCENTILES


def as_json(found: Survey, crop: int, proposal: Proposal | None) -> dict[str, Any]:
    """All that was counted, what is proposed and what is wrong; null where there is no number.

    Args:
        found: What was counted.
        crop: As configured.
        proposal: None if there is nothing sound.
    """
    return {
        "data": found.material.name,
        "images": found.counts.images,
        "left_out": found.material.left_out,
        "patients_known": found.material.patients_known,
        "splits": _splits(found),
        "annotators": _annotators(found),
        "classes": _classes(found),
        "sizes": _sizes(found, crop) if found.anything else None,
        "intensities": _intensities(found),
        "agreement": _agreement(found.agreement, found.material.class_names),
        "proposal": None if proposal is None else _proposal(proposal),
        "notes": list(found.notes),
        "faults": [fault._asdict() for fault in found.faults],
    }


def as_csv(faults: Sequence[Fault]) -> str:
    """A table of faults with a header."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([Fault._fields, *faults])
    return file.getvalue()


def _splits(found: Survey) -> dict[str, Any]:
    return {
        name: {
            "images": split.images,
            "files": len(split.files),
            "patients": len(split.patients),
            "annotations": split.annotations,
            "images_by_annotators": {str(n): split.by_annotators[n] for n in split.by_annotators},
        }
        for name, split in found.counts.splits.items()
    }


def _annotators(found: Survey) -> dict[str, Any]:
    return {
        name: {
            "annotated": counted.annotated,
            "empty": counted.empty,
            "absent": found.counts.absent(name),
            "marked_share": _finite(counted.marked.value),
            "ignored_share": _finite(counted.ignored.value),
        }
        for name, counted in sorted(found.counts.annotators.items())
    }


def _classes(found: Survey) -> list[dict[str, Any]]:
    counts = found.counts
    return [
        {
            "name": name,
            "pixels": int(counts.pixels[label]),
            "annotations": int(counts.occurrences[label]),
        }
        for label, name in enumerate(found.material.class_names)
    ]


def _sizes(found: Survey, crop: int) -> dict[str, Any]:
    ordered = found.shapes.ordered
    return {
        "smallest": ordered[0],
        "median": ordered[len(ordered) // 2],
        "largest": ordered[-1],
        "smaller_than_crop": found.shapes.smaller_than(crop),
        "images": [
            {"height": height, "width": width, "images": count}
            for (height, width), count in sorted(found.shapes.sizes.items())
        ],
        "marked_extent": _finite(found.shapes.extent),
        "disputed_side": _finite(found.shapes.disputed_side),
    }


def _intensities(found: Survey) -> dict[str, Any]:
    become = found.intensities
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
        for split, statistics in found.values.items()
    }
    return {"channels": channels, "become_0_and_1": become and become._asdict()}


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


def _mean(mean: Mean) -> dict[str, Any]:
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
