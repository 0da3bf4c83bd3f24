"""What every data set looks like to the rest of the project."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable


@runtime_checkable
class Source(Protocol):
    """Examples that can be read in any order, from any process.

    An example is a dict of `image`, uint8 `[H, W, C]`; `annotations`, uint8 class labels
    `[G, H, W]` of G graders; `patient` and `name`, strings.
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
    """

    name: str
    version: str
    checksum: str
    splits: Mapping[str, Source]
    truth: Any = None
