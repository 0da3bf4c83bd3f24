"""Images with samples and annotations, and their scores."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from hpunet import metrics
from hpunet.io.errors import UserError


class SampledImage(NamedTuple):
    """One image with samples and annotations of any source.

    Attributes:
        name: Unique in the set.
        patient: Name of the patient; images of one patient are not independent.
        samples: Class labels drawn by the model that is scored.
        annotations: Class labels by the annotators.
        reconstructions: Each annotation reconstructed from its own latents, or None.
        ignored: Pixels that are ignored, or None.
        weights: Weight of each annotation, or None for equal weights.
        image: The image itself, any range, for figures, or None.
    """

    name: str
    patient: str
    samples: UInt8[np.ndarray, "S H W"]
    annotations: UInt8[np.ndarray, "G H W"]
    reconstructions: UInt8[np.ndarray, "G H W"] | None = None
    ignored: Bool[np.ndarray, "H W"] | None = None
    weights: Float[np.ndarray, " G"] | None = None
    image: Float[np.ndarray, "H W"] | None = None


@runtime_checkable
class SampledImages(Protocol):
    """A set of images that are read one by one, in any order."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int) -> SampledImage:
        """Reads the image at `index`."""


@dataclasses.dataclass(frozen=True)
class Conventions:
    """Conventions of the scores.

    Attributes:
        classes: Classes that are scored and averaged; None for foreground against background.
        num_bins: Bins of the calibration.
        draws: Draws of the bootstrap.
        level: Confidence level of the intervals.
        seed: Seed of the bootstrap.
    """

    classes: tuple[int, ...] | None = None
    num_bins: int = 10
    draws: int = 1000
    level: float = 0.95
    seed: int = 0

    @property
    def bootstrap(self) -> dict[str, Any]:
        """Arguments of the estimates of `hpunet.metrics`."""
        return {"draws": self.draws, "seed": self.seed, "level": self.level}


class NotScored(NamedTuple):
    """An image that cannot be sampled, read or scored.

    Attributes:
        name: Its name.
        problem: What is wrong.
    """

    name: str
    problem: str


# Scores with one number for each image.
_NUMBERS = tuple(n for n in metrics.Scores._fields if n not in ("calibration", "modes"))


class ImageScores(NamedTuple):
    """Scores of all images, one entry for each image.

    Attributes:
        names: Names of the images.
        patients: Patient of each image.
        num_annotations: Number of annotations.
        num_annotators: Number of annotations of positive weight.
        num_drawn: Number of these in which a scored class is marked.
        sizes: Height and width in pixels.
        is_plain: Whether all pixels count and all annotations have the same weight.
        by_num_samples: Scores by the number of samples they were computed with.
        places: Index of each image in the set.
        not_scored: Images that cannot be sampled, read or scored; they have no entries above.
    """

    names: list[str]
    patients: list[str]
    num_annotations: Int[np.ndarray, " B"]
    num_annotators: Int[np.ndarray, " B"]
    num_drawn: Int[np.ndarray, " B"]
    sizes: list[tuple[int, int]]
    is_plain: Bool[np.ndarray, " B"]
    by_num_samples: Mapping[int, metrics.Scores]
    places: Sequence[int] = ()
    not_scored: tuple[NotScored, ...] = ()

    def subset(self, chosen: Bool[np.ndarray, " B"]) -> "ImageScores":
        """Returns the scores of the chosen images."""
        places = np.flatnonzero(chosen)
        return ImageScores(
            [self.names[n] for n in places],
            [self.patients[n] for n in places],
            self.num_annotations[places],
            self.num_annotators[places],
            self.num_drawn[places],
            [self.sizes[n] for n in places],
            self.is_plain[places],
            {n: _take(scores, places) for n, scores in self.by_num_samples.items()},
        )


