"""The range of the prior on the validation split, and images whose prior lies far outside it."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from hpunet.models.model import Model

# Locations and log scales have the order of 1, so a narrower range counts as this wide.
LEAST_WIDTH = 0.1
# A value lies far outside if its distance from the range exceeds so many of its widths.
MOST_WIDTHS = 2.0
# The range of few images is narrow by chance. Test images of the synthetic data, of LIDC-IDRI and
# of the README's own images lay at most 7.3 widths outside the range of 2 validation images, 5.3
# outside that of 3, 4.5 of 5, 1.8 of 10 and 0.8 of 18 or more.
WIDTHS_OF_TWO = 40.0
# An image lies apart from most others at a larger distance from their median range, in widths of
# this range. On the same three data sets the largest distance is 2.4.
APART = 10.0
LOCATION, LOG_SCALE = "location", "log scale"
UNLIKE = "the image is unlike the training images"
REMEDIES = "a --temperature below 1, --mean_scales=all, or a crop with --center may help"

Pairs = tuple[tuple[float, float], ...]
# Computes `[B, scales, 2, 2]` from weights and encoded images: smallest and largest value of the
# prior's locations, then of its log scales, over all pixels and channels.
PriorExtent = Callable[[PyTree, Any], Float[Array, "B scales 2 2"]]


class PriorRange(NamedTuple):
    """Smallest and largest values of the prior on the validation split, for each scale.

    The prior of a scale is conditioned on the means of the coarser latents.

    Attributes:
        location: Values of the prior's means.
        log_scale: Natural logarithms of its standard deviations.
        num_images: Number of images that it is measured on.
    """

    location: Pairs
    log_scale: Pairs
    num_images: int

    @staticmethod
    def from_header(entry: Mapping[str, Any] | None) -> "PriorRange | None":
        """Creates the range from the checked entry `prior_range` of a header."""
        if entry is None:
            return None
        return PriorRange(
            _pairs(entry["location"]), _pairs(entry["log_scale"]), entry["num_images"]
        )

    def to_header(self) -> dict[str, Any]:
        """The entry `prior_range` of a header."""
        return {
            "location": [list(pair) for pair in self.location],
            "log_scale": [list(pair) for pair in self.log_scale],
            "num_images": self.num_images,
        }

    @property
    def most_widths(self) -> float:
        """Largest distance from the range that is not far outside, in widths of the range."""
        others = self.num_images - 1
        return MOST_WIDTHS + WIDTHS_OF_TWO / others**2 if others else math.inf

    def far_outside(self, extent: Float[np.ndarray, "scales 2 2"]) -> str | None:
        """Describes the value of an image's prior that lies farthest outside the range.

        A value lies far outside if its distance from the range exceeds twice the width of the
        range, or more widths if the range is that of few images, or if it is not finite.

        Args:
            extent: Row of the image in the result of a `PriorExtent`.

        Returns:
            Name, scale and value, and the range; None if no value lies far outside.
        """
        worst, text = self.most_widths, None
        for what, pairs, kind in ((LOCATION, self.location, 0), (LOG_SCALE, self.log_scale, 1)):
            for scale, (low, high) in enumerate(pairs):
                width = max(high - low, LEAST_WIDTH)
                for value in map(float, extent[scale, kind]):
                    distance = max(low - value, value - high) / width
                    if not math.isfinite(value) or distance > worst:
                        worst = distance if math.isfinite(value) else math.inf
                        text = (
                            f"the prior's {what} is {value:.3g} at scale {scale}, on the "
                            f"validation images {low:.3g} to {high:.3g}"
                        )
        return text


def _pairs(pairs: Iterable[Any]) -> Pairs:
    return tuple((float(low), float(high)) for low, high in pairs)


def build_prior_extent(model: Model) -> PriorExtent | None:
    """Builds the compiled function that measures the prior; None without a learned prior."""
    prior = model.network.prior
    if prior is None:
        return None

    def extent(params: PyTree, encoded: Any) -> Float[Array, "B scales 2 2"]:
        return jnp.stack(
            [
                jnp.stack([_least_and_largest(p.loc), _least_and_largest(jnp.log(p.scale))], axis=1)
                for p in prior(params, encoded)
            ],
            axis=1,
        )

    return jax.jit(extent)


def _least_and_largest(values: Float[Array, "B h w L"]) -> Float[Array, "B 2"]:
    inner = (1, 2, 3)
    return jnp.stack([values.min(axis=inner), values.max(axis=inner)], axis=1)


class MeasuredPrior(NamedTuple):
    """The range of the prior on a set of images.

    Attributes:
        prior_range: The range; None for a model without a learned prior, or if the prior is finite
            on no image.
        left_out: Indices of images that do not count: their prior is not finite, or lies apart from
            that of most others.
    """

    prior_range: PriorRange | None
    left_out: list[int]


def measure_prior(
    model: Model, params: PyTree, batches: Iterable[Float[np.ndarray, "B H W C"]], num_images: int
) -> MeasuredPrior:
    """Measures the prior on images.

    Args:
        model: The model, in float32.
        params: Its weights.
        batches: Images as the network sees them.
        num_images: Number of images; the last batch may hold more.
    """
    measure = build_prior_extent(model)
    if measure is None:
        return MeasuredPrior(None, [])
    encode = jax.jit(model.network.encode)
    extents = [np.asarray(measure(params, encode(params, jnp.asarray(batch)))) for batch in batches]
    every = np.concatenate(extents)[:num_images]
    counts = _is_typical(every)
    left_out = np.flatnonzero(~counts).tolist()
    every = every[counts]
    if not len(every):
        return MeasuredPrior(None, left_out)
    low, high = every[..., 0].min(axis=0), every[..., 1].max(axis=0)
    location, log_scale = (_pairs(zip(low[:, k], high[:, k], strict=True)) for k in (0, 1))
    return MeasuredPrior(PriorRange(location, log_scale, len(every)), left_out)


def _is_typical(extents: Float[np.ndarray, "B scales 2 2"]) -> Bool[np.ndarray, " B"]:
    """Whether the prior of each image is finite and near that of most others."""
    is_typical = np.isfinite(extents).all(axis=(1, 2, 3))
    if not is_typical.any():
        return is_typical
    low, high = extents[..., 0], extents[..., 1]
    least, most = (np.median(values[is_typical], axis=0) for values in (low, high))
    width = np.maximum(most - least, LEAST_WIDTH)
    with np.errstate(invalid="ignore"):
        distance = np.maximum(least - low, high - most) / width
    return is_typical & (distance <= APART).all(axis=(1, 2))
