"""The evidence lower bound, with a weight on its KL."""

import dataclasses

from jax import lax

from hpunet.io.errors import UserError
from hpunet.objectives.terms import Collectives, Evaluation, Objective, Terms, scalars_of


@dataclasses.dataclass(frozen=True)
class ElboConfig:
    """Settings of the ELBO.

    Attributes:
        beta: Weight of the KL, 0 or more.

    Raises:
        UserError: If beta is negative.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        """Checks beta."""
        if self.beta < 0:
            raise UserError(f"objective.beta={self.beta}: allowed are numbers from 0 up")


def build_elbo(config: ElboConfig) -> Objective:
    """The objective `rec_loss_sum + beta * kl_sum`, to be minimised.

    Reference: Higgins et al. 2017 for beta; `elbo` in the reference's loss.
    """

    def evaluate(
        terms: Terms, variables: tuple, state: tuple, collectives: Collectives
    ) -> Evaluation:
        del variables
        share = terms.rec_loss + config.beta * sum(terms.kl)
        whole = collectives.sum(lax.stop_gradient((terms, share)))
        return Evaluation(share, state, {"loss": whole[1], **scalars_of(whole[0])})

    return Objective(init=lambda: ((), ()), evaluate=evaluate)
