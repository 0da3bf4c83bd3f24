"""Validates the arguments of scores and iterates over images without ignored pixels."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_labels(name: str, labels: ArrayLike) -> NDArray:
    """Converts labels to a NumPy array.

    Raises:
        ValueError: If the labels are neither integers nor booleans.
    """
    array = np.asarray(labels)
    if array.dtype != bool and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} has dtype {array.dtype}; allowed are integer labels and booleans")
    return array


def as_sets(**sets: ArrayLike) -> tuple[NDArray, ...]:
    """Converts sets of labels `[N, B, H, W]` of the same B images to NumPy arrays.

    The names of the keyword arguments appear in error messages.

    Raises:
        ValueError: If labels are not integers, a set is empty or has another number of axes, or the
            images differ in number, height or width.
    """
    arrays = {name: as_labels(name, labels) for name, labels in sets.items()}
    for name, array in arrays.items():
        if array.ndim != 4 or not len(array):
            raise ValueError(f"{name} has shape {array.shape}; it must be [N, B, H, W] with N >= 1")
    if len({array.shape[1:] for array in arrays.values()}) > 1:
        shapes = " and ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{shapes} differ; all axes but the first must be the same")
    return tuple(arrays.values())


def as_classes(classes: Sequence[int] | None) -> tuple[int, ...] | None:
    """Converts classes to Python integers; None stands for the foreground.

    Raises:
        ValueError: If there is no class, a duplicate class or a class that is not an integer.
    """
    if classes is None:
        return None
    array = np.asarray(classes)
    if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"classes is {classes!r}; allowed are None and one or more integer labels")
    if len(np.unique(array)) < len(array):
        raise ValueError(f"classes is {classes!r}; duplicate classes are not allowed")
    return tuple(array.tolist())


def as_ignored(ignored: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Converts ignored pixels to a NumPy array, or None.

    Args:
        ignored: Boolean array.
        shape: Shape of the masks; `ignored` may lack leading axes but has at least the last two.

    Raises:
        ValueError: If the array is not boolean or does not match the masks.
    """
    if ignored is None:
        return None
    array = np.asarray(ignored)
    if array.dtype != bool:
        raise ValueError(f"ignored has dtype {array.dtype}; allowed is bool")
    if array.ndim < 2 or array.shape != shape[len(shape) - array.ndim :]:
        raise ValueError(f"ignored has shape {array.shape}; the masks allow {shape}")
    return array


def as_weights(weights: ArrayLike | None, count: int, images: int) -> NDArray[np.float64]:
    """Weights of `count` masks in each of `images` images, `[count, images]`.

    The weights are scaled by powers of two only, so that sums of integers stay exact and products
    neither overflow nor underflow.

    Raises:
        ValueError: If the shape does not match, a weight is negative or not finite, or all weights
            of an image are 0.
    """
    if weights is None:
        return np.ones((count, images))
    array = np.asarray(weights, np.float64)
    if array.shape not in {(count,), (count, images)}:
        raise ValueError(f"weights has shape {array.shape}; allowed: ({count},), {count, images}")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(
            "weights has negative, infinite or NaN entries; allowed are numbers from 0"
        )
    if array.size and not array.any(axis=0).all():
        raise ValueError(
            "weights are all 0 for an image; at least one annotation must have a positive weight"
        )
    largest = array.max(axis=0)
    return np.broadcast_to(np.ldexp(array, -np.frexp(largest)[1]).T, (images, count)).T


def pixels_of(
    labels: NDArray, image: int, ignored: NDArray[np.bool_] | None, chosen: NDArray | None = None
) -> NDArray:
    """Labels `[N, P]` of one image without its ignored pixels.

    Args:
        labels: Set of labels `[N, B, H, W]`.
        image: Index of the image.
        ignored: Boolean `[B, H, W]`, or None.
        chosen: Indices of the masks to take; None takes all.
    """
    masks = labels[:, image] if chosen is None else labels[chosen, image]
    flat = masks.reshape(len(masks), masks.shape[1] * masks.shape[2])
    return flat if ignored is None else flat[:, ~ignored[image].ravel()]


class AnnotatedImage(NamedTuple):
    """Samples and annotations of one image, restricted to pixels that are not ignored.

    Attributes:
        samples: Labels `[S, P]`.
        annotations: Labels `[A, P]` of the annotators whose weight is above 0.
        weights: Weights of these annotators, `[A]`, not normalised.
        annotators: Indices `[A]` of these annotators among all annotators.
    """

    samples: NDArray
    annotations: NDArray
    weights: NDArray[np.float64]
    annotators: NDArray[np.intp]


def annotated_images(
    samples: NDArray,
    annotations: NDArray,
    ignored: ArrayLike | None,
    weights: ArrayLike | None,
) -> Iterator[AnnotatedImage]:
    """Iterates over the images of validated sets.

    Raises:
        ValueError: If ignored or weights are invalid.
    """
    images = samples.shape[1]
    ignored = as_ignored_images(ignored, samples)
    weights = as_weights(weights, len(annotations), images)
    return (
        AnnotatedImage(
            pixels_of(samples, image, ignored),
            pixels_of(annotations, image, ignored, annotators),
            weights[annotators, image],
            annotators,
        )
        for image in range(images)
        for annotators in [np.flatnonzero(weights[:, image])]
    )


def as_ignored_images(ignored: ArrayLike | None, labels: NDArray) -> NDArray[np.bool_] | None:
    """Ignored pixels `[B, H, W]` of a set `[N, B, H, W]`, or None.

    Raises:
        ValueError: If the array is not boolean or has another shape.
    """
    array = as_ignored(ignored, labels.shape[1:])
    if array is not None and array.ndim != 3:
        raise ValueError(f"ignored has shape {array.shape}; allowed is {labels.shape[1:]}")
    return array
