"""Report of a survey as text for the terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence

from hpunet.cli.tables import INDENT, number, paragraph, percent, short, some, table
from hpunet.data.folder.faults import Fault, by_kind
from hpunet.data.folder.patients import SPLITS
from hpunet.data.folder.statistics import ChannelStatistics
from hpunet.data.intensities import BYTES
from hpunet.inspection.agreement import Agreement
from hpunet.inspection.counts import RunningMean
from hpunet.inspection.proposal import Proposal, as_word
from hpunet.inspection.survey import Survey

PERCENTILES = (0.5, 50.0, 99.5)
# With more distinct numbers of annotators, their range is printed.
MOST_NUMBERS = 6
# With more annotators, a matrix is wider than a terminal.
MOST_ANNOTATORS = 8
EXTREME_PAIRS = 5
# Kinds of faults that are printed.
MOST_KINDS = 30


def as_text(survey: Survey, crop: int | tuple[int, int], proposal: Proposal | None) -> str:
    """Statistics, proposal and faults as text.

    Args:
        survey: Survey of the data set.
        crop: Configured crop in pixels, one number or (height, width).
        proposal: Proposal, or None without valid examples.
    """
    parts = [_heading(survey)]
    if proposal is not None:
        parts += [
            f"Splits\n\n{splits_table(survey)}",
            f"Annotators\n\n{annotators_table(survey)}",
            f"Classes\n\n{classes_table(survey)}",
            f"Sizes, height x width in pixels\n\n{sizes_table(survey, crop)}",
            f"Intensities, as stored\n\n{intensities_table(survey)}",
            *agreement_tables(survey.agreement, survey.reader.class_names),
            "\n\n".join(["Proposal", *_proposal(proposal)]),
        ]
    if survey.notes:
        parts.append("\n".join(paragraph(f"note: {note}", "") for note in survey.notes))
    if survey.faults:
        parts.append(f"Faults, one line for each kind\n\n{_faults(survey.faults)}")
    return "\n\n".join(parts)


def splits_table(survey: Survey) -> str:
    """Table of images, patients and annotations of each split."""
    known = survey.reader.patients_known
    rows = []
    for name in SPLITS:
        if name not in survey.counts.splits:
            rows.append([name, "0", "0", "0", "-"])
            continue
        split = survey.counts.splits[name]
        rows.append(
            [
                name,
                f"{split.images:,}",
                f"{len(split.patients):,}" if known else "not known",
                f"{split.annotations:,}",
                _by_number(split.by_annotators),
            ]
        )
    header = ["split", "images", "patients", "annotations", "images by number of annotators"]
    text = table(header, rows, (4,))
    files = sum(len(split.files) for split in survey.counts.splits.values())
    if files < survey.counts.images:
        text += f"\n\n{INDENT}images are slices of {some(files, 'file')}"
    if survey.reader.num_unannotated:
        text += f"\n\n{INDENT}skipped images without annotations: {survey.reader.num_unannotated:,}"
    return text


def annotators_table(survey: Survey) -> str:
    """Table of annotators, which distinguishes empty masks from absent masks."""
    header = ["annotator", "annotated", "of these empty", "absent", "marked pixels", "ignored"]
    rows = [
        [
            name,
            f"{annotator.annotated:,}",
            f"{annotator.empty:,}",
            f"{survey.counts.absent(name):,}",
            percent(annotator.marked.value),
            percent(annotator.ignored.value),
        ]
        for name, annotator in sorted(survey.counts.annotators.items())
    ]
    legend = (
        "empty: the mask has no foreground; absent: there is no mask, so the annotator did not "
        "annotate the image. Shares of pixels are means over annotated images, including empty ones"
    )
    return f"{table(header, rows)}\n\n{paragraph(legend)}"


def classes_table(survey: Survey) -> str:
    """Table of the frequency of each class over all annotations."""
    counts = survey.counts
    names = survey.reader.class_names
    counting = max(1, int(counts.pixels[: len(names)].sum()))
    total = sum(split.annotations for split in counts.splits.values())
    rows = [
        [
            name,
            percent(int(counts.pixels[label]) / counting),
            f"{counts.occurrences[label]:,} of {total:,}",
        ]
        for label, name in enumerate(names)
    ]
    text = table(["class", "pixels", "annotations with it"], rows)
    missing = ", ".join(name for n, name in enumerate(names) if not counts.occurrences[n])
    if missing:
        text += f"\n\n{paragraph(f'never annotated: {missing}')}"
    return text


def sizes_table(survey: Survey, crop: int | tuple[int, int]) -> str:
    """Table of the smallest, median and largest size by area.

    Args:
        survey: Survey of the data set.
        crop: Configured crop in pixels, one number or (height, width).
    """
    ordered = survey.shapes.ordered
    crop_size = crop if isinstance(crop, int) else "{} x {}".format(*crop)
    header = ["smallest", "median", "largest", "different sizes", f"smaller than crop {crop_size}"]
    smallest, median, largest = (
        f"{height} x {width}"
        for height, width in (ordered[0], ordered[len(ordered) // 2], ordered[-1])
    )
    smaller = survey.shapes.smaller_than(crop)
    row = [smallest, median, largest, f"{len(survey.shapes.sizes):,}", f"{smaller:,}"]
    text = table(header, [row])
    if smaller:
        text += (
            f"\n\n{INDENT}images smaller than the crop are padded to it; padded pixels are ignored"
        )
    return text


def intensities_table(survey: Survey) -> str:
    """Table of the values of each split and channel, and the intensity window."""
    names = ["min", *(f"{p:g} %" for p in PERCENTILES), "max", "mean", "deviation"]
    rows = [
        [split, str(index), *map(short, _summary(channel))]
        for split, statistics in survey.values.items()
        for index, channel in enumerate(statistics.channels)
    ]
    text = table(["split", "channel", *names], rows)
    return f"{text}\n\n{INDENT}{_intensity_window(survey)}"


def agreement_tables(agreement: Agreement, class_names: Sequence[str]) -> Iterator[str]:
    """Tables of pairs of annotators, single annotators and classes; none without pairs.

    Args:
        agreement: Agreement over all images.
        class_names: Names of all classes.
    """
    if not agreement.pairs:
        return
    pairs = _matrix(agreement) if len(agreement.alone) <= MOST_ANNOTATORS else _extremes(agreement)
    yield f"Agreement: mean IoU of the foreground (number of images annotated by both)\n\n{pairs}"
    rows = [_mean_row(name, mean) for name, mean in sorted(agreement.alone.items())]
    text = table(["annotator", "GED² to the others", "images"], rows)
    yield f"Mask of each annotator against the masks of all other annotators\n\n{text}"
    if agreement.classes:
        rows = [_mean_row(class_names[label], mean) for label, mean in agreement.classes.items()]
        text = table(["class", "mean IoU", "pairs with it"], rows)
        yield f"Agreement by class, over pairs of annotators of whom one has the class\n\n{text}"


def _heading(survey: Survey) -> str:
    if not survey.has_examples:
        return f"{survey.reader.name}: no valid image"
    counts = survey.counts
    patients = {name for split in counts.splits.values() for name in split.patients}
    of = f" of {some(len(patients), 'patient')}" if survey.reader.patients_known else ""
    images = some(counts.images, "valid image" if survey.faults else "image")
    by = some(len(counts.annotators), "annotator")
    return f"{survey.reader.name}: {images}{of}, annotated by {by}"


def _by_number(images: Counter[int]) -> str:
    if len(images) > MOST_NUMBERS:
        ordered = sorted(images.elements())
        median = ordered[len(ordered) // 2]
        return f"{ordered[0]} to {ordered[-1]} annotators, median {median}"
    return ", ".join(f"{images[n]:,} by {n}" for n in sorted(images))


def _summary(channel: ChannelStatistics) -> tuple[float, ...]:
    inner = channel.percentiles(PERCENTILES)
    return channel.low, *inner, channel.high, channel.mean, channel.deviation


def _intensity_window(survey: Survey) -> str:
    if survey.intensities is None:
        return "intensity window: unknown, see the faults"
    if survey.intensities == BYTES:
        return "intensity window: 0 to 255 becomes 0 to 1"
    if survey.intensities.clip:
        return f"intensity window: {survey.intensities.text} becomes 0 to 1"
    return f"intensities are standardised: {survey.intensities.text}"


def _mean_row(name: str, mean: RunningMean) -> list[str]:
    return [name, number(mean.value), f"{mean.count:,}"]


def _matrix(agreement: Agreement) -> str:
    names = sorted(agreement.alone)
    rows = []
    for first in names:
        cells = []
        for second in names:
            mean = agreement.pairs.get((min(first, second), max(first, second)))
            cells.append(f"{number(mean.value)} ({mean.count:,})" if mean else "-")
        rows.append([first, *cells])
    return table(["", *names], rows)


def _extremes(agreement: Agreement) -> str:
    ordered = sorted(agreement.pairs.items(), key=lambda item: (-item[1].value, item[0]))
    best, worst = ordered[:EXTREME_PAIRS], ordered[EXTREME_PAIRS:][-EXTREME_PAIRS:]
    rows = [
        [title if n == 0 else "", " and ".join(pair), f"{number(mean.value)} ({mean.count:,})"]
        for title, pairs in (("best", best), ("worst", worst))
        for n, (pair, mean) in enumerate(pairs)
    ]
    return table(["", "annotators", "IoU"], rows, (1,))


def _proposal(proposal: Proposal) -> Iterator[str]:
    if proposal.refused:
        yield paragraph(f"training is not possible as configured: {proposal.refused}")
    differing = proposal.differing
    for key, choice in proposal.choices.items():
        state = f"configured: {as_word(proposal.now[key])}" if key in differing else "as configured"
        text = paragraph(choice.reason, INDENT * 2)
        yield f"{INDENT}{key}={as_word(choice.value)}  ({state})\n{text}"
    if differing:
        yield f"{INDENT}flags to copy:\n{INDENT}{proposal.flags}"
    else:
        yield f"{INDENT}the configuration already matches the proposal"


def _faults(faults: Sequence[Fault]) -> str:
    kinds = by_kind(faults)
    shown = kinds[:MOST_KINDS]
    width = max(len(kind.first.file) for kind in shown)
    count_width = max(len("count"), *(len(f"{kind.number:,}") for kind in shown))
    lines = [f"{'count':>{count_width}}  {'file'.ljust(width)}  problem"]
    lines += [
        f"{kind.number:>{count_width},}  {kind.first.file.ljust(width)}  {kind.problem}"
        for kind in shown
    ]
    if len(kinds) > len(shown):
        rest = sum(kind.number for kind in kinds[MOST_KINDS:])
        lines.append(f"and {rest:,} faults of {len(kinds) - len(shown)} other kinds")
    return "\n".join(f"{INDENT}{line}" for line in lines)
