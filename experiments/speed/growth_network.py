"""Computes when the network between devices limits a step.

`python -m experiments.speed.growth_network` measures nothing: it computes what a ring transfers,
from assumed speeds of links and times of steps.
"""

import itertools

PARAMETERS = 21_877_230
BATCH_SIZE = 32
NUM_PIXELS = 128 * 128
# Bytes per second that a device sends: a network card of 200 Gb/s per device, and NVLink.
LINKS = {"25 GB/s": 25e9, "450 GB/s": 450e9}
# Seconds per step of 32 images on one device.
STEPS = (0.003, 0.015)
DEVICES = (2, 8, 32)
HEADER = (
    "| link of a device | step of 32 on one | 32 in all: bound from | 2 | 8 | 32 devices "
    "| 32 each: bound from | 2 | 8 | 32 devices |"
)


def bytes_sent(num_devices: int, batch_size: int) -> float:
    """Computes the bytes that each device sends in a step.

    A ring all-reduce sends the gradients of the weights and of GECO's multiplier twice, except for
    one share. A ring all-gather sends scores and positions once, except for one share.
    """
    gradients = 4 * (PARAMETERS + 1)
    scores = 4 * batch_size * (NUM_PIXELS + 1)
    return (num_devices - 1) / num_devices * (2 * gradients + scores)


def step_time(num_devices: int, step: float, link: float, weak: bool) -> tuple[float, float]:
    """Computes the seconds of computation, and of the transfer after it.

    Args:
        num_devices: Number of devices that share the batch.
        step: Seconds of a step of 32 images on one device.
        link: Bytes per second.
        weak: Whether each device has 32 images of its own instead of a share of 32.
    """
    batch_size = BATCH_SIZE * (num_devices if weak else 1)
    computing = step if weak else step / num_devices
    return computing, bytes_sent(num_devices, batch_size) / link


def bound_from(step: float, link: float, weak: bool) -> int:
    """Finds the smallest number of devices for which the transfer takes longer than computation."""
    for num_devices in itertools.count(2):
        computing, sending = step_time(num_devices, step, link, weak)
        if sending > computing:
            return num_devices
    raise AssertionError


def table() -> str:
    """Formats these numbers of devices, and the milliseconds of whole steps."""
    rows = [HEADER, "|---" * (HEADER.count("|") - 1) + "|"]
    for (name, link), step in itertools.product(LINKS.items(), STEPS):
        cells = [name, f"{1000 * step:g} ms"]
        for weak in (False, True):
            cells.append(f"{bound_from(step, link, weak)}")
            times = [sum(step_time(n, step, link, weak)) for n in DEVICES]
            cells += [f"{1000 * time:.2f} ms" for time in times]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table())
