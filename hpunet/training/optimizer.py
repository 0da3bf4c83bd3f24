"""Adam, and how its rate changes over the course of training."""

import dataclasses

import optax

from hpunet.io.errors import UserError

SCHEDULES = ("constant", "piecewise", "cosine")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam and its rate.

    The rate climbs from 0 to `learning_rate` over `warmup_steps`, then follows the schedule, whose
    steps count from the first step of all.

    Attributes:
        learning_rate: The rate after the warm-up.
        schedule: `constant`; `piecewise`, which multiplies the rate by `factors[i]` from step
            `boundaries[i]` on; or `cosine`, which lowers it to `final_factor` times its value at
            step `decay_steps` and keeps it there.
        warmup_steps: Steps of linear climb.
        boundaries: For `piecewise`, ascending.
        factors: For `piecewise`, of the rate at the start, one a boundary.
        decay_steps: For `cosine`.
        final_factor: For `cosine`.
        b1: Decay of the gradient's average.
        b2: Decay of the squared gradient's average.
        eps: Added to the root of the latter.

    Raises:
        UserError: If a value is out of range.
    """

    learning_rate: float = 1e-4
    schedule: str = "constant"
    warmup_steps: int = 0
    boundaries: tuple[int, ...] = ()
    factors: tuple[float, ...] = ()
    decay_steps: int = 1
    final_factor: float = 0.0
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        """Checks that the parts fit each other."""
        if self.schedule not in SCHEDULES:
            allowed = ", ".join(SCHEDULES)
            raise UserError(f"optimizer.schedule={self.schedule!r}: allowed are {allowed}")
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise UserError(f"optimizer.boundaries={self.boundaries}: allowed are ascending steps")
        if self.schedule == "piecewise" and not self.boundaries:
            raise UserError(
                f"optimizer.boundaries={self.boundaries}: allowed with schedule='piecewise' is at "
                "least one step"
            )
        if len(self.boundaries) != len(self.factors):
            raise UserError(
                f"optimizer.factors={self.factors}: allowed are as many as there are "
                f"boundaries, {len(self.boundaries)}"
            )


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
