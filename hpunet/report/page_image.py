"""An image and its samples, as the page shows them."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float, UInt8
from numpy import ndarray

from hpunet.inference.hypotheses import Hypothesis


class PageImage(NamedTuple):
    """An image, or a slice of a volume, with its samples and maps.

    Attributes:
        name: The user's name for it; any text.
        image: Gray or RGB, windowed as the network saw it, at the source's size.
        region: Top, left, bottom and right of the part that the network saw, in pixels, bottom and
            right exclusive; None if it saw the whole image.
        aspect: Height of a pixel over its width.
        samples: Class labels; 0 is the background.
        mean: Fraction of the samples that assign a pixel to each foreground class, in [0, 1].
        std: Standard deviation of the same over the samples, in [0, 0.5].
        entropy: Entropy of a pixel's class over the samples, in nats, in [0, ln K].
        hypotheses: The largest share first; each sample belongs to exactly one.
        areas: Marked area of each sample, in `unit`.
        unit: `mm²` or `pixels`.
        facts: Names and values to list below the image.
        spacing: Height and width of a pixel in mm, for the scale bar, or None if unknown.
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
    def num_foreground(self) -> int:
        """Number of classes without the background."""
        return len(self.mean)

    @property
    def multiclass(self) -> bool:
        """Whether colours stand for classes; otherwise they stand for hypotheses."""
        return self.num_foreground > 1

    @property
    def hypothesis_of(self) -> list[int]:
        """Index of the hypothesis of each sample."""
        index = {s: h for h, one in enumerate(self.hypotheses) for s in one.samples}
        return [index[s] for s in range(len(self.samples))]


def check_page_image(page_image: PageImage) -> None:
    """Checks that the arrays of an image match and that each sample has one hypothesis.

    Raises:
        ValueError: If not; the message names the image.
    """
    name, num_samples = page_image.name, len(page_image.samples)
    size = page_image.image.shape[:2]
    shapes = {
        "samples": page_image.samples.shape[1:],
        "mean": page_image.mean.shape[1:],
        "std": page_image.std.shape[1:],
        "entropy": page_image.entropy.shape,
    }
    for what, shape in shapes.items():
        if shape != size:
            raise ValueError(f"{name}: {what} of {shape}; the image has {size}")
    if num_samples == 0 or len(page_image.areas) != num_samples:
        raise ValueError(f"{name}: {len(page_image.areas)} areas of {num_samples} samples")
    largest_label = page_image.samples.max(initial=0)
    if page_image.std.shape != page_image.mean.shape or largest_label > page_image.num_foreground:
        raise ValueError(f"{name}: mean or std lacks a class of the samples")
    if sorted(s for h in page_image.hypotheses for s in h.samples) != list(range(num_samples)):
        raise ValueError(f"{name}: each sample must belong to one hypothesis")
