"""A survey as text for the terminal."""

from collections.abc import Iterator, Sequence

from hpunet.cli.tables import INDENT, paragraph, some
from hpunet.data.folder.faults import Fault
from hpunet.inspection.agreement_text import agreement_tables
from hpunet.inspection.proposal import Proposal, as_word
from hpunet.inspection.survey import Survey
from hpunet.inspection.tables import annotators, classes, intensities, sizes, splits


def as_text(found: Survey, crop: int, proposal: Proposal | None) -> str:
    """All that was counted, what is proposed and what is wrong.

    Args:
        found: What was counted.
        crop: As configured.
        proposal: None if there is nothing sound.
    """
    parts = [_heading(found)]
    if proposal is not None:
        parts += [
            f"Splits\n\n{splits(found)}",
            f"Annotators\n\n{annotators(found)}",
            f"Classes\n\n{classes(found)}",
            f"Sizes, height x width in pixels\n\n{sizes(found, crop)}",
            f"Intensities, as stored\n\n{intensities(found)}",
            *agreement_tables(found.agreement, found.material.class_names),
            "\n\n".join(["Proposal", *_proposal(proposal)]),
        ]
    if found.notes:
        parts.append("\n".join(paragraph(f"note: {note}", "") for note in found.notes))
    if found.faults:
        parts.append(f"Faults\n\n{_faults(found.faults)}")
    return "\n\n".join(parts)


def _heading(found: Survey) -> str:
    if not found.anything:
        return f"{found.material.name}: no sound image"
    counts = found.counts
    patients = {name for split in counts.splits.values() for name in split.patients}
    of = f" of {some(len(patients), 'patient')}" if found.material.patients_known else ""
    images = some(counts.images, "sound image" if found.faults else "image")
    by = some(len(counts.annotators), "annotator")
    return f"{found.material.name}: {images}{of}, annotated by {by}"


def _proposal(proposal: Proposal) -> Iterator[str]:
    if proposal.refused:
        yield paragraph(f"as configured, nothing can be trained: {proposal.refused}")
    differing = proposal.differing
    for key, choice in proposal.choices.items():
        now = f"now {as_word(proposal.now[key])}" if key in differing else "as it is"
        text = paragraph(choice.reason, INDENT * 2)
        yield f"{INDENT}{key}={as_word(choice.value)}  ({now})\n{text}"
    if differing:
        yield f"{INDENT}to paste:\n{INDENT}{proposal.flags}"
    else:
        yield f"{INDENT}the configuration is as proposed already"


def _faults(faults: Sequence[Fault]) -> str:
    width = max(len(fault.file) for fault in faults)
    lines = [("file", "problem"), *faults]
    return "\n".join(f"{INDENT}{file.ljust(width)}  {problem}" for file, problem in lines)
