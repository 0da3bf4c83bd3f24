"""How the parts of a batch that lie on several devices come together."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp


class Collectives(NamedTuple):
    """What an objective needs from the devices that share its batch.

    No gradient may pass through either function: their arguments carry none.

    Attributes:
        gather: Maps `[b, ...]` of each device to `[B, ...]` of all, in the devices' order.
        sum: Adds a tree of arrays over the devices.
        num_devices: How many there are.
    """

    gather: Callable[[Any], Any]
    sum: Callable[[Any], Any]
    num_devices: int


SINGLE_DEVICE = Collectives(gather=jnp.asarray, sum=lambda tree: tree, num_devices=1)
