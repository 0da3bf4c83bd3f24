"""A network's samples of a split of a data set, drawn once and kept."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, PyTree, UInt8

from hpunet.data.augment import center_crop
from hpunet.data.dataset import Source
from hpunet.evaluation.case import Case
from hpunet.evaluation.store import Store
from hpunet.training.predictor import UNIT, Predicted, Predictor
from hpunet.training.validation import crop_examples


class SeenImage(NamedTuple):
    """An image as a network sees it.

    Attributes:
        name: Its name, the patient's in front.
        patient: Whose it is.
        image: Intensities 0 to 1.
        annotations: Class labels of its graders.
    """

    name: str
    patient: str
    image: Float[np.ndarray, "H W C"]
    annotations: UInt8[np.ndarray, "G H W"]


class Images:
    """Images of a split as a network sees them.

    Attributes:
        positions: Their places in the split, ascending.
    """

    def __init__(self, source: Source, positions: Sequence[int], crop: tuple[int, int]) -> None:
        """Takes some images of a split, of which the central part is scored.

        Args:
            source: The split.
            positions: Places in it, ascending.
            crop: Height and width of the central part, in pixels.
        """
        self._source = source
        self._crop = crop
        self.positions = list(positions)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.positions)

    def __getitem__(self, index: int) -> SeenImage:
        """The image at `index`."""
        example = self._source[self.positions[index]]
        seen = crop_examples([example], self._crop)
        return SeenImage(_name(example), example["patient"], seen.image[0], seen.annotations[:, 0])

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [name for name, _ in self._names_and_graders]

    @property
    def most_graders(self) -> int:
        """The most annotations that one of them has."""
        return max(graders for _, graders in self._names_and_graders)

    @functools.cached_property
    def _names_and_graders(self) -> list[tuple[str, int]]:
        examples = (self._source[position] for position in self.positions)
        return [(_name(example), len(example["annotations"])) for example in examples]

    def read_modes(self, index: int) -> UInt8[np.ndarray, "M H W"]:
        """Masks that the annotations of one of them were chosen from, where these are known."""
        example = self._source[self.positions[index]]
        modes = example["modes"][:, None]
        return np.asarray(center_crop(example["image"][None], modes, self._crop)[1][:, 0])


def _name(example: dict[str, Any]) -> str:
    return f"{example['patient']}/{example['name']}"


def predict(
    images: Images, indices: Sequence[int], predictor: Predictor, replicated_params: PyTree
) -> list[Predicted]:
    """What a network says of some of the images, one by one, `[S, H, W]` and `[G, H, W]`.

    Args:
        images: All of them.
        indices: Which, at most `predictor.images_at_once`.
        predictor: Draws.
        replicated_params: A copy on each device.

    Raises:
        UserError: If the network gives logits that are not finite.
    """
    seen = [images[index] for index in indices]
    # Images with fewer graders rebuild some annotations twice: one program for all.
    annotations = [
        np.resize(x.annotations, (images.most_graders, *x.image.shape[:2])) for x in seen
    ]
    predicted = predictor(
        replicated_params,
        np.stack([x.image for x in seen]),
        np.stack(annotations, axis=1),
        np.array([images.positions[index] for index in indices]),
    )
    return [
        Predicted(predicted.samples[:, b], predicted.reconstructions[: len(x.annotations), b])
        for b, x in enumerate(seen)
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
    names = images.names
    units = [range(s, min(s + UNIT, len(images))) for s in range(0, len(images), UNIT)]
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
        seen = self._images[index]
        samples, rebuilt = self._store.read(seen.name)
        return Case(
            seen.name, seen.patient, samples, seen.annotations, rebuilt, image=seen.image[..., 0]
        )
