"""The scores of every image of a set."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from hpunet import metrics
from hpunet.evaluation.case import Case, Cases
from hpunet.io.errors import UserError


@dataclasses.dataclass(frozen=True)
class Conventions:
    """What the scores leave open.

    Attributes:
        classes: Classes that are scored and averaged; None for foreground against background.
        num_bins: Bins of the calibration.
        draws: Draws of the bootstrap.
        level: Confidence level of the intervals.
        seed: Of the bootstrap.
    """

    classes: tuple[int, ...] | None = None
    num_bins: int = 10
    draws: int = 1000
    level: float = 0.95
    seed: int = 0

    @property
    def bootstrap(self) -> dict[str, Any]:
        """What the estimates of `hpunet.metrics` ask for."""
        return {"draws": self.draws, "seed": self.seed, "level": self.level}


# Scores that are one number an image.
_NUMBERS = tuple(n for n in metrics.Scores._fields if n not in ("calibration", "modes"))


class ImageScores(NamedTuple):
    """Scores of all images, one entry an image.

    Attributes:
        names: Of the images.
        patients: Whose they are.
        num_annotations: How many each has.
        num_annotators: How many of these count.
        num_drawn: How many of these show anything of what is scored.
        sizes: Height and width.
        is_plain: Whether all pixels and all annotators count alike.
        by_num_samples: Scores by how many samples they were computed with.
    """

    names: list[str]
    patients: list[str]
    num_annotations: Int[np.ndarray, " B"]
    num_annotators: Int[np.ndarray, " B"]
    num_drawn: Int[np.ndarray, " B"]
    sizes: list[tuple[int, int]]
    is_plain: Bool[np.ndarray, " B"]
    by_num_samples: Mapping[int, metrics.Scores]

    def subset(self, chosen: Bool[np.ndarray, " B"]) -> "ImageScores":
        """The images that are marked."""
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


def score_cases(
    cases: Cases,
    num_samples: Sequence[int],
    conventions: Conventions,
    done: Callable[[int], Any],
) -> ImageScores:
    """Scores all images, one by one.

    Args:
        cases: Images with samples and annotations.
        num_samples: How many of the samples to score with, the first ones of each image.
        conventions: What the scores leave open.
        done: Called with the number of images that are newly scored.

    Raises:
        UserError: If there is no image, or one has too few samples.
    """
    facts: list[_Facts] = []
    scores: dict[int, list[metrics.Scores]] = {n: [] for n in num_samples}
    for index in range(len(cases)):
        case = cases[index]
        for n, score in _score(case, num_samples, conventions).items():
            scores[n].append(score)
        facts.append(_facts(case, conventions.classes))
        done(1)
    if not facts:
        raise UserError("there are no images to be scored")
    return ImageScores(
        [fact.name for fact in facts],
        [fact.patient for fact in facts],
        np.array([fact.num_annotations for fact in facts]),
        np.array([fact.num_annotators for fact in facts]),
        np.array([fact.num_drawn for fact in facts]),
        [fact.size for fact in facts],
        np.array([fact.is_plain for fact in facts]),
        {n: _join(parts) for n, parts in scores.items()},
    )


class _Facts(NamedTuple):
    """Of one image what `ImageScores` holds of all."""

    name: str
    patient: str
    num_annotations: int
    num_annotators: int
    num_drawn: int
    size: tuple[int, int]
    is_plain: bool


def _facts(case: Case, classes: Sequence[int] | None) -> _Facts:
    counted = np.ones(len(case.annotations), bool) if case.weights is None else case.weights > 0
    shown = case.annotations > 0 if classes is None else np.isin(case.annotations, classes)
    if case.ignored is not None:
        shown = shown & ~case.ignored
    height, width = case.annotations.shape[1:]
    return _Facts(
        case.name,
        case.patient,
        len(case.annotations),
        int(counted.sum()),
        int(np.sum(shown.any(axis=(1, 2)) & counted)),
        (height, width),
        case.ignored is None and (case.weights is None or len(set(case.weights)) == 1),
    )


def _score(
    case: Case, num_samples: Sequence[int], conventions: Conventions
) -> dict[int, metrics.Scores]:
    if len(case.samples) < max(num_samples):
        raise UserError(
            f"{case.name}: it has {len(case.samples)} samples, asked for are {max(num_samples)}; "
            f"allowed is --num_samples up to {len(case.samples)}"
        )
    if case.ignored is not None and case.ignored.all():
        raise UserError(f"{case.name}: all of its pixels are ignored; there is nothing to score")
    rebuilt = case.reconstructions
    return metrics.score(
        case.samples[:, None],
        case.annotations[:, None],
        reconstructions=None if rebuilt is None else rebuilt[:, None],
        num_samples=num_samples,
        num_bins=conventions.num_bins,
        classes=conventions.classes,
        ignored=None if case.ignored is None else case.ignored[None],
        weights=case.weights,
    )


def _join(parts: Sequence[metrics.Scores]) -> metrics.Scores:
    """One entry an image out of many with one image each."""
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
    """Shares with NaN at the modes that images with more annotators have."""
    return np.pad(shares, ((0, most - len(shares)), (0, 0)), constant_values=np.nan)


def _take(scores: metrics.Scores, places: Int[np.ndarray, " b"]) -> metrics.Scores:
    taken = {name: getattr(scores, name)[places] for name in _NUMBERS}
    return metrics.Scores(
        **taken,
        calibration=metrics.Calibration(*(x[places] for x in scores.calibration)),
        modes=metrics.HeldOutFrequencies(*(x[:, places] for x in scores.modes)),
    )
