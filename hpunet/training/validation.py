"""Scores of the samples, computed while training runs and at its end."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, PyTree, UInt8
from matplotlib.figure import Figure

from hpunet import figures, metrics
from hpunet.inference.predictor import PredictedLabels, Predictor
from hpunet.inference.preprocessing import CroppedImages
from hpunet.training.devices import Devices
from hpunet.training.task import Task

NUM_FIGURE_IMAGES = 3
SCORES = ("ged", "hungarian_iou", "reconstruction_iou")


class ValidationScores(NamedTuple):
    """Scores of images, and the samples that were scored.

    Scores are NaN for images that could not be scored.

    Attributes:
        ged: Squared generalised energy distance of each image.
        hungarian_iou: Hungarian-matched IoU of each image.
        reconstruction_iou: IoU_rec of each image; None for a model without a posterior.
        samples: Class labels; background on images that could not be scored.
        finite: Whether the logits of each image are finite; the others could not be scored.
    """

    ged: Float[np.ndarray, " B"]
    hungarian_iou: Float[np.ndarray, " B"]
    reconstruction_iou: Float[np.ndarray, " B"] | None
    samples: UInt8[np.ndarray, "S B H W"]
    finite: Bool[np.ndarray, " B"]

    def means(self) -> dict[str, float]:
        """Returns the mean of each available score over the scored images; NaN without any."""
        scores = {name: getattr(self, name) for name in SCORES}
        return {
            name: float(values[self.finite].mean()) if self.finite.any() else math.nan
            for name, values in scores.items()
            if values is not None
        }

    def not_scored(self, images: CroppedImages) -> list[str]:
        """Returns the names of the images that could not be scored."""
        return [images.names[place] for place in np.flatnonzero(~self.finite)]


def sample_figure(
    images: CroppedImages, scores: ValidationScores, title: str | None = None
) -> Figure:
    """Draws the first three scored images with annotations, samples and standard deviations.

    Args:
        images: The images, at least one of which was scored.
        scores: Their scores and samples.
        title: Prefix of the captions.
    """
    some = np.flatnonzero(scores.finite)[:NUM_FIGURE_IMAGES]
    image = images.image[some].mean(axis=-1)
    before = "" if title is None else f"{title}, "
    # The number of annotators that every one of these images has.
    annotators = slice(None)
    if images.weights is not None:
        annotators = slice(int(images.weights[:, some].sum(axis=0).min()))
    return figures.hypothesis_grid(
        image,
        images.labels[annotators, some],
        scores.samples[:, some],
        captions=[f"{before}image {number + 1}" for number in some],
    )


class Scorer:
    """Scores a network's samples and reconstructions.

    Devices and hosts share the work. The samples of an image depend only on the seed and on its
    position.
    """

    def __init__(self, task: Task, num_samples: int, seed: int, devices: Devices) -> None:
        """Prepares the predictor, without compilation.

        Args:
            task: The model and its sampler.
            num_samples: Samples per image.
            seed: Seed of the samples.
            devices: The devices that share the work.
        """
        self._devices = devices
        self._predictor = Predictor(task.sampler, num_samples, seed, devices)

    def __call__(self, replicated_params: PyTree, images: CroppedImages) -> ValidationScores:
        """Scores the weights. Every host must call this; it returns the scores of all images.

        Images with logits that are not finite are not scored.

        Args:
            replicated_params: The weights, with a copy on each device of this host.
            images: The images to score, the same on every host.
        """
        total = len(images.position)
        places = self._mine(total)
        predicted = self._predict(replicated_params, images, places)
        annotations, ignored = images.labels[:, places], images.ignored[places]
        counted: dict[str, Any] = {
            "ignored": ignored if ignored.any() else None,
            "weights": None if images.weights is None else images.weights[:, places],
        }
        samples, rebuilt, finite = predicted
        mine = ValidationScores(
            metrics.ged(samples, annotations, **counted),
            metrics.hungarian_iou(samples, annotations, **counted),
            None
            if rebuilt is None
            else metrics.reconstruction_iou(rebuilt, annotations, **counted),
            samples,
            finite,
        )
        for name in SCORES:
            values = getattr(mine, name)
            if values is not None:
                values[~finite] = math.nan
        return self._of_all_hosts(mine, total)

    def _mine(self, total: int) -> Int[np.ndarray, " b"]:
        # Every host scores the same number of images, some twice if the number is not divisible.
        hosts = self._devices.num_hosts
        count = -(-total // hosts)
        return (np.arange(count) * hosts + self._devices.host) % total

    def _predict(
        self, params: PyTree, images: CroppedImages, places: Int[np.ndarray, " b"]
    ) -> PredictedLabels:
        at_once = self._predictor.images_at_once
        parts = [places[start : start + at_once] for start in range(0, len(places), at_once)]
        outputs = [
            self._predictor(
                params, images.image[part], images.annotations[:, part], images.position[part]
            )
            for part in parts
        ]
        finite = np.concatenate([output.finite for output in outputs])
        samples = np.concatenate([output.samples for output in outputs], axis=1)
        parts_rebuilt = [o.reconstructions for o in outputs if o.reconstructions is not None]
        rebuilt = np.concatenate(parts_rebuilt, axis=1) if parts_rebuilt else None
        # The background is a legal label; the scores of these images are not used.
        samples[:, ~finite] = 0
        if rebuilt is not None:
            rebuilt[:, ~finite] = 0
        return PredictedLabels(samples, rebuilt, finite)

    def _of_all_hosts(self, mine: ValidationScores, total: int) -> ValidationScores:
        by_host = self._devices.gather_hosts(mine._replace(samples=mine.samples.swapaxes(0, 1)))
        # Host h holds the places h, h + hosts, ...
        merged = ValidationScores(*(_interleave(x, total) for x in by_host))
        return merged._replace(samples=merged.samples.swapaxes(0, 1))


def _interleave(by_host: np.ndarray | None, total: int) -> Any:
    if by_host is None:
        return None
    return by_host.swapaxes(0, 1).reshape(-1, *by_host.shape[2:])[:total]
