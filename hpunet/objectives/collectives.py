"""How the parts of a batch that lie on several devices come together."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Collectives(NamedTuple):
    """What an objective needs from the devices that share its batch.

    However many arrays the tree holds, a call is one operation between the devices. No gradient may
    pass through it: its argument carries none.

    Attributes:
        gather: Maps each `[b, ...]` of a tree, of 32 bits a number, to `[B, ...]` of all devices,
            in their order.
        sum: Adds a tree of floating-point arrays over the devices.
        num_devices: How many there are.
    """

    gather: Callable[[Any], Any]
    sum: Callable[[Any], Any]
    num_devices: int


SINGLE_DEVICE = Collectives(gather=lambda tree: tree, sum=lambda tree: tree, num_devices=1)
