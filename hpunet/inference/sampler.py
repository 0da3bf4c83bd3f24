"""A network as something that draws class labels."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from hpunet.models.model import Model

# What stands for the class of a pixel whose logits are not finite.
NOT_FINITE = 255


class Sampler(NamedTuple):
    """What draws class labels, `NOT_FINITE` without one; parameters come with every call.

    Attributes:
        sample: `(params, keys, image, num_samples, mean) -> labels [S, B, H, W]` of images with
            intensities 0 to 1; `mean` as in `Model.sample`.
        reconstruct: `(params, image, labels) -> labels [B, H, W]`, from the posterior's means.
    """

    sample: Callable[..., Int[Array, "S B H W"]]
    reconstruct: Callable[..., Int[Array, "B H W"]]


def build_sampler(model: Model) -> Sampler:
    """Takes the most likely class of every pixel that a Hierarchical Probabilistic U-Net gives."""

    def sample(
        params: PyTree, keys: Key[Array, " B"], image: Array, num_samples: int, mean: Any = False
    ) -> Array:
        return _labels(model.sample(params, keys, image, num_samples=num_samples, mean=mean))

    def reconstruct(params: PyTree, image: Array, labels: Array) -> Array:
        segmentation = jax.nn.one_hot(labels, model.config.num_classes)
        return _labels(model.reconstruct(params, None, image, segmentation, mean=True))

    return Sampler(sample, reconstruct)


def _labels(logits: Float[Array, "*B K"]) -> Int[Array, "*B"]:
    finite = jnp.isfinite(logits).all(axis=-1)
    return jnp.where(finite, jnp.argmax(logits, axis=-1), NOT_FINITE)
