"""Cross-entropy of logits and a segmentation, over all pixels or over the top k."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from hpunet.config.training import TopK
from hpunet.objectives.terms import SINGLE_DEVICE, Collectives


class Reconstruction(NamedTuple):
    """Cross-entropy of this device's images.

    Attributes:
        sum: Sum over the kept pixels of all images of this device, in nats.
        num_pixels: Number of kept pixels.
        kept: 1 for kept pixels and 0 for others.
    """

    sum: Float[Array, ""]
    num_pixels: Float[Array, ""]
    kept: Float[Array, "B H W"]


def cross_entropy(
    logits: Float[Array, "B H W K"], segmentation: Float[Array, "B H W K"]
) -> Float[Array, "B H W"]:
    """Computes the cross-entropy of every pixel, in nats.

    Args:
        logits: Logits of every class.
        segmentation: One-hot segmentation.
    """
    return -jnp.sum(segmentation * jax.nn.log_softmax(logits), axis=-1)


def reconstruction(
    pixelwise: Float[Array, "B H W"],
    mask: Float[Array, "B H W"] | None = None,
    top_k: TopK | None = None,
    gumbel: Float[Array, "B H W"] | None = None,
    index: Int[Array, " B"] | None = None,
    collectives: Collectives = SINGLE_DEVICE,
) -> Reconstruction:
    """Sums the cross-entropy of the pixels that contribute to the loss.

    Args:
        pixelwise: Cross-entropy of this device's pixels, in nats.
        mask: 1 for pixels that may be kept and 0 for ignored pixels; None allows all pixels.
        top_k: Keeps only the top k pixels of the batch of all devices; None keeps all pixels.
        gumbel: Standard Gumbel noise; required unless `top_k` is None or deterministic.
        index: Position of each image in the batch of all devices; None on a single device.
        collectives: The devices that share the batch.

    Reference: Kohl et al. 2019, section 2.2; `ce_loss` and `topk_mask` in the reference.
    """
    kept = jnp.ones_like(pixelwise) if mask is None else mask
    if top_k is not None:
        noise = None if top_k.deterministic else gumbel
        kept = top_k_mask(pixelwise, kept, top_k, noise, index, collectives)
    return Reconstruction(jnp.sum(pixelwise * kept), jnp.sum(kept), kept)


def top_k_mask(
    pixelwise: Float[Array, "B H W"],
    mask: Float[Array, "B H W"],
    top_k: TopK,
    gumbel: Float[Array, "B H W"] | None,
    index: Int[Array, " B"] | None,
    collectives: Collectives = SINGLE_DEVICE,
) -> Float[Array, "B H W"]:
    """Marks the k pixels with the highest scores in the batch of all devices.

    k is floor(fraction * number of pixels), and at least 1. The score is
    log(CE / sum CE) + gumbel + log(mask), without the noise if `gumbel` is None. With the noise,
    this draws k pixels without replacement, with probabilities in proportion to the cross-entropy.
    The mask carries no gradient. The arguments are those of `reconstruction`.

    Returns:
        1 for marked pixels of this device and 0 for others, times `mask`.

    Reference: Kool et al. 2019, arXiv 1903.06059; `topk_mask` in the reference.
    """
    pixelwise = lax.stop_gradient(pixelwise)
    total = collectives.sum(jnp.sum(pixelwise))
    scores = jnp.log(pixelwise / total) + jnp.log(mask)
    if gumbel is not None:
        scores = scores + gumbel
    place = jnp.arange(len(scores)) if index is None else index
    scores_of_all, places = collectives.gather((scores, place))
    # Sorted by position in the batch, so that ties do not depend on the number of devices.
    ordered = jnp.zeros_like(scores_of_all).at[places].set(scores_of_all)
    _, best = lax.top_k(ordered.ravel(), _num_kept(top_k.fraction, ordered.size))
    kept = jnp.zeros(ordered.size).at[best].set(1.0).reshape(ordered.shape)
    return kept[place] * mask


def _num_kept(fraction: float, num_pixels: int) -> int:
    return max(1, int(fraction * num_pixels))
