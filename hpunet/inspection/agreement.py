"""Agreement of the annotators of the same image."""

import itertools

import numpy as np
from jaxtyping import Bool, Float, UInt8

from hpunet import metrics
from hpunet.data.labels import without_ignored
from hpunet.inspection.counts import RunningMean
from hpunet.inspection.dataset_reader import Example
from hpunet.metrics.ged import diversity_of, energy_of, mean_distance

Pair = tuple[str, str]


class Agreement:
    """Mean agreement over the images with at least two annotations.

    The foreground is every class but the background; two masks without foreground agree. A pixel
    that any annotator of an image ignores is excluded for all of them.

    Attributes:
        pairs: IoU of the foregrounds of two annotators, by their sorted names.
        alone: Squared energy distance between the mask of an annotator, as a single sample, and the
            masks of all other annotators of the image, by name.
        classes: IoU of two annotators by label, over pairs of which at least one has the class;
            empty for a single foreground class.
    """

    def __init__(self, num_classes: int) -> None:
        """Starts without images."""
        self.pairs: dict[Pair, RunningMean] = {}
        self.alone: dict[str, RunningMean] = {}
        labels = range(1, num_classes) if num_classes > 2 else ()
        self.classes = {label: RunningMean() for label in labels}

    def add(self, example: Example) -> None:
        """Adds an example; an example with a single annotation is skipped."""
        if len(example.annotations) < 2:
            return
        labels, ignored = without_ignored(example.annotations)
        iou = _iou(labels, ignored)
        names = example.annotators
        for (i, first), (j, second) in itertools.combinations(enumerate(names), 2):
            pair = (min(first, second), max(first, second))
            self.pairs.setdefault(pair, RunningMean()).add(iou[i, j])
        for index, name in enumerate(names):
            self.alone.setdefault(name, RunningMean()).add(_energy_alone(iou, index))
        for label, mean in self.classes.items():
            _add_class(mean, labels, ignored, label)


def _iou(
    labels: UInt8[np.ndarray, "G H W"],
    ignored: Bool[np.ndarray, "H W"],
    classes: tuple[int, ...] | None = None,
) -> Float[np.ndarray, "G G"]:
    image = labels[:, None]
    return metrics.pairwise_iou(image, image, classes=classes, ignored=ignored[None])[0]


def _energy_alone(iou: Float[np.ndarray, "G G"], index: int) -> float:
    """`hpunet.metrics.ged` of one mask and all others, from the IoU of all pairs."""
    others = np.delete(np.arange(len(iou)), index)
    weights = np.ones(len(others))
    between = mean_distance(iou[[index]][:, others], weights)
    return energy_of(between, 0.0, diversity_of(iou[others][:, others], weights, unbiased=False))


def _add_class(
    mean: RunningMean,
    labels: UInt8[np.ndarray, "G H W"],
    ignored: Bool[np.ndarray, "H W"],
    label: int,
) -> None:
    has = ((labels == label) & ~ignored).any(axis=(1, 2))
    if not has.any():
        return
    iou = _iou(labels, ignored, classes=(label,))
    for i, j in itertools.combinations(range(len(labels)), 2):
        if has[i] or has[j]:
            mean.add(iou[i, j])
