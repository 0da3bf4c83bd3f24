"""What is scored: one image with its samples and its annotations, wherever they come from."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8


class Case(NamedTuple):
    """One image that is scored.

    Attributes:
        name: Unlike that of any other image of the set.
        patient: Whose image it is; images of one patient are not independent.
        samples: Class labels drawn by the model that is judged.
        annotations: Class labels by the annotators.
        reconstructions: Each annotation rebuilt from its own latents, or None.
        ignored: Pixels that count nowhere, or None.
        weights: How much each annotation counts, or None for all alike.
        image: The picture itself, any range, for figures, or None.
    """

    name: str
    patient: str
    samples: UInt8[np.ndarray, "S H W"]
    annotations: UInt8[np.ndarray, "G H W"]
    reconstructions: UInt8[np.ndarray, "G H W"] | None = None
    ignored: Bool[np.ndarray, "H W"] | None = None
    weights: Float[np.ndarray, " G"] | None = None
    image: Float[np.ndarray, "H W"] | None = None


@runtime_checkable
class Cases(Protocol):
    """A set of cases that are read one by one, in any order."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int) -> Case:
        """The case at `index`."""
