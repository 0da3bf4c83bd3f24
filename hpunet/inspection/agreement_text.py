"""How far annotators agree, as tables."""

from collections.abc import Iterator, Sequence

from hpunet.cli.tables import number, table
from hpunet.inspection.agreement import Agreement
from hpunet.inspection.mean import Mean

# With more, a matrix is wider than a terminal.
MOST_ANNOTATORS = 8
SHOWN_PAIRS = 5


def agreement_tables(agreement: Agreement, class_names: Sequence[str]) -> Iterator[str]:
    """Pairs, annotators alone and, if there are several, classes; nothing where nobody can agree.

    Args:
        agreement: Of all images.
        class_names: Of all classes.
    """
    if not agreement.pairs:
        return
    pairs = _matrix(agreement) if len(agreement.alone) <= MOST_ANNOTATORS else _extremes(agreement)
    yield f"Agreement: mean IoU of the foreground (images that both annotated)\n\n{pairs}"
    rows = [_row(name, mean) for name, mean in sorted(agreement.alone.items())]
    text = table(["annotator", "GED² to the others", "images"], rows)
    yield f"Each annotator's mask alone against the masks of all others of the image\n\n{text}"
    if agreement.classes:
        rows = [_row(class_names[label], mean) for label, mean in agreement.classes.items()]
        text = table(["class", "mean IoU", "pairs that have it"], rows)
        yield f"Agreement by class, of two annotators of whom at least one has it\n\n{text}"


def _row(name: str, mean: Mean) -> list[str]:
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
    best, worst = ordered[:SHOWN_PAIRS], ordered[SHOWN_PAIRS:][-SHOWN_PAIRS:]
    rows = [
        [title if n == 0 else "", " and ".join(pair), f"{number(mean.value)} ({mean.count:,})"]
        for title, pairs in (("best", best), ("worst", worst))
        for n, (pair, mean) in enumerate(pairs)
    ]
    return table(["", "annotators", "IoU"], rows, (1,))
