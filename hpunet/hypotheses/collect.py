"""All that is drawn of one scan, collected slice by slice."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from hpunet.hypotheses.draw import Drawer
from hpunet.hypotheses.groups import group_samples
from hpunet.hypotheses.look import Look
from hpunet.imaging.maps import Maps
from hpunet.imaging.page import Hypothesis


class Found(NamedTuple):
    """What the samples of one picture say.

    Attributes:
        hypotheses: Samples that say the same, the largest share first.
        areas: Foreground of every sample, in `unit`.
        unit: `mm²`, or `pixels` where the size of a pixel is not known.
    """

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
        looks: The pictures, all of one size.
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
            samples = np.lib.format.open_memmap(
                scratch, "w+", np.uint8, (drawer.num_samples, *shape)
            )
            shares = np.zeros((drawer.num_classes, *shape), np.float32)
        start = 0
        for labels in drawer(look.image, look.fit, look.salt, look.name):
            samples[start : start + len(labels), place] = labels
            start += len(labels)
            done(len(labels))
        of_picture = np.asarray(samples[:, place])
        shares[:, place] = _shares(of_picture, drawer.num_classes)
        found.append(_judge(of_picture, look, drawer.num_classes, least_iou))
    return _maps(samples, shares), found


def _shares(samples: np.ndarray, num_classes: int) -> Float[np.ndarray, "K H W"]:
    """Share of the samples `[S, H, W]` that give each class."""
    return np.stack(
        [(samples == label).sum(axis=0) / np.float32(len(samples)) for label in range(num_classes)]
    ).astype(np.float32)


def _maps(samples: np.ndarray, shares: Float[np.ndarray, "K N H W"]) -> Maps:
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    # Of a certain pixel not -0.
    entropy = np.maximum(-(shares * logs).sum(axis=0), 0)
    mean = shares[1:]
    return Maps(samples, mean, np.sqrt(mean * (1 - mean)), entropy, len(shares))


def _judge(samples: np.ndarray, look: Look, num_classes: int, least_iou: float) -> Found:
    pixel, unit = (1.0, "pixels")
    if look.spacing is not None:
        pixel, unit = look.spacing[0] * look.spacing[1], "mm²"
    areas = np.count_nonzero(samples, axis=(1, 2)) * pixel
    return Found(group_samples(samples, num_classes, areas, least_iou), areas, unit)
