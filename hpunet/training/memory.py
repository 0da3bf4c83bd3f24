"""What a user is told when a device has no memory left."""

import contextlib
from collections.abc import Iterator

import jax

from hpunet.io.errors import UserError


@contextlib.contextmanager
def explain_exhaustion(batch_size: int, precision: str, remat: bool) -> Iterator[None]:
    """Turns a device's lack of memory into one line; other errors pass.

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
            remedy = f"--config.remat=True, which this run may go on with, or {remedy}"
        raise UserError(
            f"config.batch_size={batch_size}, config.precision={precision}, config.remat={remat}: "
            f"the device's memory does not suffice; less takes {remedy}"
        ) from None
