"""A network's samples of a split of a data set, drawn once and stored."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, PyTree, Shaped, UInt8

from hpunet.data.augment import center_crop
from hpunet.data.crops import CropSampler
from hpunet.data.dataset import ExampleSource
from hpunet.data.intensities import BYTES, Intensities
from hpunet.data.labels import IGNORED, without_ignored
from hpunet.evaluation.scoring import SampledImage
from hpunet.evaluation.store import PredictionStore
from hpunet.imaging.fit import Fit, fit_window, labels_from_grid, labels_to_grid
from hpunet.inference.predictor import PredictedLabels, Predictor
from hpunet.inference.preprocessing import full_name, preprocess
from hpunet.inference.value_check import ValueProblem, value_problem


class DatasetImage(NamedTuple):
    """An image of a data set with its annotations, and the position of the network's grid.

    Attributes:
        name: Name of the image, which starts with the patient.
        patient: Name of the patient.
        values: Stored values.
        annotations: Class labels of its annotators, `IGNORED` at ignored pixels.
        intensities: How stored values become the network's intensities.
        fit: Position of the network's grid on the image.
    """

    name: str
    patient: str
    values: Shaped[np.ndarray, "H W C"]
    annotations: UInt8[np.ndarray, "G H W"]
    intensities: Intensities
    fit: Fit

    @property
    def image(self) -> Float[np.ndarray, "H W C"]:
        """The network's intensities at the size of the image."""
        return preprocess(self.values, self.intensities)

    @property
    def network_image(self) -> Float[np.ndarray, "h w C"]:
        """Intensities on the network's grid."""
        return preprocess(self.values, self.intensities, self.fit)

    @property
    def network_annotations(self) -> UInt8[np.ndarray, "G h w"]:
        """The annotations on the network's grid."""
        return labels_to_grid(self.annotations, self.fit, IGNORED)


class EvaluationPreprocessing(NamedTuple):
    """How images of a data set are preprocessed for evaluation.

    Attributes:
        crop: Height and width of the central part that is scored if all images have one size.
        intensities: How stored values become the network's intensities.
        crop_sampler: Places the network's grid on images of any size, which are scored as a whole;
            None if all images have one size.
        size_multiple: Whole images are padded to multiples of this number.
    """

    crop: tuple[int, int]
    intensities: Intensities = BYTES
    crop_sampler: CropSampler | None = None
    size_multiple: int = 1


class DatasetImages:
    """Images of a split, preprocessed for a network.

    Attributes:
        positions: Indices of the images in the split, ascending.
    """

    def __init__(
        self,
        source: ExampleSource,
        positions: Sequence[int],
        preprocessing: EvaluationPreprocessing,
    ) -> None:
        """Takes some images of a split.

        Args:
            source: The split.
            positions: Indices in the split, ascending.
            preprocessing: How images are preprocessed.
        """
        self._source = source
        self._preprocessing = preprocessing
        self.positions = list(positions)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.positions)

    def __getitem__(self, index: int) -> DatasetImage:
        """Reads the image at `index`."""
        example, given = self._source[self.positions[index]], self._preprocessing
        values, annotations = example["image"], example["annotations"]
        if given.crop_sampler is None:
            cropped, labels = center_crop(values[None], annotations[:, None], given.crop)
            values, annotations = np.asarray(cropped)[0], np.asarray(labels)[:, 0]
            fit = fit_window(given.crop, (0, 0), given.crop)
        else:
            fit = given.crop_sampler.whole(values.shape[:2], given.size_multiple)
        name, patient = full_name(example), example["patient"]
        return DatasetImage(name, patient, values, annotations, given.intensities, fit)

    @property
    def names(self) -> list[str]:
        """Name of each image."""
        return [fact.name for fact in self._facts]

    @property
    def most_annotators(self) -> int:
        """Largest number of annotations of an image."""
        return max(fact.annotators for fact in self._facts)

    @property
    def value_problems(self) -> dict[str, ValueProblem]:
        """Images whose values have another scale than in training: name and description."""
        return {fact.name: fact.problem for fact in self._facts if fact.problem is not None}

    def without(self, names: Collection[str]) -> "DatasetImages":
        """Returns the other images."""
        kept = [p for p, name in zip(self.positions, self.names, strict=True) if name not in names]
        return DatasetImages(self._source, kept, self._preprocessing)

    @functools.cached_property
    def _facts(self) -> "list[_ImageFacts]":
        intensities = self._preprocessing.intensities
        examples = (self._source[position] for position in self.positions)
        return [
            _ImageFacts(
                full_name(example),
                len(example["annotations"]),
                value_problem(example["image"], intensities),
            )
            for example in examples
        ]

    def read_modes(self, index: int) -> UInt8[np.ndarray, "M H W"]:
        """Reads the masks from which the annotations of one image were chosen."""
        example = self._source[self.positions[index]]
        modes, crop = example["modes"][:, None], self._preprocessing.crop
        return np.asarray(center_crop(example["image"][None], modes, crop)[1][:, 0])


