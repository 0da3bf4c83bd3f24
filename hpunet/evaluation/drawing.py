"""A network's samples of a split of a data set, drawn once and kept."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, PyTree, UInt8

from hpunet.data.augment import center_crop
from hpunet.data.dataset import Source
from hpunet.evaluation.case import Case
from hpunet.evaluation.store import Store
from hpunet.training.predictor import UNIT, Predicted, Predictor


class Images:
    """Images of a split as a network sees them.

    Attributes:
        positions: Their places in the split, ascending.
        crop: Height and width of the central part that is scored, in pixels.
    """

    def __init__(self, source: Source, positions: Sequence[int], crop: tuple[int, int]) -> None:
        """Takes some images of a split."""
        self._source = source
        self.positions = list(positions)
        self.crop = crop

    def __len__(self) -> int:
        """Number of images."""
        return len(self.positions)

    def read(
        self, index: int
    ) -> tuple[str, str, Float[np.ndarray, "H W C"], UInt8[np.ndarray, "G H W"]]:
        """Name, patient, intensities 0 to 1 and annotations of one of them."""
        example = self._source[self.positions[index]]
        image, annotations = center_crop(
            example["image"][None], example["annotations"][:, None], self.crop
        )
        name, patient = example["name"], example["patient"]
        scaled = np.asarray(image[0], np.float32) / np.float32(255)
        return f"{patient}/{name}", patient, scaled, np.asarray(annotations[:, 0])

    def read_modes(self, index: int) -> UInt8[np.ndarray, "M H W"]:
        """Masks that the annotations of one of them were chosen from, where these are known."""
        example = self._source[self.positions[index]]
        modes = example["modes"][:, None]
        return np.asarray(center_crop(example["image"][None], modes, self.crop)[1][:, 0])


def predict(
    images: Images, indices: Sequence[int], predictor: Predictor, replicated_params: PyTree
) -> list[Predicted]:
    """What a network says of some of the images, one by one, `[S, H, W]` and `[G, H, W]`.

    Args:
        images: All of them.
        indices: Which, at most `predictor.images_at_once`.
        predictor: Draws.
        replicated_params: A copy on each device.
    """
    examples = [images.read(index) for index in indices]
    most = max(len(annotations) for *_, annotations in examples)
    predicted = predictor(
        replicated_params,
        np.stack([image for *_, image, _ in examples]),
        # Images with fewer graders rebuild some of them twice.
        np.stack([np.resize(a, (most, *a.shape[1:])) for *_, a in examples], axis=1),
        np.array([images.positions[index] for index in indices]),
    )
    return [
        Predicted(predicted.samples[:, b], predicted.reconstructions[: len(annotations), b])
        for b, (*_, annotations) in enumerate(examples)
    ]


def draw_all(
    images: Images,
    predictor: Predictor,
    replicated_params: PyTree,
    store: Store,
    done: Callable[[int], Any],
) -> None:
    """Draws what the store lacks.

    Images are always taken in the same units, so that the samples are the same to the bit however
    many were there before.

    Args:
        images: To be scored.
        predictor: Draws.
        replicated_params: A copy on each device.
        store: Where predictions are kept.
        done: Called with the number of images that are new in the store, or were there.
    """
    units = [range(s, min(s + UNIT, len(images))) for s in range(0, len(images), UNIT)]
    names = [images.read(index)[0] for index in range(len(images))]
    missing = [unit for unit in units if any(names[index] not in store for index in unit)]
    done(len(images) - sum(map(len, missing)))
    at_once = predictor.images_at_once // UNIT
    for start in range(0, len(missing), at_once):
        indices = [index for unit in missing[start : start + at_once] for index in unit]
        predictions = predict(images, indices, predictor, replicated_params)
        for index, predicted in zip(indices, predictions, strict=True):
            store.write(names[index], *predicted)
        done(len(indices))


class DrawnCases:
    """Images with the samples that a store keeps of them."""

    def __init__(self, images: Images, store: Store) -> None:
        """Takes images all of which the store holds."""
        self._images = images
        self._store = store

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> Case:
        """The case at `index`."""
        name, patient, image, annotations = self._images.read(index)
        samples, reconstructions = self._store.read(name)
        return Case(name, patient, samples, annotations, reconstructions, image=image[..., 0])
