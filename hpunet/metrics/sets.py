"""Checks of what is scored, and its images one by one, without what counts nowhere."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_labels(name: str, labels: ArrayLike) -> NDArray:
    """The labels as a NumPy array.

    Raises:
        ValueError: If they are neither integers nor booleans.
    """
    array = np.asarray(labels)
    if array.dtype != bool and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} has dtype {array.dtype}; allowed are integer labels and booleans")
    return array


def as_sets(**sets: ArrayLike) -> tuple[NDArray, ...]:
    """Sets of labels `[N, B, H, W]` of the same B images as NumPy arrays, by name.

    Raises:
        ValueError: If the labels are not integers, a set has no mask or another number of axes, or
            the images differ in number, height or width.
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
    """The classes as Python integers, or None for the foreground.

    Raises:
        ValueError: If there is none, one comes twice or one is no integer.
    """
    if classes is None:
        return None
    array = np.asarray(classes)
    if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"classes is {classes!r}; allowed are None and one or more integer labels")
    if len(np.unique(array)) < len(array):
        raise ValueError(f"classes is {classes!r}; each class may come only once")
    return tuple(array.tolist())


def as_ignored(ignored: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Pixels to leave out as a NumPy array, or None.

    Args:
        ignored: Boolean.
        shape: The last axes of the masks; fewer of them will do if the last two are there.

    Raises:
        ValueError: If it is not boolean or does not fit the masks.
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
    """How much each of `count` masks counts in each of `images` images, `[count, images]`.

    They are scaled by powers of two alone, so that sums of whole numbers stay exact and products
    neither overflow nor vanish.

    Raises:
        ValueError: If the shape does not fit, a weight is negative or not finite, or all weights of
            an image are 0.
    """
    if weights is None:
        return np.ones((count, images))
    array = np.asarray(weights, np.float64)
    if array.shape not in {(count,), (count, images)}:
        raise ValueError(f"weights has shape {array.shape}; allowed: ({count},), {count, images}")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError("weights has negative, infinite or NaN entries; allowed is 0 and more")
    if array.size and not array.any(axis=0).all():
        raise ValueError("weights are all 0 for an image; one annotation at least must count")
    largest = array.max(axis=0)
    return np.broadcast_to(np.ldexp(array, -np.frexp(largest)[1]).T, (images, count)).T


def pixels_of(
    labels: NDArray, image: int, ignored: NDArray[np.bool_] | None, chosen: NDArray | None = None
) -> NDArray:
    """Labels `[N, P]` of one image of a set `[N, B, H, W]`, the ignored pixels deleted.

    Args:
        labels: A set.
        image: Its place.
        ignored: `[B, H, W]` or None.
        chosen: Places of the masks to take; None for all.
    """
    masks = labels[:, image] if chosen is None else labels[chosen, image]
    flat = masks.reshape(len(masks), masks.shape[1] * masks.shape[2])
    return flat if ignored is None else flat[:, ~ignored[image].ravel()]


class AnnotatedImage(NamedTuple):
    """One image with what counts of it.

    Attributes:
        samples: Labels `[S, P]` of the pixels that are not ignored.
        annotations: Labels `[A, P]` by the annotators whose weight is above 0.
        weights: Theirs, `[A]`, not normalised.
        annotators: Their places `[A]` among all annotators.
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
    """The images of checked sets one by one.

    Raises:
        ValueError: If ignored pixels or weights do not fit.
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
    """Pixels `[B, H, W]` to leave out of a set `[N, B, H, W]`, or None.

    Raises:
        ValueError: If it is not boolean or has another shape.
    """
    array = as_ignored(ignored, labels.shape[1:])
    if array is not None and array.ndim != 3:
        raise ValueError(f"ignored has shape {array.shape}; allowed is {labels.shape[1:]}")
    return array
