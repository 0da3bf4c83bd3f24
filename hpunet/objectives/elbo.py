"""The evidence lower bound with a weight on the KL."""

from jax import lax

from hpunet.config.training import ElboConfig
from hpunet.objectives.terms import Collectives, Evaluation, Objective, Terms, scalars_of


def build_elbo(config: ElboConfig) -> Objective:
    """Builds the objective `rec_loss_sum + beta * kl_sum`, which is minimised.

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
