"""Samples of a user's image with their maps, hypotheses and areas."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.imaging.fit import Fit
from hpunet.imaging.maps import Maps
from hpunet.imaging.volume import Excluded
from hpunet.inference.hypotheses import Hypothesis, group_samples
from hpunet.inference.network_input import NetworkInput
from hpunet.inference.sampling import ImageSampler
from hpunet.io.errors import UserError


class Prediction(NamedTuple):
    """An image, or one slice of a volume, with its samples.

    Attributes:
        label: Display name.
        display: Gray or RGB for display.
        window: Intensity window of `display`.
        fit: Position of the network's grid on the image.
        spacing: Height and width of a pixel in mm, or None if unknown.
        facts: Names and values for the user.
        samples: Class labels; may be a `np.memmap`.
        mean: Fraction of the samples that assign a pixel to each foreground class, in [0, 1].
        entropy: Entropy of a pixel's class over the samples, in nats, in [0, ln K].
        hypotheses: Groups of similar samples, the largest share first.
        areas: Marked area of every sample, in `unit`.
        unit: `mm²`, or `pixels` if the pixel size is unknown.
        warnings: Reasons to doubt the samples.
    """

    label: str
    display: UInt8[np.ndarray, "H W C"]
    window: tuple[float, float]
    fit: Fit
    spacing: tuple[float, float] | None
    facts: list[tuple[str, str]]
    samples: UInt8[np.ndarray, "S H W"]
    mean: Float[np.ndarray, "K-1 H W"]
    entropy: Float[np.ndarray, "H W"]
    hypotheses: list[Hypothesis]
    areas: Float[np.ndarray, " S"]
    unit: str
    warnings: tuple[str, ...] = ()


def predict_volume(
    inputs: Iterable[NetworkInput],
    num_slices: int,
    sampler: ImageSampler,
    least_iou: float,
    scratch: Path,
    progress: Callable[[int], Any],
) -> tuple[Maps, list[Prediction], dict[int, Excluded]]:
    """Draws the samples of every slice of a volume; one that fails does not stop the others.

    Args:
        inputs: The slices, all of one size; iterated once.
        num_slices: Number of slices.
        sampler: The sampler.
        least_iou: Least IoU of any two samples of a hypothesis.
        scratch: A file that does not exist yet; the samples are mapped to it to save memory.
        progress: Called with the number of new samples.

    Returns:
        The samples of all slices that do not fail with their maps, the prediction of each of these,
        whose arrays are views of the maps, and why the others fail, by their places in `inputs`.

    Raises:
        UserError: If no slice can be drawn, with the reason of the first one.
        OSError: If the disk is full.
    """
    predictions: list[Prediction] = []
    failed: dict[int, Excluded] = {}
    for number, given in enumerate(inputs):
        if not number:
            maps = _allocate_maps(scratch, sampler, (num_slices, *given.fit.size))
        # Slices that fail leave no gap: the maps of the others are a view of the first ones.
        place = len(predictions)
        try:
            warnings = _draw(given, maps, place, sampler, progress)
        except UserError as error:
            failed[number] = Excluded.by_error(given.name, error)
            if len(failed) == num_slices:
                raise
            continue
        prediction = _prediction(given, maps, place, least_iou)
        predictions.append(prediction._replace(warnings=warnings))
    return _first_slices(maps, len(predictions)), predictions, failed


def _draw(
    given: NetworkInput,
    maps: Maps,
    place: int,
    sampler: ImageSampler,
    progress: Callable[[int], Any],
) -> tuple[str, ...]:
    """Fills a slice of the maps.

    Returns:
        Reasons to doubt the samples.

    Raises:
        UserError: If the network gives logits that are not finite.
    """
    start = 0
    try:
        encoded = sampler.encode(given)
        warnings = (*given.warnings, *sampler.warnings(given, encoded))
        for labels in sampler.draw(given, encoded):
            maps.samples[start : start + len(labels), place] = labels
            start += len(labels)
            progress(len(labels))
    except UserError:
        progress(sampler.options.num_samples - start)
        raise
    shares = _shares(np.asarray(maps.samples[:, place]), maps.num_classes)
    maps.mean[:, place], maps.entropy[place] = shares[1:], _entropy(shares)
    return warnings


def _first_slices(maps: Maps, number: int) -> Maps:
    return maps._replace(
        samples=maps.samples[:, :number],
        mean=maps.mean[:, :number],
        entropy=maps.entropy[:number],
    )


def warnings_of(predictions: Sequence[Prediction]) -> list[str]:
    """Returns the warnings of a volume; of its slices only the first with a warning is quoted."""
    warned = [prediction for prediction in predictions if prediction.warnings]
    if not warned:
        return []
    more = f" (and {len(warned) - 1} more of its slices)" if len(warned) > 1 else ""
    first = warned[0]
    return [f"{first.label}{more}: {text}" for text in first.warnings]


def _allocate_maps(scratch: Path, sampler: ImageSampler, shape: tuple[int, int, int]) -> Maps:
    return Maps(
        _allocate(scratch, (sampler.options.num_samples, *shape)),
        np.zeros((sampler.num_classes - 1, *shape), np.float32),
        np.zeros(shape, np.float32),
        sampler.num_classes,
    )


def _allocate(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Maps an array to a file whose disk space is reserved at once.

    Otherwise a disk that fills up while samples are drawn would kill the process.
    """
    with path.open("xb") as file:
        file.truncate(int(np.prod(shape)))
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, int(np.prod(shape)))
    return np.memmap(path, np.uint8, "r+", shape=shape)


def _shares(samples: UInt8[np.ndarray, "S H W"], num_classes: int) -> Float[np.ndarray, "K H W"]:
    """Fraction of the samples with each class."""
    counts = [(samples == label).sum(axis=0) for label in range(num_classes)]
    return (np.stack(counts) / len(samples)).astype(np.float32)


def _entropy(shares: Float[np.ndarray, "K H W"]) -> Float[np.ndarray, "H W"]:
    """Entropy of the shares, in nats."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    # 0 instead of -0.
    return np.maximum(-(shares * logs).sum(axis=0), 0)


def _prediction(given: NetworkInput, maps: Maps, place: int, least_iou: float) -> Prediction:
    pixel, unit = (1.0, "pixels")
    if given.spacing is not None:
        pixel, unit = given.spacing[0] * given.spacing[1], "mm²"
    samples = np.asarray(maps.samples[:, place])
    areas = np.count_nonzero(samples, axis=(1, 2)) * pixel
    return Prediction(
        given.label,
        given.display,
        given.window,
        given.fit,
        given.spacing,
        given.facts,
        samples,
        maps.mean[:, place],
        maps.entropy[place],
        group_samples(samples, maps.num_classes, areas, least_iou),
        areas,
        unit,
    )
