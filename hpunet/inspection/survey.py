"""Survey of a data set: all statistics from a single pass over its examples."""

import dataclasses

from hpunet.data.folder.faults import Fault
from hpunet.data.folder.patients import SPLITS
from hpunet.data.folder.statistics import ValueStatistics
from hpunet.data.intensities import Intensities
from hpunet.inspection.agreement import Agreement
from hpunet.inspection.counts import Counts, RunningMean, Shapes
from hpunet.inspection.dataset_reader import TRAIN, DatasetReader
from hpunet.inspection.proposal import DatasetFacts
from hpunet.inspection.thumbnails import ThumbnailCollector
from hpunet.io.errors import UserError


@dataclasses.dataclass(frozen=True)
class Survey:
    """Statistics and faults of a data set.

    Attributes:
        reader: The data set.
        counts: Counts of images, annotators and classes.
        shapes: Sizes of images, marked parts and regions of disagreement.
        values: Statistics of the stored values of each split with examples.
        agreement: Agreement of annotators.
        thumbnails: Images of the contact sheet.
        intensities: Intensity window of the training split, or None if it cannot be determined.
        notes: Notes for the user.
        faults: All faults.
    """

    reader: DatasetReader
    counts: Counts
    shapes: Shapes
    values: dict[str, ValueStatistics]
    agreement: Agreement
    thumbnails: ThumbnailCollector
    intensities: Intensities | None
    notes: tuple[str, ...]
    faults: list[Fault]

    @property
    def has_examples(self) -> bool:
        """Whether any example is valid."""
        return self.counts.images > 0

    def facts(self, any_size: bool) -> DatasetFacts:
        """Facts on which a proposal is based.

        Args:
            any_size: Whether images may have any size.
        """
        marked = RunningMean()
        for annotator in self.counts.annotators.values():
            marked.total += annotator.marked.total
            marked.count += annotator.marked.count
        train = self.counts.splits.get(TRAIN)
        return DatasetFacts(
            side=self.shapes.usual_side if any_size else self.shapes.least_side,
            long_side=max(self.shapes.ordered[len(self.shapes.ordered) // 2]),
            extent=self.shapes.part_extent,
            disputed_side=self.shapes.disputed_side,
            marked_share=marked.value,
            images=train.images if train else 0,
            any_size=any_size,
            length=self.shapes.part_length,
            thickness=self.shapes.part_thickness,
            disputed_width=self.shapes.disputed_width,
        )


def survey_dataset(reader: DatasetReader) -> Survey:
    """Reads all examples of a data set once.

    Args:
        reader: The data set.
    """
    counts, shapes = Counts(), Shapes()
    agreement = Agreement(len(reader.class_names))
    thumbnails = ThumbnailCollector(reader.files)
    values = {split: ValueStatistics() for split in SPLITS}
    for example in reader.read():
        for statistics in (counts, shapes, agreement, thumbnails):
            statistics.add(example)
        values[example.split].add(example.image)
    faults = list(reader.faults)
    intensities = None
    try:
        intensities = reader.intensities(values[TRAIN])
    except UserError as error:
        if not faults:
            faults.append(Fault(*str(error).split(": ", 1)))
    return Survey(
        reader,
        counts,
        shapes,
        {split: statistics for split, statistics in values.items() if statistics.channels},
        agreement,
        thumbnails,
        intensities,
        reader.notes(counts.annotations_of) if counts.images else (),
        faults,
    )
