"""What every data set looks like to the rest of the project."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from hpunet.data.intensities import BYTES, Intensities
from hpunet.data.window import Window


@runtime_checkable
class Source(Protocol):
    """Examples that can be read in any order, from any process.

    An example is a dict of `image`, values as stored, `[H, W, C]`; `annotations`, uint8 class
    labels `[G, H, W]` of G annotators, `IGNORED` where a pixel counts nowhere; `patient` and
    `name`, strings; and, where annotators are drawn unequally, their `weights` `[G]`.
    """

    def __len__(self) -> int:
        """Number of examples."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The example at `index`."""


class Dataset(NamedTuple):
    """A prepared data set.

    Attributes:
        name: Its name, as in `data.name`.
        version: Version of what is stored.
        checksum: Hexadecimal digest of what it was prepared from.
        splits: `train`, `val` and `test`, as far as they exist.
        truth: What is known of the distribution behind the annotations, or None.
        intensities: How values as stored become what a network sees.
        window: Which part of an image training sees, or None where all have one size.
        patients_known: Whether the patient of every image is; else each counts as its own.
        notes: What a user should know of the data, in plain sentences.
        split_table: Which image is in which split, as CSV, where that is not given by the data.
    """

    name: str
    version: str
    checksum: str
    splits: Mapping[str, Source]
    truth: Any = None
    intensities: Intensities = BYTES
    window: Window | None = None
    patients_known: bool = True
    notes: tuple[str, ...] = ()
    split_table: str = ""
