"""Whether the values of an image have the scale of the values that a network learned from."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Num

from hpunet.data.intensities import BYTES, Intensities
from hpunet.io.errors import UserError, first_names

# Share of the values that lie outside the learned window where they have another scale.
MOST_OUTSIDE = 0.95
# Standard deviations from the mean of standardised values that count as outside.
MOST_DEVIATIONS = 10.0
# Values on both sides of the window must also exceed it by its width: a picture in black and white
# may lie just outside percentiles.
FAR = 1.0
# Largest span of fractional values, as a share of the window, that is a constant to the network.
LEAST_SPAN = 0.04
# Width of the window of standardised values, in standard deviations.
STANDARD_WIDTH = 4.0


class ValueCounts(NamedTuple):
    """Counts of an image's values by their place relative to the learned window.

    Attributes:
        total: Number of values.
        below: Number of values below the window.
        above: Number of values above it.
        far: Number of values outside it by more than its width.
        lowest: Smallest value.
        highest: Largest value.
        fractional: Whether any value is no whole number.
    """

    total: int
    below: int
    above: int
    far: int
    lowest: float
    highest: float
    fractional: bool

    def __add__(self, other: object) -> "ValueCounts":
        """Counts the values of two images, such as slices of one volume."""
        if not isinstance(other, ValueCounts):
            return NotImplemented
        return ValueCounts(
            self.total + other.total,
            self.below + other.below,
            self.above + other.above,
            self.far + other.far,
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            self.fractional or other.fractional,
        )


def count_values(values: Num[np.ndarray, "*B C"], intensities: Intensities) -> ValueCounts:
    """Counts the values of an image.

    Args:
        values: Values as stored.
        intensities: Mapping that the network learned from.
    """
    low, high = _window(intensities)
    numbers = values.astype(np.float32)
    far = (numbers < low - FAR * (high - low)) | (numbers > high + FAR * (high - low))
    return ValueCounts(
        numbers.size,
        int(np.count_nonzero(numbers < low)),
        int(np.count_nonzero(numbers > high)),
        int(np.count_nonzero(far)),
        float(numbers.min()),
        float(numbers.max()),
        values.dtype.kind == "f" and bool(np.any(numbers != np.round(numbers))),
    )


def _window(intensities: Intensities) -> tuple[np.ndarray, np.ndarray]:
    low, high = (np.asarray(limits, np.float32) for limits in intensities[:2])
    if intensities.clip:
        return low, high
    width = MOST_DEVIATIONS * (high - low)
    return low - width, low + width


def scale_problem(counts: ValueCounts, intensities: Intensities) -> str | None:
    """Describes values that are nearly all outside the learned window; None if they are not."""
    below, above = counts.below / counts.total, counts.above / counts.total
    if below >= MOST_OUTSIDE:
        return f"{_share(below)} of its values are below {_limit(intensities, upper=False)}"
    if above >= MOST_OUTSIDE:
        return f"{_share(above)} of its values are above {_limit(intensities, upper=True)}"
    if below + above >= MOST_OUTSIDE and counts.far >= counts.total / 2:
        return (
            f"{_share(below + above)} of its values are outside the range that the network learned "
            f"({intensities.text})"
        )
    return None


def narrow_values(counts: ValueCounts, intensities: Intensities) -> str | None:
    """Describes fractional values that differ too little for the network; None if they do not.

    Fractions from 0 to 1 lie within a window such as 0 to 200, and all become black.
    """
    # An image of one value is all background, whatever the value is.
    span = counts.highest - counts.lowest
    width = max(high - low for low, high in zip(*intensities[:2], strict=True))
    width *= 1 if intensities.clip else STANDARD_WIDTH
    if not counts.fractional or not 0 < span <= LEAST_SPAN * width:
        return None
    return (
        f"its values are {counts.lowest:.4g} to {counts.highest:.4g}, nearly equal to the network "
        f"({intensities.text} in training)"
    )


def check_scale(counts: ValueCounts | None, intensities: Intensities, name: str) -> None:
    """Checks that the values of an image have the scale that a network learned from.

    Args:
        counts: Counts of the image's values; None is not checked.
        intensities: Mapping that the network learned from.
        name: Name of the image, for the message.

    Raises:
        UserError: If nearly all values lie outside the learned window.
    """
    problem = None if counts is None else scale_problem(counts, intensities)
    if problem is not None:
        raise UserError(f"{name}: {problem}: {_advice(intensities)}")


def value_warnings(counts: ValueCounts | None, intensities: Intensities) -> tuple[str, ...]:
    """Returns a warning if the network can hardly tell the values of an image apart."""
    narrow = None if counts is None else narrow_values(counts, intensities)
    return () if narrow is None else (f"{narrow}: {_advice(intensities)}",)


def scale_warning(problems: Mapping[str, str], num_images: int) -> str | None:
    """Returns one warning for all images of a split whose values have another scale.

    Args:
        problems: Result of `value_problem` by the name of the image, where there is one.
        num_images: Number of images of the split.
    """
    if not problems:
        return None
    name, first = next(iter(problems.items()))
    return (
        f"warning: values of {len(problems)} of {num_images} images have another scale than in "
        f"training ({first_names(list(problems))}); on {name}, {first}"
    )


def value_problem(values: Num[np.ndarray, "*B C"], intensities: Intensities) -> str | None:
    """Describes values of another scale than in training; None if they have the same.

    Args:
        values: Values of an image as stored.
        intensities: Mapping that the network learned from; 8-bit values always fit `BYTES`.
    """
    if intensities == BYTES:
        return None
    counts = count_values(values, intensities)
    return scale_problem(counts, intensities) or narrow_values(counts, intensities)


def _advice(intensities: Intensities) -> str:
    remedy = "--window=LOW,HIGH" if intensities.clip else "allowed is the scale of training"
    return f"is it on another scale? {remedy}"


def _share(share: float) -> str:
    return "all" if share == 1 else f"{min(100 * share, 99.9):.1f} %"


def _limit(intensities: Intensities, *, upper: bool) -> str:
    if intensities.clip:
        limits = intensities.high if upper else intensities.low
        numbers = ", ".join(f"{limit:g}" for limit in limits)
        return f"the training's {'white' if upper else 'black'} ({numbers})"
    sign = "+" if upper else "\N{MINUS SIGN}"
    return f"the training's mean {sign} {MOST_DEVIATIONS:g} deviations ({intensities.text})"
