"""Results as text for the terminal."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from hpunet import metrics
from hpunet.cli.tables import number, table
from hpunet.evaluation.estimates import ALL, CALIBRATION_ERROR, SUBSET_B, ImageGroup
from hpunet.evaluation.published import PUBLISHED_SAMPLES, Comparison
from hpunet.evaluation.scoring import ImageScores, NotScored
from hpunet.evaluation.scoring_set import ScoringSet
from hpunet.io.errors import first_names
from hpunet.metrics.bootstrap import MIN_PATIENTS

# The scores in the table by groups of images, and whether each has an interval.
GROUPED = {"ged": True, "hungarian_iou": True, "reconstruction_iou": False}
# Images that could not be scored, in the terminal.
MOST_LISTED = 20
ARROWS = {"lower": "↓", "higher": "↑", "": " "}


def as_text(
    estimated: Mapping[str, ImageGroup],
    level: float,
    patients_known: bool = True,
    notes: Sequence[str] = (),
) -> str:
    """Formats scores by number of samples, and by how many annotators drew something.

    Args:
        estimated: Means and intervals by group.
        level: Confidence level of the intervals.
        patients_known: Whether the patient of every image is known.
        notes: Notes on the scores for the reader.
    """
    every = estimated[ALL]
    most = max(every.scores)
    means = f"Means over images; [{level:.0%} intervals by bootstrap over patients]"
    by_group = f"By how many annotators drew something, {most} samples"
    return "\n\n".join(
        [
            f"{means}\n\n{_by_num_samples(every)}",
            *_undefined(every, most),
            *(f"  {note}" for note in notes),
            f"{by_group}\n\n{_by_group(estimated, most)}",
            *_warnings(estimated, patients_known),
        ]
    )


def heading(scoring_set: ScoringSet, scores: ImageScores) -> str:
    """Formats the title, and the numbers of images, patients and annotators."""
    images, patients = len(scores.names), len(set(scores.patients))
    counts = Counter(scores.num_annotators.tolist())
    annotators = ", ".join(f"{n} on {count:,}" for n, count in sorted(counts.items()))
    if len(counts) == 1:
        annotators = str(scores.num_annotators[0])
    return (
        f"{scoring_set.title}\n{_images(images)} of {patients:,} "
        f"{'patient' if patients == 1 else 'patients'}; annotators per image: {annotators}"
    )


def not_scored_text(images: Sequence[NotScored]) -> str:
    """Lists the images that are not scored, by their reasons; empty without any."""
    if not images:
        return ""
    names: dict[str, list[str]] = {}
    for image in images:
        names.setdefault(image.problem, []).append(image.name)
    lines = [f"\n  {_listed(those)}: {problem}" for problem, those in names.items()]
    more = len(lines) - MOST_LISTED
    rest = f"\n  and {more:,} more lines, in the JSON file of --out" if more > 0 else ""
    return f"warning: not scored: {_images(len(images))}{''.join(lines[:MOST_LISTED])}{rest}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{first_names(names)} ({_images(len(names))})"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _undefined(group: ImageGroup, num_samples: int) -> Iterator[str]:
    """Yields a line about the scores that are undefined on some images."""
    estimates = group.scores[num_samples].items()
    fewer = [
        f"{metrics.SCORES[name].label} {estimate.num_images:,}"
        for name, estimate in estimates
        if 0 < estimate.num_images < group.num_images
    ]
    if fewer:
        yield f"  Undefined on some images; number of images in the mean: {', '.join(fewer)}"


def _warnings(estimated: Mapping[str, ImageGroup], patients_known: bool) -> Iterator[str]:
    if any(group.num_patients < MIN_PATIENTS for group in estimated.values()):
        yield f"  No intervals for fewer than {MIN_PATIENTS} patients: they would be too narrow"
    if not patients_known:
        yield (
            "warning: the patients are unknown: each image counts as its own patient, and\n"
            "intervals are too narrow if several images show one patient"
        )
    if set(estimated) == {ALL, "drawn_by_0"}:
        yield "warning: no annotation marks a class that is scored"


def comparison_text(comparison: Comparison, estimated: Mapping[str, ImageGroup]) -> str:
    """Returns published scores with those of this result, and warnings; empty without any."""
    parts = []
    if comparison.rows:
        parts.append(
            f"Published, {PUBLISHED_SAMPLES} samples\n\n{_published(comparison, estimated)}"
        )
    if comparison.warnings:
        reasons = "".join(f"\n  - {text}" for text in comparison.warnings)
        parts.append(f"warning: not compared with published scores{reasons}")
    return "\n\n".join(parts)


def _by_num_samples(group: ImageGroup) -> str:
    numbers = sorted(group.scores)
    header = ["samples per image", *map(str, numbers)]
    rows = [
        [
            f"{info.label} {ARROWS[info.better]}",
            *(number(group.scores[n][name].value, _digits(name)) for n in numbers[:-1]),
            _with_interval(group.scores[numbers[-1]][name], _digits(name)),
        ]
        for name, info in metrics.SCORES.items()
        if any(math.isfinite(group.scores[n][name].value) for n in numbers)
    ]
    return table(header, rows)


def _by_group(estimated: Mapping[str, ImageGroup], num_samples: int) -> str:
    names = [
        name for name in GROUPED if math.isfinite(estimated[ALL].scores[num_samples][name].value)
    ]
    labels = [metrics.SCORES[name].label for name in names]
    rows = [["drawn by", "images", "patients", *labels]]
    for name, group in sorted(estimated.items(), key=lambda item: item[0] == SUBSET_B):
        if name == ALL:
            continue
        title = "all (subset B)" if name == SUBSET_B else name.removeprefix("drawn_by_")
        estimates = {score: group.scores[num_samples][score] for score in names}
        scores = [
            _with_interval(estimate) if GROUPED[score] else number(estimate.value)
            for score, estimate in estimates.items()
        ]
        rows.append([title, f"{group.num_images:,}", f"{group.num_patients:,}", *scores])
    return table(rows[0], rows[1:])


def _published(comparison: Comparison, estimated: Mapping[str, ImageGroup]) -> str:
    rows = [["", "GED²", "HM-IoU", "HM-IoU, B", "IoU_rec", "measured by"]]
    for row in comparison.rows:
        rows.append(
            [
                row.method,
                *(
                    value or "-"
                    for value in (
                        row.ged,
                        row.hungarian_iou,
                        row.hungarian_iou_b,
                        row.reconstruction_iou,
                    )
                ),
                row.source,
            ]
        )
    every, subset_b = estimated[ALL].scores[PUBLISHED_SAMPLES], estimated.get(SUBSET_B)
    in_b = subset_b.scores[PUBLISHED_SAMPLES]["hungarian_iou"] if subset_b else None
    own = [every["ged"], every["hungarian_iou"], in_b, every["reconstruction_iou"]]
    rows.append(["this result", *("-" if e is None else number(e.value) for e in own), ""])
    return f"{table(rows[0], rows[1:])}\n\n  ± is the spread over several trainings"


def _digits(score: str) -> int:
    # Almost all models are certain of most background pixels, so this error is small.
    return 4 if score == CALIBRATION_ERROR else 3


def _with_interval(estimate: metrics.Estimate, digits: int = 3) -> str:
    value, low, high = (number(x, digits) for x in estimate[:3])
    return f"{value} [{low}, {high}]" if estimate.is_interval_reliable else value
