"""Adam and its learning rate schedules."""

import optax

from hpunet.config.training import OptimizerConfig


def build_schedule(config: OptimizerConfig) -> optax.Schedule:
    """Builds the learning rate as a function of the step."""
    rate = config.learning_rate
    schedule = optax.constant_schedule(rate)
    if config.schedule == "piecewise":
        rates = [rate, *(rate * factor for factor in config.factors)]
        pieces = [optax.constant_schedule(r) for r in rates]
        schedule = optax.join_schedules(pieces, list(config.boundaries))
    elif config.schedule == "cosine":
        schedule = optax.cosine_decay_schedule(rate, config.decay_steps, config.final_factor)
    if not config.warmup_steps:
        return schedule
    warmup = optax.linear_schedule(0.0, 1.0, config.warmup_steps)
    return lambda step: warmup(step) * schedule(step)


def build_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """Builds Adam with the scheduled learning rate, applied to all weights as one vector.

    The results equal those of separate arrays. A few large operations replace thousands of small
    ones, which take longer to compile, to load and to launch.

    Reference: Kingma and Ba 2015; `optax.adam`.
    """
    adam = optax.adam(build_schedule(config), config.b1, config.b2, config.eps)
    return optax.flatten(adam)
