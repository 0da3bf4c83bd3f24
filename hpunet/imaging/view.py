"""How a stored plane is turned so that a person sees it the usual way round."""

from typing import NamedTuple

import numpy as np


class View(NamedTuple):
    """Turns a stored plane for display, and back.

    Attributes:
        transpose: Whether the stored plane's first axis is shown as columns.
        flip_rows: Whether the shown rows are in reverse order.
        flip_columns: Whether the shown columns are in reverse order.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def show(self, stored: np.ndarray) -> np.ndarray:
        """The displayed plane of a stored one, both with the plane's axes first."""
        return self._flip(stored.swapaxes(0, 1) if self.transpose else stored)

    def store(self, shown: np.ndarray) -> np.ndarray:
        """The stored plane of a displayed one: the inverse of `show`."""
        flipped = self._flip(shown)
        return flipped.swapaxes(0, 1) if self.transpose else flipped

    def _flip(self, shown: np.ndarray) -> np.ndarray:
        return shown[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
