"""From the numbers in a file to the classes of pixels."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from hpunet.io.errors import UserError

# Rounding may take a probability a little above 1.
_PROBABILITY_SLACK = 1e-3


class Labels(NamedTuple):
    """What the numbers in a file mean.

    Attributes:
        num_classes: Classes are 0 to `num_classes` - 1, at most 256.
        ignore_label: The number of pixels that count nowhere, or None.
    """

    num_classes: int
    ignore_label: int | None = None


class Masks(NamedTuple):
    """Some masks of one image.

    Attributes:
        source: How a message names where they come from.
        classes: Their classes.
        ignored: Pixels that one of them leaves out.
    """

    source: str
    classes: UInt8[np.ndarray, "N H W"]
    ignored: Bool[np.ndarray, "H W"]


def to_masks(source: str, numbers: Shaped[np.ndarray, "N H W"], labels: Labels) -> Masks:
    """The classes of pixels by the integers or booleans in one file.

    Of two classes, 0 and 255 are 0 and 1 where the file holds no other number.

    Raises:
        UserError: If a number is none of a class.
    """
    ignored = np.zeros(numbers.shape, bool)
    if labels.ignore_label is not None:
        ignored |= numbers == labels.ignore_label
        numbers = np.where(ignored, np.zeros_like(numbers), numbers)
    if numbers.min() < 0 or numbers.max() >= labels.num_classes:
        numbers = _from_black_and_white(source, numbers, labels)
    return Masks(source, numbers.astype(np.uint8), np.any(ignored, axis=0))


def _from_black_and_white(source: str, numbers: np.ndarray, labels: Labels) -> np.ndarray:
    two = labels.num_classes == 2
    white = numbers == 255
    if two and not numbers[~white].any():
        return white
    # Of two classes all numbers are named: 1 and 255 are each allowed, but not both.
    wrong = np.unique(numbers if two else numbers[(numbers < 0) | (numbers >= labels.num_classes)])
    found = ", ".join(map(str, wrong[:5])) + (", ..." if wrong.size > 5 else "")
    allowed = "0 and 1, or 0 and 255" if two else f"0 to {labels.num_classes - 1}"
    if labels.ignore_label is not None:
        allowed += f", and {labels.ignore_label} to ignore a pixel"
    raise UserError(f"{source} holds {found}; allowed are {allowed}")


def most_likely(
    source: str, scores: Float[np.ndarray, "S H W K"], probabilities: bool
) -> Int[np.ndarray, "S H W"]:
    """The class of the largest score of each pixel, the first of equal ones.

    Args:
        source: How a message names where the scores come from.
        scores: Logits of any size, or probabilities.
        probabilities: Whether they must lie between 0 and 1.

    Raises:
        UserError: If a score is not finite, or a probability is none.
    """
    finite = np.isfinite(scores).all(axis=-1)
    if not finite.all():
        count = f"{np.count_nonzero(~finite)} of {finite.size} pixels"
        raise UserError(f"{source} holds NaN or infinity in {count}; allowed is finite")
    least, most = scores.min(), scores.max()
    if probabilities and (least < -_PROBABILITY_SLACK or most > 1 + _PROBABILITY_SLACK):
        raise UserError(f"{source} holds {least:g} to {most:g}; allowed are 0 to 1")
    return scores.argmax(axis=-1)
