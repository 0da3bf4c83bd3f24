"""Settings of training and validation, one frozen dataclass for each group of keys.

A field carries the default, the bounds and the meaning of its key. `hpunet.config.keys` collects
them.
"""

import dataclasses
from typing import Any

from hpunet.models.fields import (
    BOOLEAN,
    PRECISIONS,
    PROBABILITY,
    check_fields,
    field,
    number,
    one_of,
    optional,
    several,
    whole,
)

SCHEDULES = ("constant", "piecewise", "cosine")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Settings of all steps of a run."""

    seed: int = field(0, whole(0), "Seed of weights, order, annotators, noise and augmentation.")
    batch_size: int = field(32, whole(1), "Images per step, over all devices of all hosts.")
    precision: str = field(
        "float32",
        one_of(*PRECISIONS),
        "Number format of features in training; the rest is float32.",
    )
    remat: bool = field(
        False, BOOLEAN, "Recomputes levels in the backward pass to save GPU memory."
    )


@dataclasses.dataclass(frozen=True)
class LoopConfig:
    """Length of training, and intervals of logs, checkpoints and validation."""

    num_steps: int = field(240_000, whole(1), "Number of training steps.")
    log_every: int = field(100, whole(1), "Steps between lines of metrics.jsonl.")
    checkpoint_every: int = field(1000, whole(1), "Steps between checkpoints.")
    evaluate_every: int = field(5000, whole(0), "Steps between validations; 0 for none.")


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """Size of the validation during training, and of the scores at the end."""

    num_images: int = field(64, whole(1), "Number of images to score.")
    num_samples: int = field(16, whole(1), "Samples per image for the scores.")


@dataclasses.dataclass(frozen=True)
class GecoConfig:
    """GECO: minimises the KL under a constraint on the reconstruction.

    Attributes:
        kappa: Target of the cross-entropy, in nats per kept pixel.
        decay: Decay of the moving average of the reconstruction loss.
        rate: Factor on the multiplier's gradient. Adam almost cancels it.

    Raises:
        ValueError: If a value is out of range.
    """

    kappa: float = field(
        0.05, number(0, above=True), "GECO: target of the cross-entropy, in nats per kept pixel."
    )
    decay: float = field(0.99, number(0, most=0.999999), "GECO: decay of the moving average.")
    rate: float = field(0.01, number(0, above=True), "GECO: factor on the multiplier's gradient.")

    def __post_init__(self) -> None:
        """Checks the values."""
        check_fields(self)


@dataclasses.dataclass(frozen=True)
class ElboConfig:
    """The evidence lower bound with a weight on the KL.

    Raises:
        ValueError: If beta is negative.
    """

    beta: float = field(1.0, number(0), "ELBO: weight of the KL.")

    def __post_init__(self) -> None:
        """Checks beta."""
        check_fields(self)


OBJECTIVES: dict[str, Any] = {
    "geco": GecoConfig,
    "elbo": ElboConfig,
}


@dataclasses.dataclass(frozen=True)
class TopK:
    """Selection of the pixels that contribute to the loss.

    Attributes:
        fraction: Share of the pixels of a batch to keep, in (0, 1]. (The reference calls this
            fraction a percentage.)
        deterministic: Keeps the pixels with the largest cross-entropy, instead of drawing pixels
            without replacement in proportion to their cross-entropy.

    Raises:
        ValueError: If the fraction is out of range.
    """

    fraction: float = field(
        0.02, number(0, above=True, most=1), "Share of the pixels of a batch to keep."
    )
    deterministic: bool = field(
        False, BOOLEAN, "Keeps the pixels with the largest loss instead of drawing them."
    )

    def __post_init__(self) -> None:
        """Checks the fraction."""
        check_fields(self)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """The loss: an objective, the pixels that contribute to it, and L2 regularisation.

    Attributes:
        objective: How reconstruction loss and KL are weighted.
        top_k_fraction: Share of the pixels of a batch to keep; None for all.
        deterministic_top_k: Keeps the pixels with the largest loss instead of drawing them.
        l2: Factor on the sum of the squares of all weights.

    Raises:
        ValueError: If a value is out of range.
    """

    objective: GecoConfig | ElboConfig
    top_k_fraction: float | None = field(
        0.02,
        optional(number(0, above=True, most=1)),
        "Share of the pixels of a batch to keep; None for all.",
    )
    deterministic_top_k: bool = field(
        False, BOOLEAN, "Keeps the pixels with the largest loss instead of drawing them."
    )
    l2: float = field(1e-5, number(0), "Factor on the sum of the squares of all weights.")

    def __post_init__(self) -> None:
        """Checks the values."""
        check_fields(self)

    @property
    def top_k(self) -> TopK | None:
        """Selection of pixels; None to keep all."""
        if self.top_k_fraction is None:
            return None
        return TopK(self.top_k_fraction, self.deterministic_top_k)

    @property
    def draws_pixels(self) -> bool:
        """Whether kept pixels are drawn, which requires Gumbel noise."""
        return self.top_k_fraction is not None and not self.deterministic_top_k


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam and its learning rate.

    The rate grows linearly from 0 to `learning_rate` over `warmup_steps`, then follows a schedule.
    The steps of the schedule count from the first training step. `constant` keeps the rate.
    `piecewise` sets it to `factors[i] * learning_rate` from step `boundaries[i]` on. `cosine`
    lowers it to `final_factor * learning_rate` at step `decay_steps` and keeps it there.

    Raises:
        ValueError: If a value is out of range, or values are inconsistent.
    """

    learning_rate: float = field(
        1e-4, number(0, above=True), "Learning rate of Adam after the warm-up."
    )
    schedule: str = field("constant", one_of(*SCHEDULES), "Schedule of the learning rate.")
    warmup_steps: int = field(0, whole(0), "Steps of linear warm-up.")
    boundaries: tuple[int, ...] = field(
        (), several(whole(1)), "piecewise: steps at which the learning rate changes."
    )
    factors: tuple[float, ...] = field(
        (), several(number(0)), "piecewise: factors on learning_rate from each boundary on."
    )
    decay_steps: int = field(1, whole(1), "cosine: step at which the learning rate is lowest.")
    final_factor: float = field(0.0, PROBABILITY, "cosine: lowest rate over learning_rate.")
    b1: float = field(0.9, number(0, most=0.999999), "Adam: decay of the gradient's average.")
    b2: float = field(
        0.999, number(0, most=0.999999), "Adam: decay of the squared gradient's average."
    )
    eps: float = field(1e-8, number(0, above=True), "Adam: epsilon.")

    def __post_init__(self) -> None:
        """Checks every value, and that the values are consistent."""
        check_fields(self)
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries={self.boundaries}: allowed are ascending steps")
        if self.schedule == "piecewise" and not self.boundaries:
            raise ValueError(
                f"boundaries={self.boundaries}: allowed with schedule='piecewise' is at least one "
                "step"
            )
        if len(self.boundaries) != len(self.factors):
            raise ValueError(
                f"factors={self.factors}: allowed is one factor per boundary, "
                f"{len(self.boundaries)}"
            )
