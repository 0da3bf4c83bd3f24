"""When the network between devices bounds a step: `python -m experiments.speed.growth_network`.

Arithmetic, no measurement: what a ring moves, at stated speeds of links and times of steps.
"""

import itertools

PARAMETERS = 21_877_230
BATCH_SIZE = 32
NUM_PIXELS = 128 * 128
# Bytes a second that a device sends: a network card of 200 Gb/s for each, and NVLink.
LINKS = {"25 GB/s": 25e9, "450 GB/s": 450e9}
# Seconds that one device takes for 32 images.
STEPS = (0.003, 0.015)
DEVICES = (2, 8, 32)
HEADER = (
    "| link of a device | step of 32 on one | 32 in all: bound from | 2 | 8 | 32 devices "
    "| 32 each: bound from | 2 | 8 | 32 devices |"
)


def bytes_sent(num_devices: int, batch_size: int) -> float:
    """Bytes that each device sends in a step.

    A ring all-reduce of the gradients of the weights and of GECO's multiplier sends them twice but
    for a share; a ring all-gather of scores and places once but for a share.
    """
    gradients = 4 * (PARAMETERS + 1)
    scores = 4 * batch_size * (NUM_PIXELS + 1)
    return (num_devices - 1) / num_devices * (2 * gradients + scores)


def step_time(num_devices: int, step: float, link: float, weak: bool) -> tuple[float, float]:
    """Seconds of computing, and of sending after it.

    Args:
        num_devices: How many share the batch.
        step: Seconds of a step of 32 images on one device.
        link: Bytes a second.
        weak: Whether each device has 32 images of its own, instead of its share of 32.
    """
    batch_size = BATCH_SIZE * (num_devices if weak else 1)
    computing = step if weak else step / num_devices
    return computing, bytes_sent(num_devices, batch_size) / link


def bound_from(step: float, link: float, weak: bool) -> int:
    """The least number of devices of which sending takes longer than computing."""
    for num_devices in itertools.count(2):
        computing, sending = step_time(num_devices, step, link, weak)
        if sending > computing:
            return num_devices
    raise AssertionError


def table() -> str:
    """From how many devices on sending takes longer, and milliseconds of a whole step."""
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
