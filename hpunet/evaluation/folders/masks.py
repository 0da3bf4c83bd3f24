"""The masks of an image as classes: what values mean, and what is refused."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from hpunet.config.class_table import IGNORED, ClassTable
from hpunet.data.crops import central, size_text
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError

# Rounding may make a probability slightly larger than 1.
PROBABILITY_SLACK = 1e-3


class Labels(NamedTuple):
    """The meaning of the values in a file.

    Attributes:
        num_classes: Classes are 0 to `num_classes` - 1, at most 256.
        ignore_label: The value of ignored pixels, or None.
        table: The value or colour of each class and of ignored pixels, instead of the other two; or
            None.
    """

    num_classes: int
    ignore_label: int | None = None
    table: ClassTable | None = None

    def mode(self, plane: str = "auto") -> ReadMode:
        """How files of masks are read, given the plane of volumes."""
        colours = self.table is not None and self.table.colours
        return ReadMode(mask=True, colours=colours, plane=plane)


class Masks(NamedTuple):
    """Masks of one image.

    Attributes:
        source: Their origin, for messages.
        classes: Their classes.
        ignored: Pixels that at least one of them ignores.
    """

    source: str
    classes: UInt8[np.ndarray, "N H W"]
    ignored: Bool[np.ndarray, "H W"]


class SourceImage(NamedTuple):
    """An image for figures.

    Attributes:
        source: Its origin, for messages.
        values: Its values, in any range.
    """

    source: str
    values: Float[np.ndarray, "H W"]


def to_masks(source: str, numbers: Shaped[np.ndarray, "N H W"], labels: Labels) -> Masks:
    """Converts the integers or booleans of a file to classes.

    Without a table, with two classes, 0 and 255 mean 0 and 1 if the file holds no other value.

    Raises:
        UserError: If a value is not a class.
    """
    if labels.table is not None:
        classes = labels.table.classes_of(numbers, pathlib.Path(source))
        ignored = classes == IGNORED
        return Masks(source, np.where(ignored, np.uint8(0), classes), np.any(ignored, axis=0))
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
    # With two classes, all values are listed: 1 and 255 are each allowed, but not both.
    wrong = np.unique(numbers if two else numbers[(numbers < 0) | (numbers >= labels.num_classes)])
    found = ", ".join(map(str, wrong[:5])) + (", ..." if wrong.size > 5 else "")
    allowed = "0 and 1, or 0 and 255" if two else f"0 to {labels.num_classes - 1}"
    if labels.ignore_label is not None:
        allowed += f", and {labels.ignore_label} to ignore a pixel"
    raise UserError(f"{source} holds {found}; allowed are {allowed}")


def most_likely(
    source: str, scores: Float[np.ndarray, "S H W K"], probabilities: bool
) -> Int[np.ndarray, "S H W"]:
    """Returns the class with the largest score at each pixel, the first of equal ones.

    Args:
        source: Origin of the scores, for messages.
        scores: Logits or probabilities.
        probabilities: Whether the scores must be between 0 and 1.

    Raises:
        UserError: If a score is not finite, or is not a probability where it must be.
    """
    finite = np.isfinite(scores).all(axis=-1)
    if not finite.all():
        count = f"{np.count_nonzero(~finite)} of {finite.size} pixels"
        raise UserError(f"{source} holds NaN or infinity in {count}; allowed is finite")
    least, most = scores.min(), scores.max()
    if probabilities and (least < -PROBABILITY_SLACK or most > 1 + PROBABILITY_SLACK):
        raise UserError(f"{source} holds {least:g} to {most:g}; allowed are 0 to 1")
    return scores.argmax(axis=-1)


def check_sizes(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Checks that the last two axes are the same for all arrays.

    Args:
        shapes: Shapes of the arrays, by their names in messages.

    Raises:
        UserError: With names and sizes of the first array and of the first that differs from it.
    """
    (first, shape), *others = shapes.items()
    for name, other in others:
        if other[-2:] != shape[-2:]:
            raise UserError(
                f"{name} has {size_text(other[-2:])} pixels (height x width), but {first} has "
                f"{size_text(shape[-2:])}; allowed is one size"
            )


def central_part(
    shapes: Mapping[str, tuple[int, ...]], crop: int | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that crops arrays to their central part.

    Args:
        shapes: Shapes of the arrays, by their names in messages.
        crop: Height and width of the part, which starts at row `(H - crop) // 2`; None for the
            whole of arrays of one size.

    Raises:
        UserError: If sizes differ without a crop, or if one is smaller than the crop.
    """
    if crop is None:
        check_sizes(shapes)
        return lambda array: array
    for name, shape in shapes.items():
        if min(shape[-2:]) < crop:
            raise UserError(
                f"--crop={crop}: {name} has {size_text(shape[-2:])} pixels (height x width); "
                f"allowed is at most {min(shape[-2:])}"
            )

    def take(array: np.ndarray) -> np.ndarray:
        rows, columns = central(array.shape[-2:], (crop, crop))
        return array[..., rows, columns]

    return take


def join_masks(masks: Sequence[Masks]) -> Masks:
    """Joins masks of one image.

    Raises:
        UserError: If they differ in size.
    """
    check_sizes({mask.source: mask.classes.shape for mask in masks})
    classes = np.concatenate([mask.classes for mask in masks])
    return Masks(masks[0].source, classes, np.any([mask.ignored for mask in masks], axis=0))
