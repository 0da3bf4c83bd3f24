"""What is judged: a network on a split of a data set, or folders of any tool's masks."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from hpunet.cli.image_count import ImageCount
from hpunet.data.dataset import Dataset
from hpunet.data.pipeline import spread_positions
from hpunet.evaluation.case import Cases
from hpunet.evaluation.drawing import DrawnCases, Images, Way, draw_all, predict
from hpunet.evaluation.folders import FolderCases
from hpunet.evaluation.network import check_fits, intensities_for
from hpunet.evaluation.provenance import provenance
from hpunet.evaluation.store import Store
from hpunet.inference.predictor import UNIT, Predictor
from hpunet.inference.sampler import build_sampler
from hpunet.io.errors import UserError
from hpunet.training.devices import Devices
from hpunet.training.trained import TrainedNetwork

# Without others being asked for.
NUM_SAMPLES = (1, 4, 8, 16)
# Samples an image of the figures of single scales.
WAY_SAMPLES = 16

# Draws samples of some images: indices of them -> labels [S, B, H, W] by way of drawing.
DrawWays = Callable[[Sequence[int]], Mapping[str, np.ndarray]]


class Judged(NamedTuple):
    """Images with samples, ready to be scored.

    Attributes:
        cases: The images.
        num_samples: Numbers of samples to score with.
        data_name: Name of the data set.
        title: What is scored on what, in a line.
        subject: The same for JSON, with all that it depends on.
        patients_known: Whether the patient of every image is.
        dataset: The data set, where there is one.
        images: Its images, where there is one.
        draw_ways: Draws samples from single scales, where there is a network with several.
        store: Where samples are kept, where there is one.
    """

    cases: Cases
    num_samples: tuple[int, ...]
    data_name: str
    title: str
    subject: dict[str, Any]
    patients_known: bool = True
    dataset: Dataset | None = None
    images: Images | None = None
    draw_ways: DrawWays | None = None
    store: Store | None = None


def judge_network(
    network: TrainedNetwork,
    dataset: Dataset,
    split: str,
    num_images: int | None,
    num_samples: tuple[int, ...],
    seed: int,
    kept: Path,
    may_replace: bool,
) -> Judged:
    """Draws samples of a split, unless they are there already.

    Args:
        network: What draws.
        dataset: What it draws on.
        split: Which part of that.
        num_images: Images to take, spread evenly over the split; None for all.
        num_samples: Numbers of samples to score with; the largest is drawn.
        seed: Of the samples.
        kept: Folder for the samples; what it holds of the same samples is not drawn again.
        may_replace: Whether other samples in it are removed, instead of refused.

    Raises:
        UserError: If there is no such split, or the network does not fit its images.
    """
    if split not in dataset.splits:
        raise UserError(
            f"--split={split}: data set {dataset.name} has only {', '.join(dataset.splits)}"
        )
    source = dataset.splits[split]
    check_fits(network, source, dataset)
    positions = spread_positions(source, num_images or len(source))
    images = Images(source, positions, way_of(network, dataset))
    whole = len(images) == len(source)
    subject = _subject_of_network(network, dataset, split, whole, seed)
    devices = Devices()
    made_of = {**subject, "images": positions, "num_samples": max(num_samples), **_made_with()}
    store = Store(kept, made_of, may_replace=may_replace)
    unit = UNIT if dataset.window is None else 1
    sampler = build_sampler(network.model)
    predictor = Predictor(sampler, max(num_samples), seed, devices, unit=unit)
    with ImageCount("drawing", len(images)) as done:
        draw_all(images, predictor, devices.replicate(network.params), store, done)
    ways = _ways(network, images, seed, devices, unit)
    cases = DrawnCases(images, store)
    origin = ", ".join(f"{name} {value}" for name, value in network.origin.items())
    part = "" if whole else f" ({len(images):,} of its {len(source):,} images)"
    title = f"{origin} on {dataset.name}, split {split}{part}; seed {seed}"
    return Judged(
        cases,
        num_samples,
        dataset.name,
        title,
        subject,
        dataset.patients_known,
        dataset,
        images,
        ways,
        store,
    )


def _made_with() -> dict[str, Any]:
    """What may change the rounding of samples."""
    made_with = provenance()
    return {name: made_with[name] for name in ("code", "device", "packages")}


def _subject_of_network(
    network: TrainedNetwork,
    dataset: Dataset,
    split: str,
    whole_split: bool,
    seed: int,
) -> dict[str, Any]:
    return {
        "network": {
            **network.origin,
            "checksum": network.checksum,
            "settings": dataclasses.asdict(network.model.config),
        },
        "data": {
            "name": dataset.name,
            "version": dataset.version,
            "checksum": dataset.checksum,
            "split": split,
            "whole_split": whole_split,
            "crop": network.crop if dataset.window is None else None,
            **(
                {} if dataset.window is None else {"intensities": intensities_for(network, dataset)}
            ),
        },
        "sampling": {"seed": seed, "platform": jax.default_backend()},
    }


def way_of(network: TrainedNetwork, dataset: Dataset) -> Way:
    """How the images of a data set are brought before a network: as it learned from its own."""
    assert network.crop is not None, "the configuration says what the file does not"
    multiple = 2 ** (network.model.config.num_levels - 1)
    window = dataset.window
    if window is not None:
        # As the network learned, whatever the configuration of the data says now.
        sizes = "resize" if network.resized else "crop"
        window = window._replace(crop=network.crop, sizes=sizes)
    return Way((network.crop, network.crop), intensities_for(network, dataset), window, multiple)


def _ways(
    network: TrainedNetwork, images: Images, seed: int, devices: Devices, unit: int
) -> DrawWays | None:
    """Draws from the full hierarchy, the most global latent alone and the most local one alone."""
    scales = range(network.model.config.num_scales)
    if len(scales) < 2:
        return None
    means: dict[str, bool | tuple[bool, ...]] = {
        "full hierarchy": False,
        "most global latent only": tuple(scale != scales[0] for scale in scales),
        "most local latent only": tuple(scale != scales[-1] for scale in scales),
    }
    sampler = build_sampler(network.model)
    predictors = {
        way: Predictor(sampler, WAY_SAMPLES, seed, devices, mean, unit)
        for way, mean in means.items()
    }

    def draw(indices: Sequence[int]) -> dict[str, np.ndarray]:
        params = devices.replicate(network.params)
        drawn = {way: predict(images, indices, p, params) for way, p in predictors.items()}
        return {way: np.stack([p.samples for p in parts], axis=1) for way, parts in drawn.items()}

    return draw


def judge_folders(
    cases: FolderCases, reading: Mapping[str, Any], num_samples: tuple[int, ...] | None
) -> Judged:
    """Takes masks from folders.

    Args:
        cases: What they hold.
        reading: How they were read, for JSON: names of folders, classes and the like.
        num_samples: Numbers of samples to score with; None for the usual ones that there are, and
            all.

    Raises:
        UserError: If there are fewer samples than that, or a file cannot be read.
    """
    there = cases.num_samples
    if num_samples is None:
        num_samples = tuple(sorted({n for n in NUM_SAMPLES if n <= there} | {there}))
    elif max(num_samples) > there:
        raise UserError(
            f"--num_samples={max(num_samples)}: allowed is up to {there}, the number of samples of "
            "each image"
        )
    checksums = cases.checksums()
    subject = {
        "predictions": {"checksum": checksums["predictions"]},
        "data": {"checksum": checksums["annotations"], "patients_known": cases.patients_known},
        "reading": dict(reading),
    }
    title = f"{reading['predictions']} against {reading['annotations']}"
    return Judged(cases, num_samples, "folder", title, subject, cases.patients_known)