def score_images(
    images: SampledImages,
    num_samples: Sequence[int],
    conventions: Conventions,
    progress: Callable[[int], Any],
) -> ImageScores:
    """Scores all images, one by one; an image that cannot be scored does not stop the others.

    Args:
        images: Images with samples and annotations.
        num_samples: Numbers of samples to score with, the first ones of each image.
        conventions: Conventions of the scores.
        progress: Called with the number of newly scored images, at the end also of the others.

    Raises:
        UserError: If there is no image, or if none can be scored; the message is that of the first.
    """
    facts: list[_Facts] = []
    places: list[int] = []
    not_scored: list[NotScored] = []
    scores: dict[int, list[metrics.Scores]] = {n: [] for n in num_samples}
    for index in range(len(images)):
        try:
            image = images[index]
            for n, score in _score(image, num_samples, conventions).items():
                scores[n].append(score)
            facts.append(_facts(image, conventions.classes))
            places.append(index)
        except UserError as error:
            not_scored.append(NotScored(_name_of(images, index), str(error)))
        else:
            progress(1)
    if not facts:
        raise UserError(not_scored[0].problem if not_scored else "there are no images to score")
    if not_scored:
        progress(len(not_scored))
    return ImageScores(
        [fact.name for fact in facts],
        [fact.patient for fact in facts],
        np.array([fact.num_annotations for fact in facts]),
        np.array([fact.num_annotators for fact in facts]),
        np.array([fact.num_drawn for fact in facts]),
        [fact.size for fact in facts],
        np.array([fact.is_plain for fact in facts]),
        {n: _join(parts) for n, parts in scores.items()},
        places,
        tuple(not_scored),
    )


def _name_of(images: SampledImages, index: int) -> str:
    """The name of an image that cannot be read; sets of images in files know all names."""
    names = getattr(images, "names", None)
    return f"image {index + 1}" if names is None else names[index]


class ScoredImages:
    """The images of a set that were scored."""

    def __init__(self, images: SampledImages, scores: ImageScores) -> None:
        """Takes the set and its scores."""
        self._images, self._places = images, scores.places

    def __len__(self) -> int:
        """Number of images."""
        return len(self._places)

    def __getitem__(self, index: int) -> SampledImage:
        """Reads the image at `index`."""
        return self._images[self._places[index]]


class _Facts(NamedTuple):
    """The entries of one image in `ImageScores`."""

    name: str
    patient: str
    num_annotations: int
    num_annotators: int
    num_drawn: int
    size: tuple[int, int]
    is_plain: bool


def _facts(image: SampledImage, classes: Sequence[int] | None) -> _Facts:
    counted = np.ones(len(image.annotations), bool) if image.weights is None else image.weights > 0
    marked = image.annotations > 0 if classes is None else np.isin(image.annotations, classes)
    if image.ignored is not None:
        marked = marked & ~image.ignored
    height, width = image.annotations.shape[1:]
    return _Facts(
        image.name,
        image.patient,
        len(image.annotations),
        int(counted.sum()),
        int(np.sum(marked.any(axis=(1, 2)) & counted)),
        (height, width),
        image.ignored is None and (image.weights is None or len(set(image.weights)) == 1),
    )


def _score(
    image: SampledImage, num_samples: Sequence[int], conventions: Conventions
) -> dict[int, metrics.Scores]:
    if len(image.samples) < max(num_samples):
        raise UserError(
            f"--num_samples={max(num_samples)}: {image.name} has {len(image.samples)} samples; "
            f"allowed is at most {len(image.samples)}"
        )
    if image.ignored is not None and image.ignored.all():
        raise UserError(f"{image.name}: all of its pixels are ignored; there is nothing to score")
    rebuilt = image.reconstructions
    return metrics.score(
        image.samples[:, None],
        image.annotations[:, None],
        reconstructions=None if rebuilt is None else rebuilt[:, None],
        num_samples=num_samples,
        num_bins=conventions.num_bins,
        classes=conventions.classes,
        ignored=None if image.ignored is None else image.ignored[None],
        weights=image.weights,
    )


def _join(parts: Sequence[metrics.Scores]) -> metrics.Scores:
    """Joins the scores of single images."""
    most = max(len(part.modes.chosen) for part in parts)
    modes = zip(*([_padded(x, most) for x in part.modes] for part in parts), strict=True)
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _NUMBERS}
    calibrations = zip(*(part.calibration for part in parts), strict=True)
    return metrics.Scores(
        **joined,
        calibration=metrics.Calibration(*map(np.concatenate, calibrations)),
        modes=metrics.HeldOutFrequencies(*(np.concatenate(x, axis=1) for x in modes)),
    )


def _padded(shares: Float[np.ndarray, "N B"], most: int) -> Float[np.ndarray, "M B"]:
    """Pads shares with NaN for the modes that only images with more annotators have."""
    return np.pad(shares, ((0, most - len(shares)), (0, 0)), constant_values=np.nan)


def _take(scores: metrics.Scores, places: Int[np.ndarray, " b"]) -> metrics.Scores:
    taken = {name: getattr(scores, name)[places] for name in _NUMBERS}
    return metrics.Scores(
        **taken,
        calibration=metrics.Calibration(*(x[places] for x in scores.calibration)),
        modes=metrics.HeldOutFrequencies(*(x[:, places] for x in scores.modes)),
    )
