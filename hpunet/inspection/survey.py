"""Everything that is counted while a data set is read once."""

import dataclasses
from collections.abc import Callable

from hpunet.data.folder.faults import Fault
from hpunet.data.folder.splits import SPLITS
from hpunet.data.folder.statistics import ValueStatistics
from hpunet.data.intensities import Intensities
from hpunet.inspection.agreement import Agreement
from hpunet.inspection.counts import Counts
from hpunet.inspection.material import TRAIN, Example, Material
from hpunet.inspection.mean import Mean
from hpunet.inspection.proposal import Facts
from hpunet.inspection.shapes import Shapes
from hpunet.inspection.shown import Shown
from hpunet.io.errors import UserError


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        material: What was read.
        counts: Images, annotators, classes.
        shapes: Sizes, and the extents of what is marked.
        values: Of the images, by split.
        agreement: Of annotators.
        shown: What the contact sheet shows.
        intensities: Which values become 0 and 1, or None where that cannot be said.
        notes: What a user should know.
        faults: All of them.
    """

    material: Material
    counts: Counts
    shapes: Shapes
    values: dict[str, ValueStatistics]
    agreement: Agreement
    shown: Shown
    intensities: Intensities | None
    notes: tuple[str, ...]
    faults: list[Fault]

    @property
    def anything(self) -> bool:
        """Whether any example is sound."""
        return self.counts.images > 0

    def facts(self, any_size: bool) -> Facts:
        """What a proposal follows from.

        Args:
            any_size: Whether the images may have any size.
        """
        marked = Mean()
        for annotator in self.counts.annotators.values():
            marked.total += annotator.marked.total
            marked.count += annotator.marked.count
        train = self.counts.splits.get(TRAIN)
        return Facts(
            side=self.shapes.usual_side if any_size else self.shapes.least_side,
            long_side=max(self.shapes.ordered[len(self.shapes.ordered) // 2]),
            extent=self.shapes.extent,
            disputed_side=self.shapes.disputed_side,
            marked_share=marked.value,
            images=train.images if train else 0,
            any_size=any_size,
        )


def survey(material: Material) -> Survey:
    """Reads everything once and counts.

    Args:
        material: What to read.
    """
    counts, shapes = Counts(), Shapes()
    agreement, shown = Agreement(len(material.class_names)), Shown(material.files)
    values = {split: ValueStatistics() for split in SPLITS}
    adding: list[Callable[[Example], None]] = [counts.add, shapes.add, agreement.add, shown.add]
    for example in material.read():
        for add in adding:
            add(example)
        values[example.split].add(example.image)
    faults = list(material.faults)
    intensities = None
    try:
        intensities = material.intensities(values[TRAIN])
    except UserError as error:
        if not faults:
            faults.append(Fault(*str(error).split(": ", 1)))
    return Survey(
        material,
        counts,
        shapes,
        {split: found for split, found in values.items() if found.channels},
        agreement,
        shown,
        intensities,
        material.notes(counts.annotations_of) if counts.images else (),
        faults,
    )
