"""All that is drawn of one scan, collected picture by picture."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.imaging.fit import Fit
from hpunet.imaging.maps import Maps
from hpunet.inference.draw import Drawer
from hpunet.inference.groups import group_samples
from hpunet.inference.look import Look
from hpunet.report import Hypothesis


class Found(NamedTuple):
    """A picture, and what its samples say.

    Attributes:
        image: For the page.
        window: The values that its black and white stand for.
        fit: Where the network's grid lay on it.
        spacing: Height and width of a pixel in mm, or None.
        facts: Names and values to tell the user.
        hypotheses: Samples that say the same, the largest share first.
        areas: Foreground of every sample, in `unit`.
        unit: `mm²`, or `pixels` where the size of a pixel is not known.
    """

    image: UInt8[np.ndarray, "H W C"]
    window: tuple[float, float]
    fit: Fit
    spacing: tuple[float, float] | None
    facts: list[tuple[str, str]]
    hypotheses: list[Hypothesis]
    areas: Float[np.ndarray, " S"]
    unit: str


def collect(
    looks: Iterable[Look],
    num_pictures: int,
    drawer: Drawer,
    least_iou: float,
    scratch: Path,
    done: Callable[[int], Any],
) -> tuple[Maps, list[Found]]:
    """Draws the samples of every picture of a scan.

    Args:
        looks: The pictures, all of one size; each is asked for once, in order.
        num_pictures: How many they are.
        drawer: Draws.
        least_iou: Of two samples of one hypothesis.
        scratch: A file that does not exist yet; the samples lie there, not in memory.
        done: Called with the number of samples that are new.

    Raises:
        UserError: If the network gives logits that are not finite.
        OSError: If the disk is full.
    """
    found: list[Found] = []
    for place, look in enumerate(looks):
        if not place:
            shape = (num_pictures, *look.fit.size)
            samples = _allocate(scratch, (drawer.wish.num_samples, *shape))
            mean = np.zeros((drawer.num_classes - 1, *shape), np.float32)
            entropy = np.zeros(shape, np.float32)
        start = 0
        for labels in drawer(look.image, look.fit, look.salt, look.name):
            samples[start : start + len(labels), place] = labels
            start += len(labels)
            done(len(labels))
        of_picture = np.asarray(samples[:, place])
        shares = _shares(of_picture, drawer.num_classes)
        mean[:, place], entropy[place] = shares[1:], _entropy(shares)
        found.append(_judge(of_picture, look, drawer.num_classes, least_iou))
    return Maps(samples, mean, entropy, drawer.num_classes), found


def _allocate(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """An array in a file whose place on the disk is taken at once.

    Without it, a disk that turns out to be full while samples are drawn would kill the process.
    """
    with path.open("xb") as file:
        file.truncate(int(np.prod(shape)))
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, int(np.prod(shape)))
    return np.memmap(path, np.uint8, "r+", shape=shape)


def _shares(samples: UInt8[np.ndarray, "S H W"], num_classes: int) -> Float[np.ndarray, "K H W"]:
    """Share of the samples that give each class."""
    counts = [(samples == label).sum(axis=0) for label in range(num_classes)]
    return (np.stack(counts) / len(samples)).astype(np.float32)


def _entropy(shares: Float[np.ndarray, "K H W"]) -> Float[np.ndarray, "H W"]:
    """Of the shares, in nats."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    # Of a certain pixel 0, not -0.
    return np.maximum(-(shares * logs).sum(axis=0), 0)


def _judge(
    samples: UInt8[np.ndarray, "S H W"], look: Look, num_classes: int, least_iou: float
) -> Found:
    pixel, unit = (1.0, "pixels")
    if look.spacing is not None:
        pixel, unit = look.spacing[0] * look.spacing[1], "mm²"
    areas = np.count_nonzero(samples, axis=(1, 2)) * pixel
    hypotheses = group_samples(samples, num_classes, areas, least_iou)
    return Found(
        look.shown, look.window, look.fit, look.spacing, look.facts, hypotheses, areas, unit
    )
