"""Reads the masks of an image from PNG files or an array of an npz, as classes."""

import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from hpunet.data.crops import central, size_text
from hpunet.imaging.arrays import read_array
from hpunet.imaging.labels import labels_of, open_masks
from hpunet.imaging.volume import ReadMode
from hpunet.io.errors import UserError

# Damage anywhere in a file means that it is not the file that a tool wrote.
STRICT = ReadMode(mask=True, strict=True)
# Rounding may make a probability slightly larger than 1.
PROBABILITY_SLACK = 1e-3


class Labels(NamedTuple):
    """The meaning of the values in a file.

    Attributes:
        num_classes: Classes are 0 to `num_classes` - 1, at most 256.
        ignore_label: The value of ignored pixels, or None.
    """

    num_classes: int
    ignore_label: int | None = None


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


def to_masks(source: str, numbers: Shaped[np.ndarray, "N H W"], labels: Labels) -> Masks:
    """Converts the integers or booleans of a file to classes.

    With two classes, 0 and 255 mean 0 and 1 if the file holds no other value.

    Raises:
        UserError: If a value is not a class.
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


class Stack(NamedTuple):
    """Masks before they are read.

    Attributes:
        paths: PNG files in the order of their numbers, or one npz.
        numbers: The numbers of the PNG files; in an npz, indices from 0.
        key: Name of the array in the npz, or "".
    """

    paths: tuple[pathlib.Path, ...]
    numbers: tuple[int, ...]
    key: str = ""

    def read(self, labels: Labels) -> Masks:
        """Reads the masks in order.

        Raises:
            UserError: If a file cannot be read or is damaged, if PNG files differ in size, or if a
                value is not a class.
        """
        if not self.key:
            return _join([_read_png(path, labels) for path in self.paths])
        source = f"{self.paths[0]}: {self.key}"
        array = read_array(self.paths[0], self.key)
        if array.dtype.kind == "f":
            array = most_likely(source, array, self.key == "probabilities")
        return to_masks(source, array, labels)


def stack_pngs(files: Mapping[int, pathlib.Path]) -> Stack:
    """Returns the masks in numbered PNG files."""
    numbers = tuple(sorted(files))
    return Stack(tuple(files[number] for number in numbers), numbers)


def stack_array(path: pathlib.Path, key: str, length: int) -> Stack:
    """Returns the `length` masks in an array of an npz."""
    return Stack((path,), tuple(range(length)), key)


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


def _read_png(path: pathlib.Path, labels: Labels) -> Masks:
    return to_masks(str(path), labels_of(open_masks(path, STRICT)), labels)


def _join(masks: list[Masks]) -> Masks:
    check_sizes({mask.source: mask.classes.shape for mask in masks})
    classes = np.concatenate([mask.classes for mask in masks])
    return Masks(masks[0].source, classes, np.any([mask.ignored for mask in masks], axis=0))
