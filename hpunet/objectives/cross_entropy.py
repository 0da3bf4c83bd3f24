"""How far logits are from a segmentation, over all pixels or over the worst of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from hpunet.config.groups import TopK
from hpunet.objectives.terms import SINGLE_DEVICE, Collectives


class Reconstruction(NamedTuple):
    """Cross-entropy of this device's images.

    Attributes:
        sum: Over the kept pixels, in nats.
        num_pixels: Number of kept pixels.
        kept: 1 at kept pixels, else 0.
    """

    sum: Float[Array, ""]
    num_pixels: Float[Array, ""]
    kept: Float[Array, "B H W"]


def cross_entropy(
    logits: Float[Array, "B H W K"], segmentation: Float[Array, "B H W K"]
) -> Float[Array, "B H W"]:
    """Cross-entropy of every pixel, in nats.

    Args:
        logits: Logits of every class.
        segmentation: One-hot.
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
    """Sums the cross-entropy of the pixels that count.

    Args:
        pixelwise: Cross-entropy of this device's pixels, in nats.
        mask: 1 where a pixel may count, else 0; None lets all count.
        top_k: Keeps only the worst pixels of the whole batch; None keeps all.
        gumbel: Standard Gumbel noise, needed unless `top_k` is deterministic.
        index: Each image's place in the batch of all devices; None if there is one device.
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
    """Marks the k = floor(fraction * pixels) pixels of the whole batch with the best scores.

    The score is log(CE / sum CE), plus Gumbel noise if there is any, plus log(mask): adding the
    noise and taking the best draws without replacement in proportion to the cross-entropy.
    Carries no gradient. Arguments as in `reconstruction`.

    Reference: Kool et al. 2019, arXiv 1903.06059; `topk_mask` in the reference.
    """
    pixelwise = lax.stop_gradient(pixelwise)
    total = collectives.sum(jnp.sum(pixelwise))
    scores = jnp.log(pixelwise / total) + jnp.log(mask)
    if gumbel is not None:
        scores = scores + gumbel
    place = jnp.arange(len(scores)) if index is None else index
    everyone, places = collectives.gather((scores, place))
    # In the batch's own order, so that ties fall alike however the devices share it.
    ordered = jnp.zeros_like(everyone).at[places].set(everyone)
    _, best = lax.top_k(ordered.ravel(), _num_kept(top_k.fraction, ordered.size))
    kept = jnp.zeros(ordered.size).at[best].set(1.0).reshape(ordered.shape)
    return kept[place] * mask


def _num_kept(fraction: float, num_pixels: int) -> int:
    return max(1, int(fraction * num_pixels))
