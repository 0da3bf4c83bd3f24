"""Adam, and how its rate changes over the course of training."""

import optax

from hpunet.config.groups import OptimizerConfig


def build_schedule(config: OptimizerConfig) -> optax.Schedule:
    """The learning rate as a function of the step."""
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
    """Adam at the scheduled rate, on all weights as one vector.

    The same numbers as array by array, but a few large operations instead of thousands of small
    ones, which take longer to compile, to load and, on any device, to start.

    Reference: Kingma and Ba 2015; `optax.adam`.
    """
    adam = optax.adam(build_schedule(config), config.b1, config.b2, config.eps)
    return optax.flatten(adam)
