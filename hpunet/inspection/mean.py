"""A mean that grows."""

import dataclasses
import math


@dataclasses.dataclass
class Mean:
    """Mean of the numbers that were added.

    Attributes:
        total: Their sum.
        count: How many.
    """

    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Counts a number in."""
        self.total += float(value)
        self.count += 1

    @property
    def value(self) -> float:
        """The mean; NaN of no number."""
        return self.total / self.count if self.count else math.nan
