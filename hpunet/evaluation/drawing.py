"""A network's samples of a split of a data set, drawn once and kept."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, PyTree, UInt8

from hpunet.data.augment import center_crop
from hpunet.data.dataset import Source
from hpunet.data.intensities import BYTES, Intensities
from hpunet.data.labels import without_ignored
from hpunet.data.window import Window, cut
from hpunet.evaluation.case import Case
from hpunet.evaluation.store import Store
from hpunet.imaging.fit import Fit, fit_window, labels_from_grid
from hpunet.inference.predictor import Predicted, Predictor
from hpunet.training.validation import crop_examples


class SeenImage(NamedTuple):
    """An image as it is scored, and where a network sees it.

    Attributes:
        name: Its name, the patient's in front.
        patient: Whose it is.
        image: Intensities as the network sees them.
        annotations: Class labels of its annotators, `IGNORED` where a pixel counts nowhere.
        fit: Where the network's grid lies on it.
    """

    name: str
    patient: str
    image: Float[np.ndarray, "H W C"]
    annotations: UInt8[np.ndarray, "G H W"]
    fit: Fit


class Way(NamedTuple):
    """How images of a data set are brought before a network.

    Attributes:
        crop: Height and width of the central part that is scored where all images have one size.
        intensities: How values as stored become what the network sees.
        window: Where images have any size: then all of each is scored.
        multiple: What the sides of a whole image are filled up to multiples of.
    """

    crop: tuple[int, int]
    intensities: Intensities = BYTES
    window: Window | None = None
    multiple: int = 1


class Images:
    """Images of a split as a network sees them.

    Attributes:
        positions: Their places in the split, ascending.
    """

    def __init__(self, source: Source, positions: Sequence[int], way: Way) -> None:
        """Takes some images of a split.

        Args:
            source: The split.
            positions: Places in it, ascending.
            way: How they are brought before the network.
        """
        self._source = source
        self._way = way
        self.positions = list(positions)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.positions)

    def __getitem__(self, index: int) -> SeenImage:
        """The image at `index`."""
        example, way = self._source[self.positions[index]], self._way
        if way.window is None:
            seen = crop_examples([example], way.crop, way.intensities)
            image, annotations = seen.image[0], seen.annotations[:, 0]
            fit = fit_window(way.crop, (0, 0), way.crop[0])
        else:
            image = way.intensities.apply(example["image"].astype(np.float32))
            annotations = example["annotations"]
            fit = way.window.whole(image.shape[:2], way.multiple)
        return SeenImage(_name(example), example["patient"], image, annotations, fit)

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [name for name, _ in self._names_and_annotators]

    @property
    def most_annotators(self) -> int:
        """The most annotations that one of them has."""
        return max(annotators for _, annotators in self._names_and_annotators)

    @functools.cached_property
    def _names_and_annotators(self) -> list[tuple[str, int]]:
        examples = (self._source[position] for position in self.positions)
        return [(_name(example), len(example["annotations"])) for example in examples]

    def read_modes(self, index: int) -> UInt8[np.ndarray, "M H W"]:
        """Masks that the annotations of one of them were chosen from, where these are known."""
        example = self._source[self.positions[index]]
        modes = example["modes"][:, None]
        return np.asarray(center_crop(example["image"][None], modes, self._way.crop)[1][:, 0])


def _name(example: dict[str, Any]) -> str:
    patient, name = example["patient"], example["name"]
    # The name of a file in the patient's folder begins with that.
    return name if name.startswith(f"{patient}/") else f"{patient}/{name}"


def predict(
    images: Images, indices: Sequence[int], predictor: Predictor, replicated_params: PyTree
) -> list[Predicted]:
    """What a network says of some of the images, one by one, `[S, H, W]` and `[G, H, W]`.

    Args:
        images: All of them.
        indices: Which.
        predictor: Draws.
        replicated_params: A copy on each device.

    Raises:
        UserError: If the network gives logits that are not finite.
    """
    seen = {index: images[index] for index in indices}
    grids = dict.fromkeys(x.fit.grid for x in seen.values())
    found: dict[int, Predicted] = {}
    for grid in grids:
        alike = [index for index, x in seen.items() if x.fit.grid == grid]
        for start in range(0, len(alike), predictor.images_at_once):
            chosen = alike[start : start + predictor.images_at_once]
            parts = _predict_alike(
                [seen[index] for index in chosen],
                np.array([images.positions[index] for index in chosen]),
                images.most_annotators,
                predictor,
                replicated_params,
            )
            found |= dict(zip(chosen, parts, strict=True))
    return [found[index] for index in indices]


def _predict_alike(
    seen: Sequence[SeenImage],
    positions: Int[np.ndarray, " B"],
    most_annotators: int,
    predictor: Predictor,
    replicated_params: PyTree,
) -> list[Predicted]:
    """Predicts for images whose grids have one size, at most `predictor.images_at_once`."""
    on_grid = [cut(x.image, x.annotations, x.fit) for x in seen]
    # Images with fewer annotators rebuild some annotations twice: one program for all.
    masks = [np.resize(labels, (most_annotators, *labels.shape[1:])) for _, labels in on_grid]
    predicted = predictor(
        replicated_params,
        np.stack([image for image, _ in on_grid]),
        np.stack(masks, axis=1),
        positions,
    )
    return [
        Predicted(
            labels_from_grid(predicted.samples[:, b], x.fit),
            labels_from_grid(predicted.reconstructions[: len(x.annotations), b], x.fit),
        )
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
    size = predictor.unit
    units = [range(s, min(s + size, len(images))) for s in range(0, len(images), size)]
    missing = [unit for unit in units if any(names[index] not in store for index in unit)]
    done(len(images) - sum(map(len, missing)))
    at_once = predictor.images_at_once // size
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
        annotations, ignored = without_ignored(seen.annotations)
        return Case(
            seen.name,
            seen.patient,
            samples,
            annotations,
            rebuilt,
            ignored=ignored if ignored.any() else None,
            image=seen.image.mean(axis=-1),
        )
