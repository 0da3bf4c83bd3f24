"""The loss of a Hierarchical Probabilistic U-Net at one batch."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hpunet.config.groups import GecoConfig, LossConfig
from hpunet.models.network import ForwardPass
from hpunet.objectives.cross_entropy import cross_entropy, reconstruction
from hpunet.objectives.elbo import build_elbo
from hpunet.objectives.geco import build_geco
from hpunet.objectives.terms import (
    SINGLE_DEVICE,
    Collectives,
    Objective,
    Scalars,
    Terms,
    l2_regularisation,
)


class Loss(NamedTuple):
    """The loss of one batch.

    Attributes:
        share: This device's share: its gradients, summed over the devices, are the loss's.
        state: What the objective carries on.
        scalars: What to log, the same on every device.
    """

    share: Float[Array, ""]
    state: Any
    scalars: Scalars


def build_objective(config: LossConfig) -> Objective:
    """The objective that the settings name."""
    if isinstance(config.objective, GecoConfig):
        return build_geco(config.objective)
    return build_elbo(config.objective)


def loss_of_pass(
    output: ForwardPass,
    segmentation: Float[Array, "B H W K"],
    gumbel: Float[Array, "B H W"] | None,
    params: Any,
    variables: Any,
    state: Any,
    config: LossConfig,
    mask: Float[Array, "B H W"] | None = None,
    index: Int[Array, " B"] | None = None,
    collectives: Collectives = SINGLE_DEVICE,
) -> Loss:
    """The objective of a pass through the network, plus the L2 regularisation.

    Args:
        output: Logits and distributions of this device's images.
        segmentation: One-hot.
        gumbel: Standard Gumbel noise, which draws the pixels that count; None where none are drawn.
        params: The weights to be regularised.
        variables: What the objective learns along with the weights.
        state: What the objective carries from step to step.
        config: What is minimised.
        mask: 1 where a pixel may count, else 0; None lets all count.
        index: Each image's place in the batch of all devices; None if there is one device.
        collectives: The devices that share the batch.

    Reference: Kohl et al. 2019, section 2.2; `loss` in the reference's model.
    """
    pixelwise = cross_entropy(output.logits, segmentation)
    rec = reconstruction(pixelwise, mask, config.top_k, gumbel, index, collectives)
    batch_size = len(segmentation) * collectives.num_devices
    terms = Terms(
        rec.sum / batch_size,
        rec.num_pixels / batch_size,
        [jnp.sum(kl) / batch_size for kl in output.kl],
    )
    evaluation = build_objective(config).evaluate(terms, variables, state, collectives)
    l2 = l2_regularisation(params, config.l2)
    share = evaluation.share + l2 / collectives.num_devices
    objective = evaluation.scalars["loss"]
    scalars = evaluation.scalars | {"loss": objective + l2, "regularisation": l2}
    return Loss(share, evaluation.state, scalars)
