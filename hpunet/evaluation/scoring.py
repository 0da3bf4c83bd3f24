"""The scores of every image of a set."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from hpunet import metrics
from hpunet.errors import UserError
from hpunet.evaluation.case import Case, Cases


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


class ImageScores(NamedTuple):
    """Scores of all images, one entry an image.

    Attributes:
        names: Of the images.
        patients: Whose they are.
        num_graders: How many annotations each has.
        num_drawn: How many of these show anything of what is scored.
        by_num_samples: Scores by how many samples they were computed with.
    """

    names: list[str]
    patients: list[str]
    num_graders: Int[np.ndarray, " B"]
    num_drawn: Int[np.ndarray, " B"]
    by_num_samples: Mapping[int, metrics.Scores]

    def subset(self, chosen: Bool[np.ndarray, " B"]) -> "ImageScores":
        """The images that are marked."""
        places = np.flatnonzero(chosen)
        return ImageScores(
            [self.names[n] for n in places],
            [self.patients[n] for n in places],
            self.num_graders[places],
            self.num_drawn[places],
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
    names, patients, graders, drawn = [], [], [], []
    scores: dict[int, list[metrics.Scores]] = {n: [] for n in num_samples}
    for index in range(len(cases)):
        case = cases[index]
        for n, score in _score(case, num_samples, conventions).items():
            scores[n].append(score)
        names.append(case.name)
        patients.append(case.patient)
        graders.append(len(case.annotations) if case.weights is None else np.sum(case.weights > 0))
        drawn.append(_count_drawn(case, conventions.classes))
        done(1)
    if not names:
        raise UserError("there are no images to be scored")
    joined = {n: _join(parts) for n, parts in scores.items()}
    return ImageScores(names, patients, np.array(graders), np.array(drawn), joined)


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


def _count_drawn(case: Case, classes: Sequence[int] | None) -> int:
    """How many annotations that count show any foreground, or any of the classes."""
    shown = case.annotations > 0 if classes is None else np.isin(case.annotations, classes)
    if case.ignored is not None:
        shown = shown & ~case.ignored
    counted = np.ones(len(shown), bool) if case.weights is None else case.weights > 0
    return int(np.sum(shown.any(axis=(1, 2)) & counted))


def _join(parts: Sequence[metrics.Scores]) -> metrics.Scores:
    """One entry an image out of many with one image each."""
    most = max(part.modes.chosen.shape[0] for part in parts)

    def join(*arrays: Any) -> Any:
        if isinstance(arrays[0], tuple):
            return type(arrays[0])(*(join(*inner) for inner in zip(*arrays, strict=True)))
        return np.concatenate(arrays)

    # Modes are [G, B]; with the images in front, and as many as any image has, they join alike.
    return join(*(part._replace(modes=_pad_modes(part.modes, most)) for part in parts))


def _pad_modes(modes: metrics.ModeFrequencies, most: int) -> metrics.ModeFrequencies:
    missing = ((0, 0), (0, most - modes.chosen.shape[0]))
    return metrics.ModeFrequencies(*(np.pad(x.T, missing, constant_values=np.nan) for x in modes))


def _take(scores: Any, places: Int[np.ndarray, " b"]) -> Any:
    if isinstance(scores, tuple):
        return type(scores)(*(_take(inner, places) for inner in scores))
    return scores[places]
