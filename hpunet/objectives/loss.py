"""The loss of a batch: an objective plus L2 regularisation."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hpunet.config.training import GecoConfig, LossConfig
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
        share: This device's share of the loss, in nats. The gradient of the loss is the sum of the
            gradients of the shares over the devices.
        state: The objective's state after this batch.
        scalars: Values for the log, equal on all devices.
    """

    share: Float[Array, ""]
    state: Any
    scalars: Scalars


def build_objective(config: LossConfig) -> Objective:
    """Builds the objective that the settings select."""
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
    """Computes the objective of a forward pass plus the L2 regularisation.

    Args:
        output: Logits and distributions of this device's images.
        segmentation: One-hot segmentation.
        gumbel: Standard Gumbel noise to draw the kept pixels; None if no pixels are drawn.
        params: The weights to regularise.
        variables: Variables that the objective learns together with the weights.
        state: The objective's state before this batch.
        config: The settings of the loss.
        mask: 1 for pixels that may be kept and 0 for ignored pixels; None allows all pixels.
        index: Position of each image in the batch of all devices; None on a single device.
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
