"""What a user should know of a folder before training on it."""

import pathlib
from collections.abc import Sequence

SINGLE = (
    "every image has a single annotation. From how annotations differ between images that look "
    "alike, the network can still learn a distribution; whether annotators of one image would "
    "differ in that way, nothing in these data can tell. GED² and HM-IoU compare samples with that "
    "one annotation alone, so that they cannot tell it either"
)
FEW = (
    "{single} of {total} annotated images have a single annotation, which says nothing of how "
    "annotators of one image differ"
)
UNKNOWN = (
    "the patients of the images are not known: each counts as its own, and if several are of one, "
    "splits share patients and scores are too good; folders below images, data.folder.patient or a "
    "table say whose they are"
)
LEFT_OUT = "left out, as nobody annotated them: {count} of {total} images"

OTHERS = "passed over, as their formats are not read: {count} files, the first of them {first}"


def notes_of(
    annotators: Sequence[int],
    patients_known: bool,
    left_out: int,
    others: Sequence[pathlib.Path] = (),
) -> tuple[str, ...]:
    """Plain statements, the weightiest first.

    Args:
        annotators: How many annotations each example has.
        patients_known: Whether the patient of every image is.
        left_out: Images without annotations.
        others: Files of formats that are not read.
    """
    single = sum(count == 1 for count in annotators)
    notes = []
    if single == len(annotators):
        notes.append(SINGLE)
    elif single:
        notes.append(FEW.format(total=len(annotators), single=single))
    if not patients_known:
        notes.append(UNKNOWN)
    if left_out:
        notes.append(LEFT_OUT.format(count=left_out, total=left_out + len(annotators)))
    if others:
        notes.append(OTHERS.format(count=len(others), first=others[0]))
    return tuple(notes)
