"""One value of the reference beside this project's."""

from typing import Any, NamedTuple

import numpy as np

# What float32 holds of networks this deep; two builds of the reference differ by 5e-6 and 5e-5.
OUTPUT_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
COURSE_TOLERANCE = 1e-4
# Masks and stored weights are the same or not.
EQUAL = 0.0


class Comparison(NamedTuple):
    """How far a value is from the reference's.

    Attributes:
        golden: The file of golden values, without suffix.
        part: What was compared, such as `samples`: the parts are summed up one by one.
        value: The value's name in the file.
        allowed: Largest difference that passes; 0 asks for equality to the bit.
        worst: Largest difference, relative to the largest entry that is expected; where equality
            is asked for, the number of entries that differ.
        count: How many numbers were compared.
    """

    golden: str
    part: str
    value: str
    allowed: float
    worst: float
    count: int

    @property
    def passes(self) -> bool:
        """Whether the difference is allowed; NaN is not."""
        return self.worst <= self.allowed


def compare(
    golden: Any, part: str, name: str, value: Any, allowed: float = OUTPUT_TOLERANCE
) -> Comparison:
    """A value beside the golden one of that name."""
    return compare_with(golden.name, part, name, value, golden.values[name], allowed)


def compare_with(
    golden_name: str, part: str, name: str, value: Any, expected: Any, allowed: float
) -> Comparison:
    """A value beside one that is expected.

    Raises:
        AssertionError: If their shapes differ.
    """
    measure = num_different if allowed == EQUAL else relative_error
    worst = measure(value, expected)
    return Comparison(golden_name, part, name, allowed, worst, int(np.size(expected)))


def relative_error(value: Any, expected: Any) -> float:
    """Largest difference, relative to the largest entry that is expected."""
    value, expected = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    assert value.shape == expected.shape
    return float(np.abs(value - expected).max() / max(np.abs(expected).max(), 1e-30))


def num_different(value: Any, expected: Any) -> int:
    """How many entries are not the same."""
    value, expected = np.asarray(value), np.asarray(expected)
    assert value.shape == expected.shape
    return int(np.sum(value != expected))
