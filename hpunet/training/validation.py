"""How good the samples are, measured while training goes on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, PyTree, UInt8
from matplotlib.figure import Figure

from hpunet import figures, metrics
from hpunet.data.augment import center_crop
from hpunet.data.intensities import BYTES, Intensities
from hpunet.data.labels import without_ignored
from hpunet.data.window import Window, cut
from hpunet.inference.predictor import Predictor
from hpunet.training.devices import Devices
from hpunet.training.task import Task, scale_intensities

SHOWN_IMAGES = 3


class Cropped(NamedTuple):
    """Images to be scored, as the network sees them.

    Attributes:
        image: `[B, H, W, C]`, intensities as the network sees them.
        annotations: Class labels of all annotators, `IGNORED` where a pixel counts nowhere.
        position: Place of each image among all that are scored.
        weights: 1 for each annotator of an image, 0 for those that only fill up the array where
            images
            have different numbers of them; None where all have one number.
    """

    image: Float[np.ndarray, "B H W C"]
    annotations: UInt8[np.ndarray, "G B H W"]
    position: Int[np.ndarray, " B"]
    weights: Float[np.ndarray, "G B"] | None = None

    @property
    def labels(self) -> UInt8[np.ndarray, "G B H W"]:
        """The annotations with the background at ignored pixels."""
        return without_ignored(self.annotations)[0]

    @property
    def ignored(self) -> Bool[np.ndarray, "B H W"]:
        """Pixels that any annotator ignores."""
        return without_ignored(self.annotations)[1]


class Scored(NamedTuple):
    """Scores of images, and what they were scored by.

    Attributes:
        ged: Squared generalised energy distance of each image.
        hungarian_iou: Hungarian-matched IoU of each image.
        reconstruction_iou: IoU_rec of each image.
        samples: Class labels.
    """

    ged: Float[np.ndarray, " B"]
    hungarian_iou: Float[np.ndarray, " B"]
    reconstruction_iou: Float[np.ndarray, " B"]
    samples: UInt8[np.ndarray, "S B H W"]

    def means(self) -> dict[str, float]:
        """The means over the images."""
        return {
            "ged": float(self.ged.mean()),
            "hungarian_iou": float(self.hungarian_iou.mean()),
            "reconstruction_iou": float(self.reconstruction_iou.mean()),
        }


def crop_examples(
    examples: Sequence[dict[str, Any]],
    crop: tuple[int, int],
    intensities: Intensities = BYTES,
    window: Window | None = None,
) -> Cropped:
    """The central crops of examples.

    Args:
        examples: As a source gives them.
        crop: Height and width, in pixels.
        intensities: How values as stored become what the network sees.
        window: What is looked at of images of any size.
    """
    if window is not None:
        examples = [at_window(example, window) for example in examples]
    pairs = [center_crop(e["image"][None], e["annotations"][:, None], crop) for e in examples]
    image = np.concatenate([image for image, _ in pairs])
    annotators = np.array([len(labels) for _, labels in pairs])
    filled = [np.resize(labels, (annotators.max(), *labels.shape[1:])) for _, labels in pairs]
    there = np.arange(annotators.max())[:, None] < annotators
    return Cropped(
        np.asarray(scale_intensities(image, intensities)),
        np.concatenate(filled, axis=1),
        np.arange(len(pairs)),
        None if there.all() else there.astype(np.float64),
    )


def at_window(example: dict[str, Any], window: Window) -> dict[str, Any]:
    """An example cut to what is looked at while training goes on, with the window's margin."""
    image, annotations = cut(example["image"], example["annotations"], window.middle(example))
    return {**example, "image": image, "annotations": annotations}


def sample_figure(images: Cropped, scored: Scored, title: str | None = None) -> Figure:
    """The first three images with their annotators' masks, samples and standard deviations.

    Args:
        images: What was scored.
        scored: Samples of them.
        title: What stands in front of each image's number.
    """
    shown = slice(SHOWN_IMAGES)
    image = images.image[shown].mean(axis=-1)
    before = "" if title is None else f"{title}, "
    # Of annotators so many as every one of these images has.
    annotators = slice(None)
    if images.weights is not None:
        annotators = slice(int(images.weights[:, shown].sum(axis=0).min()))
    return figures.hypothesis_grid(
        image,
        images.labels[annotators, shown],
        scored.samples[:, shown],
        captions=[f"{before}image {number + 1}" for number in range(len(image))],
    )


class Scorer:
    """Scores a network's samples and reconstructions.

    The work is dealt out over devices and hosts; the samples of an image depend on the seed and on
    its place alone.
    """

    def __init__(self, task: Task, num_samples: int, seed: int, devices: Devices) -> None:
        """Compiles nothing yet.

        Args:
            task: Draws and rebuilds.
            num_samples: Samples an image.
            seed: Of the samples.
            devices: Share the work.
        """
        self._devices = devices
        self._predictor = Predictor(task.sampler, num_samples, seed, devices)

    def __call__(self, replicated_params: PyTree, images: Cropped) -> Scored:
        """Scores the weights; every host must call this and gets the scores of all images.

        Args:
            replicated_params: A copy on each device of this host.
            images: What to score, the same on every host.
        """
        total = len(images.position)
        places = self._mine(total)
        samples, rebuilt = self._run(replicated_params, images, places)
        annotations, ignored = images.labels[:, places], images.ignored[places]
        counted: dict[str, Any] = {
            "ignored": ignored if ignored.any() else None,
            "weights": None if images.weights is None else images.weights[:, places],
        }
        mine = Scored(
            metrics.ged(samples, annotations, **counted),
            metrics.hungarian_iou(samples, annotations, **counted),
            metrics.reconstruction_iou(rebuilt, annotations, **counted),
            samples,
        )
        return self._of_all_hosts(mine, total)

    def _mine(self, total: int) -> Int[np.ndarray, " b"]:
        # Every host takes the same number, some images twice where they do not go round.
        hosts = self._devices.num_hosts
        count = -(-total // hosts)
        return (np.arange(count) * hosts + self._devices.host) % total

    def _run(
        self, params: PyTree, images: Cropped, places: Int[np.ndarray, " b"]
    ) -> tuple[np.ndarray, np.ndarray]:
        at_once = self._predictor.images_at_once
        parts = [places[start : start + at_once] for start in range(0, len(places), at_once)]
        outputs = [
            self._predictor(
                params, images.image[part], images.annotations[:, part], images.position[part]
            )
            for part in parts
        ]
        samples, rebuilt = (np.concatenate(x, axis=1) for x in zip(*outputs, strict=True))
        return samples, rebuilt

    def _of_all_hosts(self, mine: Scored, total: int) -> Scored:
        by_host = self._devices.gather_hosts(mine._replace(samples=mine.samples.swapaxes(0, 1)))
        # Host h holds the places h, h + hosts, ...
        merged = Scored(*(x.swapaxes(0, 1).reshape(-1, *x.shape[2:])[:total] for x in by_host))
        return merged._replace(samples=merged.samples.swapaxes(0, 1))
