"""How sure a mean over images is: bootstrap over patients."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpunet.metrics.calibration import Calibration, expected_calibration_error

_Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Estimate(NamedTuple):
    """A score of a set of images and how far it may be off.

    Attributes:
        value: Of all images; NaN without any.
        low: Lower end of the interval; NaN with fewer than two patients.
        high: Upper end.
        num_images: Images that count, those without a value left out.
        num_patients: Patients they come from.
    """

    value: float
    low: float
    high: float
    num_images: int
    num_patients: int


def estimate_mean(
    values: ArrayLike,
    patients: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Mean of a score over images, with a percentile interval by bootstrap over patients.

    Each draw takes as many patients as there are, with replacement, and all images of a patient as
    often as the patient; its value is the mean over the images taken. Images of one patient
    resemble each other, so an interval over images would be too narrow. Images whose score is NaN
    are left out first.

    Args:
        values: Scores `[B]`.
        patients: Whose image it is, B names.
        draws: Number of draws.
        seed: Of the draws; the same one gives the same interval.
        level: Share of the draws inside the interval, in (0, 1).

    Raises:
        ValueError: If the lengths differ or draws or level is not allowed.

    Reference: Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 13.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise ValueError(f"values has shape {values.shape}; allowed is [B]")
    sums = np.stack([values, np.ones_like(values)], axis=1)
    return _estimate(sums, patients, _Draws.of(draws, seed, level), _mean)


def estimate_calibration_error(
    calibration: Calibration,
    patients: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Expected calibration error of a set of images, with an interval by bootstrap over patients.

    The value is `expected_calibration_error` of the sums over all images, not the mean of theirs.
    Patients are drawn as in `estimate_mean`. Images without any pixel are left out first. Noise
    only ever adds to this error, so where it is small the interval may lie above the value.

    Args:
        calibration: Sums `[B, N]`.
        patients: Whose image it is, B names.
        draws: Number of draws.
        seed: Of the draws; the same one gives the same interval.
        level: Share of the draws inside the interval, in (0, 1).

    Raises:
        ValueError: If the lengths differ or draws or level is not allowed.
    """
    sums = np.stack([np.asarray(x, np.float64) for x in calibration], axis=1)
    if sums.ndim != 3:
        raise ValueError(f"calibration has sums of shape {sums[:, 0].shape}; allowed is [B, N]")
    empty = ~(sums[:, 0].sum(axis=-1) > 0)
    sums[empty] = np.nan
    return _estimate(sums, patients, _Draws.of(draws, seed, level), _calibration_error)


class _Draws(NamedTuple):
    number: int
    seed: int
    level: float

    @classmethod
    def of(cls, number: int, seed: int, level: float) -> "_Draws":
        if not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(f"draws is {number!r}; allowed are whole numbers from 1")
        if not 0 < level < 1:
            raise ValueError(f"level is {level!r}; allowed are numbers between 0 and 1")
        return cls(int(number), seed, level)


def _mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean from sums of values and counts, `[..., 2]`."""
    return sums[..., 0] / sums[..., 1]


def _calibration_error(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error from sums `[..., 3, N]`."""
    return expected_calibration_error(Calibration(*np.moveaxis(sums, -2, 0)))


def _estimate(
    sums: NDArray[np.float64], patients: Sequence[str], draws: _Draws, statistic: _Statistic
) -> Estimate:
    """The statistic of the sums of all images, `[B, ...]`; those with NaN are left out."""
    names = np.asarray(patients)
    if names.shape != sums.shape[:1]:
        raise ValueError(
            f"{len(sums)} images, patients {names.shape}; allowed is one name an image"
        )
    valid = ~np.isnan(sums).any(axis=tuple(range(1, sums.ndim)))
    distinct, owner = np.unique(names[valid], return_inverse=True)
    by_patient = np.zeros((len(distinct), *sums.shape[1:]))
    np.add.at(by_patient, owner, sums[valid])
    value = float(statistic(by_patient.sum(axis=0))) if len(distinct) else math.nan
    return Estimate(
        value, *_interval(by_patient, draws, statistic), int(valid.sum()), len(distinct)
    )


def _interval(
    by_patient: NDArray[np.float64], draws: _Draws, statistic: _Statistic
) -> tuple[float, float]:
    """Where the given share of the draws of patients lies."""
    patients = len(by_patient)
    if patients < 2:
        return math.nan, math.nan
    size = (draws.number, patients)
    chosen = np.random.default_rng(draws.seed).integers(patients, size=size)
    times = np.stack([np.bincount(draw, minlength=patients) for draw in chosen])
    values = statistic(np.tensordot(times, by_patient, axes=1))
    low, high = np.quantile(values, [(1 - draws.level) / 2, (1 + draws.level) / 2])
    return float(low), float(high)
