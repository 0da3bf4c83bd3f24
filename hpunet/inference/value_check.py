"""Whether the values of an image have the scale of the values that a network learned from."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Num

from hpunet.data.intensities import BYTES, Intensities
from hpunet.io.errors import UserError, first_names

# Share of the values that lie outside the learned window where they have another scale.
MOST_OUTSIDE = 0.95
# Standard deviations from the mean of standardised values that count as outside.
MOST_DEVIATIONS = 10.0
# Values on both sides of the window, or of the foreground alone, must also exceed it by its width:
# a picture in black and white may lie just outside percentiles.
FAR = 1.0
# The most frequent value is background if at least this share of an image has it.
BACKGROUND = 0.05
# Largest span that the network sees, as a share of the window, that is a constant to it. 8 bits
# are 0.06 of 12 bits.
LEAST_SPAN = 0.08
# Whole numbers that span less may be the noise of an empty image.
LEAST_LEVELS = 16
# Percentiles of the span: a few outliers do not count.
SPAN = (0.1, 99.9)
# Width of the window of standardised values, in standard deviations.
STANDARD_WIDTH = 4.0


class Places(NamedTuple):
    """Numbers of values by their place relative to the learned window.

    Attributes:
        total: All values.
        below: Those below the window.
        above: Those above it.
        far: Those outside it by more than its width.
    """

    total: int
    below: int
    above: int
    far: int


class ValueCounts(NamedTuple):
    """Facts about the values of an image or volume, relative to the learned window.

    Attributes:
        every: Places of all values.
        foreground: Places of the values that are not background, such as a black border.
        lowest: Smallest value, but for outliers.
        highest: Largest value, but for outliers.
        seen: Span of the values that the network sees, as a share of the window, but for outliers.
        fractional: Whether any value is no whole number.
    """

    every: Places
    foreground: Places
    lowest: float
    highest: float
    seen: float
    fractional: bool

    def __add__(self, other: object) -> "ValueCounts":
        """Counts the values of two images, such as slices of one volume."""
        if not isinstance(other, ValueCounts):
            return NotImplemented
        return ValueCounts(
            Places(*map(sum, zip(self.every, other.every, strict=True))),
            Places(*map(sum, zip(self.foreground, other.foreground, strict=True))),
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            max(self.seen, other.seen),
            self.fractional or other.fractional,
        )


class ValueProblem(NamedTuple):
    """What is wrong with the values of an image.

    Attributes:
        text: The description.
        is_sure: Whether it is wrong for a single image; otherwise the image may also be empty.
    """

    text: str
    is_sure: bool


def count_values(values: Num[np.ndarray, "*B C"], intensities: Intensities) -> ValueCounts:
    """Counts the values of an image.

    Args:
        values: Values as stored.
        intensities: Mapping that the network learned from.
    """
    numbers = values.astype(np.float32)
    lowest, highest = np.percentile(numbers.reshape(-1, numbers.shape[-1]), SPAN, axis=0)
    return ValueCounts(
        _places(numbers, np.ones(numbers.shape, bool), intensities),
        _places(numbers, _is_foreground(numbers), intensities),
        float(lowest.min()),
        float(highest.max()),
        _seen(lowest, highest, intensities),
        values.dtype.kind == "f" and bool(np.any(numbers != np.round(numbers))),
    )


def _places(
    numbers: Num[np.ndarray, "*B C"], counted: Bool[np.ndarray, "*B C"], intensities: Intensities
) -> Places:
    low, high = _window(intensities)
    # Ten deviations are far.
    width = FAR * (high - low) if intensities.clip else 0
    below, above = (numbers < low) & counted, (numbers > high) & counted
    far = ((numbers < low - width) | (numbers > high + width)) & counted
    return Places(*(int(np.count_nonzero(part)) for part in (counted, below, above, far)))


def _is_foreground(numbers: Num[np.ndarray, "*B C"]) -> Bool[np.ndarray, "*B C"]:
    """Whether a value is not the most frequent one; all are in images without background."""
    found, counts = np.unique(numbers, return_counts=True)
    if len(found) == 1 or counts.max() < BACKGROUND * numbers.size:
        return np.ones(numbers.shape, bool)
    return numbers != found[counts.argmax()]


def _seen(
    lowest: Num[np.ndarray, " C"], highest: Num[np.ndarray, " C"], intensities: Intensities
) -> float:
    """The largest span of a channel in the network's input."""
    low, high = (np.asarray(limits, np.float32) for limits in intensities[:2])
    if intensities.clip:
        lowest, highest = np.clip(lowest, low, high), np.clip(highest, low, high)
    width = (high - low) * (1 if intensities.clip else STANDARD_WIDTH)
    return float(((highest - lowest) / width).max())


