"""Failures of training: losses that are not finite, collapsed latents, too little memory."""

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
        """Builds the message.

        Args:
            what: The quantity that is not finite, and its step.
            last_checkpoint: Step of the last good checkpoint, or None.
        """
        left = "none" if last_checkpoint is None else f"step {last_checkpoint}"
        super().__init__(
            f"{what}; last good checkpoint: {left}; a lower optimizer.learning_rate, in another "
            "--workdir, may help"
        )


def check_finite(step: int, scalars: Mapping[str, float], last_checkpoint: int | None) -> None:
    """Checks that the loss of a step is finite.

    Args:
        step: The step.
        scalars: The loss and its terms.
        last_checkpoint: Step of the last good checkpoint, or None.

    Raises:
        TrainingDivergedError: If the loss is not finite. The message names step, terms and
            checkpoint.
    """
    if math.isfinite(scalars["loss"]):
        return
    terms = ", ".join(f"{name}={value:.4g}" for name, value in scalars.items())
    what = f"the loss is not finite at step {step} ({terms})"
    raise TrainingDivergedError(what, last_checkpoint)


def count_low_kl(scalars: Mapping[str, float], steps_before: int) -> int:
    """Counts consecutive steps, including this one, with almost no KL at every scale.

    The count is 0 for models without latents.
    """
    kls = [v for name, v in scalars.items() if name.startswith("kl_") and name != "kl_sum"]
    return steps_before + 1 if kls and max(kls) < COLLAPSED_KL else 0


def collapse_report(step: int) -> str:
    """Returns the warning for collapsed latents."""
    return (
        f"step {step}: the latents have collapsed: the KL of every scale has been below "
        f"{COLLAPSED_KL} nats for {COLLAPSED_STEPS} steps, so all samples look alike. Lower "
        "objective.beta, or use objective.name=geco with a lower objective.kappa, in another "
        "--workdir"
    )


@contextlib.contextmanager
def explain_exhaustion(batch_size: int, precision: str, remat: bool) -> Iterator[None]:
    """Converts a device's out-of-memory error to a one-line error.

    Args:
        batch_size: Images per step.
        precision: Number format of features.
        remat: Whether levels are recomputed in the backward pass.

    Raises:
        UserError: If the device runs out of memory. The message names the three values and settings
            that need less memory.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        other = "" if precision == "bfloat16" else "--config.precision=bfloat16 or "
        remedy = f"{other}--config.batch_size below {batch_size}, in another --workdir"
        if not remat:
            remedy = f"--config.remat=True, with which this run can resume; or {remedy}"
        raise UserError(
            f"config.batch_size={batch_size}, config.precision={precision}, config.remat={remat}: "
            f"the device is out of memory; these need less: {remedy}"
        ) from None
