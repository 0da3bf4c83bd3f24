"""How training fails: a loss that is not finite, collapsed latents, too little memory."""

import contextlib
import math
from collections.abc import Iterator, Mapping

import jax

from hpunet.io.errors import UserError

COLLAPSED_KL = 0.05
COLLAPSED_STEPS = 2000


class TrainingDivergedError(UserError):
    """The loss or a weight is no longer finite."""

    def __init__(self, what: str, last_checkpoint: int | None) -> None:
        """Says what is not finite, what is left, and what may help.

        Args:
            what: The quantity and its step.
            last_checkpoint: Step of the last good checkpoint, or None.
        """
        left = "none" if last_checkpoint is None else f"step {last_checkpoint}"
        super().__init__(
            f"{what}; last good checkpoint: {left}; a lower optimizer.learning_rate, in another "
            "--workdir, may help"
        )


def check_finite(step: int, scalars: Mapping[str, float], last_checkpoint: int | None) -> None:
    """Stops at a loss that is not finite.

    Args:
        step: The step that gave it.
        scalars: Its terms.
        last_checkpoint: Step of the last good checkpoint, or None.

    Raises:
        TrainingDivergedError: Naming step, terms and checkpoint.
    """
    if math.isfinite(scalars["loss"]):
        return
    terms = ", ".join(f"{name}={value:.4g}" for name, value in scalars.items())
    what = f"the loss is not finite at step {step} ({terms})"
    raise TrainingDivergedError(what, last_checkpoint)


def count_low_kl(scalars: Mapping[str, float], steps_before: int) -> int:
    """Steps in a row with hardly any KL at any scale, this one included; 0 without scales."""
    kls = [v for name, v in scalars.items() if name.startswith("kl_") and name != "kl_sum"]
    return steps_before + 1 if kls and max(kls) < COLLAPSED_KL else 0


def collapse_report(step: int) -> str:
    """The warning for latents that carry nothing."""
    return (
        f"step {step}: the latents have collapsed: the KL of every scale has been below "
        f"{COLLAPSED_KL} nats for {COLLAPSED_STEPS} steps, so all samples look alike. Lower "
        "objective.beta, or use objective.name=geco with a lower objective.kappa, in another "
        "--workdir"
    )


@contextlib.contextmanager
def explain_exhaustion(batch_size: int, precision: str, remat: bool) -> Iterator[None]:
    """Turns a device's lack of memory into a one-line error; other errors pass through.

    Args:
        batch_size: Images of a step.
        precision: What the features are computed in.
        remat: Whether the levels are computed twice instead of kept.

    Raises:
        UserError: Naming the three values and what would need less.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        other = "" if precision == "bfloat16" else "--config.precision=bfloat16 or "
        remedy = f"in another --workdir {other}--config.batch_size below {batch_size}"
        if not remat:
            remedy = f"--config.remat=True, with which this run may resume, or {remedy}"
        raise UserError(
            f"config.batch_size={batch_size}, config.precision={precision}, config.remat={remat}: "
            f"the device's memory does not suffice; less takes {remedy}"
        ) from None
