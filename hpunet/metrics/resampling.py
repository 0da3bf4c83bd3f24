"""Patients drawn with replacement, and what a statistic of their images' sums comes to."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# How many draws of patients are kept: those of the groups and scores that are in work at a time.
_KEPT = 8


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


class Draws(NamedTuple):
    """How patients are drawn.

    Attributes:
        number: Of draws.
        seed: The same one gives the same draws.
        level: Share of the draws inside an interval, in (0, 1).
    """

    number: int
    seed: int
    level: float

    @classmethod
    def of(cls, number: int, seed: int, level: float) -> "Draws":
        """The settings, checked.

        Raises:
            ValueError: Naming the one that is not allowed.
        """
        if not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(f"draws is {number!r}; allowed are whole numbers from 1")
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"seed is {seed!r}; allowed are whole numbers from 0")
        if not 0 < level < 1:
            raise ValueError(f"level is {level!r}; allowed are numbers between 0 and 1")
        return cls(int(number), int(seed), level)


def estimate(
    sums: NDArray[np.float64], patients: Sequence[str], draws: Draws, statistic: Statistic
) -> Estimate:
    """The statistic of the sums of all images, with its interval.

    Args:
        sums: Of each image, `[B, ...]`; those with NaN are left out.
        patients: Whose image it is, B names.
        draws: How patients are drawn.
        statistic: Makes sums over images, any axes in front, to one number each.

    Raises:
        ValueError: If the lengths differ.
    """
    names = as_patients(patients, len(sums))
    valid = ~np.isnan(sums).any(axis=tuple(range(1, sums.ndim)))
    distinct, owner = np.unique(names[valid], return_inverse=True)
    by_patient = np.zeros((len(distinct), *sums.shape[1:]))
    np.add.at(by_patient, owner, sums[valid])
    value = float(statistic(by_patient.sum(axis=0))) if len(distinct) else math.nan
    return Estimate(
        value, *_interval(by_patient, draws, statistic), int(valid.sum()), len(distinct)
    )


def as_patients(patients: Sequence[str], images: int) -> NDArray:
    """The patients' names as a NumPy array `[B]`.

    Raises:
        ValueError: If there is not one for each image.
    """
    names = np.asarray(patients)
    if names.shape != (images,):
        raise ValueError(f"{images} images, patients {names.shape}; allowed is one name an image")
    return names


def _interval(
    by_patient: NDArray[np.float64], draws: Draws, statistic: Statistic
) -> tuple[float, float]:
    """Where the given share of the draws of patients lies."""
    patients = len(by_patient)
    if patients < 2:
        return math.nan, math.nan
    times = _times_drawn(draws.number, draws.seed, patients)
    values = statistic(np.tensordot(times, by_patient, axes=1))
    low, high = np.quantile(values, [(1 - draws.level) / 2, (1 + draws.level) / 2])
    return float(low), float(high)


@functools.lru_cache(maxsize=_KEPT)
def _times_drawn(number: int, seed: int, patients: int) -> NDArray[np.unsignedinteger]:
    """How often each draw takes each patient, `[number, patients]`.

    Drawing takes longer than all else, and the scores of the same images share it.
    """
    random = np.random.default_rng(seed)
    times = np.empty((number, patients), np.min_scalar_type(patients))
    # Draw by draw: eight bytes for each patient of each draw would be a lot to hold at once.
    for draw in times:
        draw[:] = np.bincount(random.integers(patients, size=patients), minlength=patients)
    # Hardly ever is a patient drawn more than a dozen times: one byte will do.
    times = times.astype(np.min_scalar_type(times.max()))
    times.flags.writeable = False
    return times
