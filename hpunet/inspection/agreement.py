"""How far annotators of the same image agree."""

import itertools

import numpy as np
from jaxtyping import Bool, Float, UInt8

from hpunet import metrics
from hpunet.data.labels import without_ignored
from hpunet.inspection.material import Example
from hpunet.inspection.mean import Mean
from hpunet.metrics.ged import diversity_of, energy_of, mean_distance

Pair = tuple[str, str]


class Agreement:
    """Means over the images that two annotators both looked at.

    Foreground is every class but the background; two masks without it agree. A pixel that any
    annotator of an image ignores counts for none of them.

    Attributes:
        pairs: Intersection over union of the foregrounds of two annotators, by their sorted names.
        alone: By name, the squared energy distance of an annotator's mask, as a single sample, to
            the masks of all others of the image.
        classes: By label, intersection over union of two annotators' regions of that class, where
            at least one of them has it; empty where the foreground is a single class.
    """

    def __init__(self, num_classes: int) -> None:
        """Has seen no image yet."""
        self.pairs: dict[Pair, Mean] = {}
        self.alone: dict[str, Mean] = {}
        labels = range(1, num_classes) if num_classes > 2 else ()
        self.classes = {label: Mean() for label in labels}

    def add(self, example: Example) -> None:
        """Counts an image in; one with a single annotation tells nothing."""
        if len(example.annotations) < 2:
            return
        labels, ignored = without_ignored(example.annotations)
        iou = _iou(labels, ignored)
        names = example.annotators
        for (i, first), (j, second) in itertools.combinations(enumerate(names), 2):
            pair = (min(first, second), max(first, second))
            self.pairs.setdefault(pair, Mean()).add(iou[i, j])
        for place, name in enumerate(names):
            self.alone.setdefault(name, Mean()).add(_energy_alone(iou, place))
        for label, mean in self.classes.items():
            _add_class(mean, labels, ignored, label)


def _iou(
    labels: UInt8[np.ndarray, "G H W"],
    ignored: Bool[np.ndarray, "H W"],
    classes: tuple[int, ...] | None = None,
) -> Float[np.ndarray, "G G"]:
    image = labels[:, None]
    return metrics.pairwise_iou(image, image, classes=classes, ignored=ignored[None])[0]


def _energy_alone(iou: Float[np.ndarray, "G G"], place: int) -> float:
    """`hpunet.metrics.ged` of one mask and the others, from what is known of all pairs."""
    others = np.delete(np.arange(len(iou)), place)
    weights = np.ones(len(others))
    between = mean_distance(iou[[place]][:, others], weights)
    return energy_of(between, 0.0, diversity_of(iou[others][:, others], weights, unbiased=False))


def _add_class(
    mean: Mean, labels: UInt8[np.ndarray, "G H W"], ignored: Bool[np.ndarray, "H W"], label: int
) -> None:
    has = ((labels == label) & ~ignored).any(axis=(1, 2))
    if not has.any():
        return
    iou = _iou(labels, ignored, classes=(label,))
    for i, j in itertools.combinations(range(len(labels)), 2):
        if has[i] or has[j]:
            mean.add(iou[i, j])
