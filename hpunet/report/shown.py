"""What the page shows of an image."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float, UInt8
from numpy import ndarray


class Hypothesis(NamedTuple):
    """Samples of an image that resemble each other.

    Attributes:
        share: Part of all samples that fell to it, in [0, 1].
        samples: Their indices, from 0.
        representative: Index of the one that is closest to the others.
        area: Mean area of its samples, in the unit of the image.
        area_std: Standard deviation of their areas.
        empty: Whether its samples mark nothing.
    """

    share: float
    samples: tuple[int, ...]
    representative: int
    area: float
    area_std: float
    empty: bool


class Shown(NamedTuple):
    """One image, or one slice of a volume, with all that was drawn for it.

    Attributes:
        name: As the user knows it; any text.
        image: Grey or RGB, windowed as the network saw it, at the source's size.
        region: Top, left, bottom and right of the part that the network saw, in pixels, bottom and
            right exclusive; None if it saw all.
        aspect: Height of a pixel over its width.
        samples: Class labels, 0 the background.
        mean: Share of the samples that give a pixel to each class but the background, in [0, 1].
        std: Standard deviation of the same over the samples, in [0, 0.5].
        entropy: Of a pixel's class over the samples, in nats, in [0, ln K].
        hypotheses: The largest share first; each sample belongs to one.
        areas: What each sample marks, in `unit`.
        unit: `mm²` or `pixels`.
        facts: Names and values to list below the image.
        spacing: Height and width of a pixel in mm, for the scale bar, or None if not known.
    """

    name: str
    image: UInt8[ndarray, "H W"] | UInt8[ndarray, "H W 3"]
    region: tuple[int, int, int, int] | None
    aspect: float
    samples: UInt8[ndarray, "S H W"]
    mean: Float[ndarray, "K-1 H W"]
    std: Float[ndarray, "K-1 H W"]
    entropy: Float[ndarray, "H W"]
    hypotheses: Sequence[Hypothesis]
    areas: Float[ndarray, " S"]
    unit: str
    facts: Sequence[tuple[str, str]]
    spacing: tuple[float, float] | None = None

    @property
    def classes(self) -> int:
        """Number of classes beside the background."""
        return len(self.mean)


def check_shown(shown: Shown) -> None:
    """Raises a ValueError unless the arrays of an image fit each other and each sample is grouped.

    Raises:
        ValueError: If they do not; the message names the image.
    """
    size, num_samples = shown.image.shape[:2], len(shown.samples)
    shapes = {"image": size, "samples": shown.samples.shape[1:], "mean": shown.mean.shape[1:]}
    shapes |= {"std": shown.std.shape[1:], "entropy": shown.entropy.shape}
    for name, shape in shapes.items():
        if shape != size:
            raise ValueError(f"{shown.name}: {name} of {shape}; the image has {size}")
    if num_samples == 0 or len(shown.areas) != num_samples:
        raise ValueError(f"{shown.name}: {len(shown.areas)} areas of {num_samples} samples")
    if shown.std.shape != shown.mean.shape or shown.samples.max(initial=0) > shown.classes:
        raise ValueError(f"{shown.name}: mean or std lacks a class of the samples")
    if sorted(s for h in shown.hypotheses for s in h.samples) != list(range(num_samples)):
        raise ValueError(f"{shown.name}: each sample must belong to one hypothesis")
