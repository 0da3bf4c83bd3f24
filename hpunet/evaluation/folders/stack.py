"""Masks of one image that belong together: PNG files, or an array of an npz."""

import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from hpunet.data.crop import central
from hpunet.evaluation.folders.files import read_file
from hpunet.evaluation.folders.labels import Labels, Masks, most_likely, to_masks
from hpunet.evaluation.folders.npz import read_npz
from hpunet.evaluation.folders.png import decode_labels, decode_picture
from hpunet.io.errors import UserError

Decoded = TypeVar("Decoded")


class Stack(NamedTuple):
    """Masks that are not read yet.

    Attributes:
        paths: PNG files in the order of their numbers, or one npz.
        numbers: The numbers of the PNG files; in an npz those from 0 up.
        key: Name of the npz' array, or "".
    """

    paths: tuple[pathlib.Path, ...]
    numbers: tuple[int, ...]
    key: str = ""

    def read(self, labels: Labels) -> Masks:
        """The masks, in order.

        Raises:
            UserError: If a file cannot be read or is damaged, PNG files differ in size, or a number
                is none of a class.
        """
        if not self.key:
            return _join([_read_png(path, labels) for path in self.paths])
        source = f"{self.paths[0]}: {self.key}"
        array = read_npz(self.paths[0], self.key)
        if array.dtype.kind == "f":
            array = most_likely(source, array, self.key == "probabilities")
        return to_masks(source, array, labels)


def stack_pngs(files: Mapping[int, pathlib.Path]) -> Stack:
    """The masks in PNG files, by the number of each."""
    numbers = tuple(sorted(files))
    return Stack(tuple(files[number] for number in numbers), numbers)


def stack_array(path: pathlib.Path, key: str, length: int) -> Stack:
    """The `length` masks in an array of an npz."""
    return Stack((path,), tuple(range(length)), key)


def read_picture(path: pathlib.Path) -> Float[np.ndarray, "H W"]:
    """Gray levels of a PNG file, in 0..1.

    Raises:
        UserError: If it cannot be read or is damaged.
    """
    return _decode(path, decode_picture)


def check_sizes(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises unless the last two axes are the same for all.

    Args:
        shapes: Shapes by how a message names what has them.

    Raises:
        UserError: With the names and sizes of the first and of the first that differs from it.
    """
    (first, shape), *others = shapes.items()
    for name, other in others:
        if other[-2:] != shape[-2:]:
            own, wanted = ("x".join(map(str, sizes[-2:])) for sizes in (other, shape))
            raise UserError(f"{name} is {own} pixels, but {first} is {wanted}; allowed is one size")


def central_part(
    shapes: Mapping[str, tuple[int, ...]], crop: int | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Takes the central part of arrays that are of one size or, cropped, become so.

    Args:
        shapes: Shapes by how a message names what has them.
        crop: Height and width of the part, which begins at row `(H - crop) // 2`; None for all.

    Raises:
        UserError: If sizes differ, or one is smaller than the part.
    """
    if crop is None:
        check_sizes(shapes)
        return lambda array: array
    for name, shape in shapes.items():
        if min(shape[-2:]) < crop:
            own = "x".join(map(str, shape[-2:]))
            raise UserError(f"--crop={crop}: {name} is {own} pixels; allowed are larger ones")

    def take(array: np.ndarray) -> np.ndarray:
        rows, columns = central(array.shape[-2:], (crop, crop))
        return array[..., rows, columns]

    return take


def _read_png(path: pathlib.Path, labels: Labels) -> Masks:
    return to_masks(str(path), _decode(path, decode_labels)[None], labels)


def _decode(path: pathlib.Path, decode: Callable[[bytes], Decoded]) -> Decoded:
    contents = read_file(path)
    try:
        return decode(contents)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _join(masks: list[Masks]) -> Masks:
    check_sizes({mask.source: mask.classes.shape for mask in masks})
    classes = np.concatenate([mask.classes for mask in masks])
    return Masks(masks[0].source, classes, np.any([mask.ignored for mask in masks], axis=0))
