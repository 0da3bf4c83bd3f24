"""The interface of a data set to the rest of the project."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from hpunet.data.crops import CropSampler
from hpunet.data.intensities import BYTES, Intensities


@runtime_checkable
class ExampleSource(Protocol):
    """Examples that can be read in any order, from any process.

    An example is a dict of `image`, values as stored, `[H, W, C]`; `annotations`, uint8 class
    labels `[G, H, W]` of G annotators, `IGNORED` at ignored pixels; `patient` and `name`, strings;
    and, where annotators are drawn unequally, their `weights` `[G]`.
    """

    def __len__(self) -> int:
        """Number of examples."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Reads the example at `index`."""


class Dataset(NamedTuple):
    """A prepared data set.

    Attributes:
        name: Its name, as in `data.name`.
        version: Version of the prepared data's format.
        checksum: Hexadecimal digest of the source that it was prepared from.
        splits: Those of `train`, `val` and `test` that exist.
        truth: The known distribution behind the annotations, or None.
        intensities: How stored values become the network's intensities.
        crop_sampler: Places crops on images of any size; None if all images have one size.
        patients_known: Whether the patient of every image is known; otherwise each image counts as
            a patient of its own.
        notes: Notes on the data for the user.
        split_table: The split of each image as CSV, or "" if the data define it.
    """

    name: str
    version: str
    checksum: str
    splits: Mapping[str, ExampleSource]
    truth: Any = None
    intensities: Intensities = BYTES
    crop_sampler: CropSampler | None = None
    patients_known: bool = True
    notes: tuple[str, ...] = ()
    split_table: str = ""