def _window(intensities: Intensities) -> tuple[np.ndarray, np.ndarray]:
    low, high = (np.asarray(limits, np.float32) for limits in intensities[:2])
    if intensities.clip:
        return low, high
    width = MOST_DEVIATIONS * (high - low)
    return low - width, low + width


def scale_problem(counts: ValueCounts, intensities: Intensities) -> str | None:
    """Describes values that are nearly all outside the learned window; None if they are not."""
    return _outside(counts.every, intensities, "its values", far=False) or _outside(
        counts.foreground, intensities, "its values but for the most frequent one", far=True
    )


def _outside(places: Places, intensities: Intensities, values: str, *, far: bool) -> str | None:
    """Describes values outside the window; with `far`, only if half of them are far outside."""
    is_far = places.far >= places.total / 2
    if not places.total or (far and not is_far):
        return None
    below, above = places.below / places.total, places.above / places.total
    if below >= MOST_OUTSIDE:
        return f"{_share(below)} of {values} are below {_limit(intensities, upper=False)}"
    if above >= MOST_OUTSIDE:
        return f"{_share(above)} of {values} are above {_limit(intensities, upper=True)}"
    if below + above >= MOST_OUTSIDE and is_far:
        return (
            f"{_share(below + above)} of {values} are outside the range that the network learned "
            f"({intensities.text})"
        )
    return None


def narrow_values(counts: ValueCounts, intensities: Intensities) -> ValueProblem | None:
    """Describes values that differ too little for the network; None if they do not.

    Fractions from 0 to 1 lie within a window such as 0 to 200, and all become black. An image of
    one value is all background, whatever the value is.
    """
    span = counts.highest - counts.lowest
    least = 0 if counts.fractional else LEAST_LEVELS
    if counts.seen > LEAST_SPAN or span <= 0 or span < least:
        return None
    text = (
        f"its values are {counts.lowest:.4g} to {counts.highest:.4g}, nearly equal to the network "
        f"({intensities.text} in training)"
    )
    return ValueProblem(text, counts.fractional)


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


def value_warnings(
    counts: ValueCounts | None, intensities: Intensities, *, sure_only: bool = False
) -> tuple[str, ...]:
    """Returns a warning if the network can hardly tell the values of an image apart.

    Args:
        counts: Counts of the image's values; None is not checked.
        intensities: Mapping that the network learned from.
        sure_only: Whether the image may be empty, as slices of volumes are.
    """
    narrow = None if counts is None else narrow_values(counts, intensities)
    if narrow is None or (sure_only and not narrow.is_sure):
        return ()
    return (f"{narrow.text}: {_advice(intensities)}",)


def scale_warning(problems: Mapping[str, ValueProblem], num_images: int) -> str | None:
    """Returns one warning for all images of a split whose values have another scale.

    Single images may be empty, so problems that are not sure count only if half of the images have
    one.

    Args:
        problems: Result of `value_problem` by the name of the image, where there is one.
        num_images: Number of images of the split.
    """
    if len(problems) < num_images / 2:
        problems = {name: problem for name, problem in problems.items() if problem.is_sure}
    if not problems:
        return None
    name, first = next(iter(problems.items()))
    return (
        f"warning: values of {len(problems)} of {num_images} images have another scale than in "
        f"training ({first_names(list(problems))}); on {name}, {first.text}"
    )


def value_problem(values: Num[np.ndarray, "*B C"], intensities: Intensities) -> ValueProblem | None:
    """Describes values of another scale than in training; None if they have the same.

    Args:
        values: Values of an image as stored.
        intensities: Mapping that the network learned from; 8-bit values always fit `BYTES`.
    """
    if intensities == BYTES:
        return None
    counts = count_values(values, intensities)
    outside = scale_problem(counts, intensities)
    if outside is not None:
        return ValueProblem(outside, True)
    return narrow_values(counts, intensities)


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
