"""The range of the prior on the validation split, and images whose prior lies far outside it."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from hpunet.models.model import Model

# The range of few images is narrow by chance, so its margin is at least this wide. Locations and
# log scales have the order of 1.
LEAST_MARGIN = 1.0
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
    """

    location: Pairs
    log_scale: Pairs

    @staticmethod
    def from_header(entry: Mapping[str, Any] | None) -> "PriorRange | None":
        """Creates the range from the checked entry `prior_range` of a header."""
        if entry is None:
            return None
        return PriorRange(*(_pairs(entry[name]) for name in PriorRange._fields))

    def to_header(self) -> dict[str, Any]:
        """The entry `prior_range` of a header."""
        return {name: [list(pair) for pair in pairs] for name, pairs in self._asdict().items()}

    def far_outside(self, extent: Float[np.ndarray, "scales 2 2"]) -> str | None:
        """Describes the value of an image's prior that lies farthest outside the range.

        A value lies far outside if its distance from the range exceeds the width of the range, and
        1.

        Args:
            extent: Row of the image in the result of a `PriorExtent`.

        Returns:
            Name, scale and value, and the range; None if no value lies far outside.
        """
        worst, text = 1.0, None
        for what, pairs, kind in ((LOCATION, self.location, 0), (LOG_SCALE, self.log_scale, 1)):
            for scale, (low, high) in enumerate(pairs):
                margin = max(high - low, LEAST_MARGIN)
                for value in map(float, extent[scale, kind]):
                    distance = max(low - value, value - high) / margin
                    distance = distance if math.isfinite(value) else math.inf
                    if distance > worst:
                        worst = distance
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


def measure_prior_range(
    model: Model, params: PyTree, batches: Iterable[Float[np.ndarray, "B H W C"]]
) -> PriorRange | None:
    """Measures the prior on images.

    Args:
        model: The model, in float32.
        params: Its weights.
        batches: Images as the network sees them.

    Returns:
        None for a model without a learned prior, or if the prior is finite on no image. Other
        images do not count.
    """
    measure = build_prior_extent(model)
    if measure is None:
        return None
    encode = jax.jit(model.network.encode)
    extents = [np.asarray(measure(params, encode(params, jnp.asarray(batch)))) for batch in batches]
    every = np.concatenate(extents) if extents else np.zeros((0, model.config.num_scales, 2, 2))
    every = every[np.isfinite(every).all(axis=(1, 2, 3))]
    if not len(every):
        return None
    low, high = every[..., 0].min(axis=0), every[..., 1].max(axis=0)
    pairs = [_pairs(zip(low[:, kind], high[:, kind], strict=True)) for kind in (0, 1)]
    return PriorRange(*pairs)