class _ImageFacts(NamedTuple):
    """What is kept of an image when all are read once."""

    name: str
    annotators: int
    problem: ValueProblem | None


def predict_images(
    images: DatasetImages, indices: Sequence[int], predictor: Predictor, replicated_params: PyTree
) -> list[PredictedLabels]:
    """Predicts labels for some of the images, `[S, H, W]` and `[G, H, W]` for each.

    Args:
        images: All images.
        indices: Which of them.
        predictor: Draws the samples.
        replicated_params: A copy on each device.
    """
    chosen = {index: images[index] for index in indices}
    grids = dict.fromkeys(image.fit.grid for image in chosen.values())
    predicted: dict[int, PredictedLabels] = {}
    for grid in grids:
        same_grid = [index for index, image in chosen.items() if image.fit.grid == grid]
        for start in range(0, len(same_grid), predictor.images_at_once):
            batch = same_grid[start : start + predictor.images_at_once]
            parts = _predict_alike(
                [chosen[index] for index in batch],
                np.array([images.positions[index] for index in batch]),
                images.most_annotators,
                predictor,
                replicated_params,
            )
            predicted |= dict(zip(batch, parts, strict=True))
    return [predicted[index] for index in indices]


def _predict_alike(
    images: Sequence[DatasetImage],
    positions: Int[np.ndarray, " B"],
    most_annotators: int,
    predictor: Predictor,
    replicated_params: PyTree,
) -> list[PredictedLabels]:
    """Predicts for images whose grids have one size, at most `predictor.images_at_once`."""
    labels = [image.network_annotations for image in images]
    # Images with fewer annotators reconstruct some annotations twice: one program for all.
    masks = [np.resize(own, (most_annotators, *own.shape[1:])) for own in labels]
    predicted = predictor(
        replicated_params,
        np.stack([image.network_image for image in images]),
        np.stack(masks, axis=1),
        positions,
    )
    samples, rebuilt, finite = predicted
    return [
        PredictedLabels(
            labels_from_grid(samples[:, b], image.fit),
            None
            if rebuilt is None
            else labels_from_grid(rebuilt[: len(image.annotations), b], image.fit),
            np.asarray(finite[b]),
        )
        for b, image in enumerate(images)
    ]


def draw_all(
    images: DatasetImages,
    predictor: Predictor,
    replicated_params: PyTree,
    store: PredictionStore,
    progress: Callable[[int], Any],
) -> list[str]:
    """Draws the samples that the store lacks.

    Images are always processed in the same units, so that samples do not depend on which images the
    store already holds. The store does not keep images whose logits are not finite.

    Args:
        images: The images to score.
        predictor: Draws the samples.
        replicated_params: A copy on each device.
        store: Keeps the predictions.
        progress: Called with the number of images that the store already holds or newly holds.

    Returns:
        Names of the images whose logits are not finite.
    """
    names = images.names
    size = predictor.unit
    units = [range(s, min(s + size, len(images))) for s in range(0, len(images), size)]
    missing = [unit for unit in units if any(names[index] not in store for index in unit)]
    progress(len(images) - sum(map(len, missing)))
    at_once = predictor.images_at_once // size
    not_finite = []
    for start in range(0, len(missing), at_once):
        indices = [index for unit in missing[start : start + at_once] for index in unit]
        predictions = predict_images(images, indices, predictor, replicated_params)
        for index, predicted in zip(indices, predictions, strict=True):
            if predicted.finite.all():
                store.write(names[index], predicted.samples, predicted.reconstructions)
            else:
                not_finite.append(names[index])
        progress(len(indices))
    return not_finite


class StoredImages:
    """Images with the samples that a store keeps of them."""

    def __init__(self, images: DatasetImages, store: PredictionStore) -> None:
        """Takes images whose predictions are all in the store."""
        self._images = images
        self._store = store

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> SampledImage:
        """Reads the image at `index`."""
        image = self._images[index]
        samples, rebuilt = self._store.read(image.name)
        annotations, ignored = without_ignored(image.annotations)
        return SampledImage(
            image.name,
            image.patient,
            samples,
            annotations,
            rebuilt,
            ignored=ignored if ignored.any() else None,
            image=image.image.mean(axis=-1),
        )
