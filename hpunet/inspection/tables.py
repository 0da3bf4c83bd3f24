"""What was counted of images, annotators, classes, sizes and values, as tables."""

from collections import Counter

from hpunet.cli.tables import INDENT, paragraph, percent, short, some, table
from hpunet.data.folder.statistics import ChannelStatistics
from hpunet.data.intensities import BYTES
from hpunet.inspection.survey import SPLITS, Survey

# More numbers of annotators are summed up.
MOST_NUMBERS = 6
PERCENTILES = (0.5, 50.0, 99.5)


def splits(found: Survey) -> str:
    """Images, patients and annotations of each."""
    known = found.material.patients_known
    rows = []
    for name in SPLITS:
        if name not in found.counts.splits:
            rows.append([name, "0", "0", "0", "-"])
            continue
        split = found.counts.splits[name]
        rows.append(
            [
                name,
                f"{split.images:,}",
                f"{len(split.patients):,}" if known else "not known",
                f"{split.annotations:,}",
                _by_number(split.by_annotators),
            ]
        )
    text = table(
        ["split", "images", "patients", "annotations", "images by number of annotators"], rows, (4,)
    )
    files = sum(len(split.files) for split in found.counts.splits.values())
    if files < found.counts.images:
        text += f"\n\n{INDENT}images are slices of {some(files, 'file')}"
    if found.material.left_out:
        text += f"\n\n{INDENT}left out, as nobody annotated them: {found.material.left_out:,}"
    return text


def _by_number(images: Counter[int]) -> str:
    if len(images) > MOST_NUMBERS:
        ordered = sorted(images.elements())
        middle = ordered[len(ordered) // 2]
        return f"{ordered[0]} to {ordered[-1]} annotators, mostly about {middle}"
    return ", ".join(f"{images[n]:,} by {n}" for n in sorted(images))


def annotators(found: Survey) -> str:
    """What each of them did; who did not look is told from who marked nothing."""
    header = ["annotator", "annotated", "of these empty", "absent", "marked pixels", "ignored"]
    rows = [
        [
            name,
            f"{counted.annotated:,}",
            f"{counted.empty:,}",
            f"{found.counts.absent(name):,}",
            percent(counted.marked.value),
            percent(counted.ignored.value),
        ]
        for name, counted in sorted(found.counts.annotators.items())
    ]
    legend = (
        "empty: looked and marked nothing; absent: there is no mask, so did not look. Shares of "
        "pixels are means over the images annotated, empty ones included"
    )
    return f"{table(header, rows)}\n\n{paragraph(legend)}"


def classes(found: Survey) -> str:
    """How often each occurs, over all annotations."""
    counts = found.counts
    names = found.material.class_names
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
    text = table(["class", "pixels", "annotations that have it"], rows)
    nowhere = ", ".join(name for n, name in enumerate(names) if not counts.occurrences[n])
    if nowhere:
        text += f"\n\n{paragraph(f'occurs nowhere: {nowhere}')}"
    return text


def sizes(found: Survey, crop: int) -> str:
    """The smallest, the middle one and the largest by area.

    Args:
        found: What was counted.
        crop: As configured.
    """
    ordered = found.shapes.ordered
    header = ["smallest", "median", "largest", "different sizes", f"smaller than crop {crop}"]
    smallest, median, largest = (
        f"{height} x {width}"
        for height, width in (ordered[0], ordered[len(ordered) // 2], ordered[-1])
    )
    smaller = found.shapes.smaller_than(crop)
    row = [smallest, median, largest, f"{len(found.shapes.sizes):,}", f"{smaller:,}"]
    text = table(header, [row])
    if smaller:
        text += (
            f"\n\n{INDENT}images smaller than the crop are padded to it; what is added is ignored"
        )
    return text


def intensities(found: Survey) -> str:
    """Values of each split and channel, and what becomes of them."""
    names = ["min", *(f"{p:g} %" for p in PERCENTILES), "max", "mean", "deviation"]
    rows = [
        [split, str(place), *map(short, _values(channel))]
        for split, statistics in found.values.items()
        for place, channel in enumerate(statistics.channels)
    ]
    text = table(["split", "channel", *names], rows)
    return f"{text}\n\n{INDENT}{_mapping(found)}"


def _values(channel: ChannelStatistics) -> tuple[float, ...]:
    inner = channel.percentiles(PERCENTILES)
    return channel.low, *inner, channel.high, channel.mean, channel.deviation


def _mapping(found: Survey) -> str:
    if found.intensities is None:
        return "which values become 0 and 1 cannot be said: see the faults"
    if found.intensities == BYTES:
        return "become 0 and 1: 0 and 255"
    if found.intensities.clip:
        return f"become 0 and 1: {found.intensities.text}"
    return f"become 0 and 1: the mean and one deviation above it; {found.intensities.text}"
