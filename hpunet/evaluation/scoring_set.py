"""Sets of images with samples: of a network on a split, or of any tool in folders."""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from hpunet.data.dataset import Dataset, ExampleSource
from hpunet.data.pipeline import spread_positions
from hpunet.evaluation.compatibility import (
    check_fits,
    intensities_for,
    warn_of_prior,
    warn_of_values,
)
from hpunet.evaluation.dataset_images import (
    DatasetImages,
    EvaluationPreprocessing,
    StoredImages,
    draw_all,
    predict_images,
)
from hpunet.evaluation.folders import FolderImages
from hpunet.evaluation.provenance import provenance
from hpunet.evaluation.scoring import NotScored, SampledImages
from hpunet.evaluation.store import PredictionStore
from hpunet.inference.predictor import (
    LOGITS_NOT_FINITE,
    NO_RECONSTRUCTION,
    UNIT,
    DeviceGroup,
    Predictor,
)
from hpunet.inference.sampling import build_sampler
from hpunet.inference.trained import TrainedNetwork
from hpunet.io.errors import UserError, first_names
from hpunet.io.progress import Progress

# Numbers of samples where none are given.
NUM_SAMPLES = (1, 4, 8, 16)
# Samples per image in the figures of single scales.
SCALE_SAMPLES = 16

# Draws samples of some images with latents drawn at some scales: indices -> labels [S, B, H, W] by
# the name of the choice of scales; empty if their logits are not finite.
DrawScales = Callable[[Sequence[int]], Mapping[str, np.ndarray]]


class ScoringSet(NamedTuple):
    """Images with samples to score.

    Attributes:
        images: The images.
        num_samples: Numbers of samples to score with.
        data_name: Name of the data set.
        title: One line with the source of the samples and the data.
        subject: The same for JSON, with all settings of the samples.
        patients_known: Whether the patient of every image is known.
        dataset: The data set, or None for folders.
        dataset_images: The images of the data set, or None for folders.
        draw_scales: Draws samples from single scales of a network with several, or None.
        store: The stored samples of a network, or None for folders.
        notes: Notes on the scores for the reader.
        not_scored: Images for which the network gives no samples; they are not among `images`.
        unlike_training: Images whose prior lies far outside that of the validation split, with the
            value.
    """

    images: SampledImages
    num_samples: tuple[int, ...]
    data_name: str
    title: str
    subject: dict[str, Any]
    patients_known: bool = True
    dataset: Dataset | None = None
    dataset_images: DatasetImages | None = None
    draw_scales: DrawScales | None = None
    store: PredictionStore | None = None
    notes: tuple[str, ...] = ()
    not_scored: tuple[NotScored, ...] = ()
    unlike_training: Mapping[str, str] = MappingProxyType({})


class SamplingChoices(NamedTuple):
    """The choice of images and samples of a network to score.

    Attributes:
        split: Split of the data set.
        num_images: Number of images, spread evenly over the split; None for all.
        num_samples: Numbers of samples to score with; the largest is drawn.
        seed: Seed of the samples.
        window: Height and width of the windows in which larger images are drawn; None draws every
            image as a whole.
    """

    split: str
    num_images: int | None
    num_samples: tuple[int, ...]
    seed: int
    window: tuple[int, int] | None = None


def network_scoring_set(
    network: TrainedNetwork,
    dataset: Dataset,
    choices: SamplingChoices,
    devices: DeviceGroup,
    folder: Path,
    *,
    may_replace: bool,
) -> ScoringSet:
    """Draws the samples of a split that are not stored yet.

    Args:
        network: The network that draws the samples.
        dataset: The data set.
        choices: The choice of images and samples.
        devices: The devices that share the work.
        folder: Folder of the samples; stored ones of the same choice are not drawn again.
        may_replace: Whether samples of another choice are removed, instead of an error.

    Raises:
        UserError: If there is no such split, the network does not fit its images, or its logits are
            not finite on any image.
    """
    source, num_samples = _source(dataset, choices.split), choices.num_samples
    check_fits(network, source, dataset)
    positions = spread_positions(source, choices.num_images or len(source))
    images = DatasetImages(source, positions, evaluation_preprocessing(network, dataset))
    subject = _subject(network, dataset, choices, whole_split=len(images) == len(source))
    made_of = {**subject, "images": positions, "num_samples": max(num_samples), **_made_with()}
    store = PredictionStore(folder, made_of, may_replace=may_replace)
    unit = UNIT if dataset.crop_sampler is None else 1
    sampler = build_sampler(network.model, choices.window)
    predictor = Predictor(sampler, max(num_samples), choices.seed, devices, unit=unit)
    warn_of_values(images)
    with Progress("drawing", len(images)) as progress:
        failed = draw_all(images, predictor, devices.replicate(network.params), store, progress)
    unlike = warn_of_prior(images, network)
    if failed:
        images = _without_failed(images, failed)
        subject["data"]["whole_split"] = False
    return ScoringSet(
        StoredImages(images, store),
        num_samples,
        dataset.name,
        _title(network, dataset, choices, len(images)),
        subject,
        dataset.patients_known,
        dataset,
        images,
        _draw_scales(network, images, choices, devices, unit),
        store,
        () if network.model.config.can_reconstruct else (NO_RECONSTRUCTION,),
        tuple(NotScored(name, LOGITS_NOT_FINITE) for name in failed),
        unlike,
    )


def _without_failed(images: DatasetImages, failed: Sequence[str]) -> DatasetImages:
    rest = images.without(failed)
    listed = f"{first_names(failed)} ({len(failed)} of {len(images)} images)"
    if not len(rest):
        raise UserError(f"{LOGITS_NOT_FINITE} on every image: {listed}; there is nothing to score")
    print(f"not scored, {LOGITS_NOT_FINITE}: {listed}", file=sys.stderr)
    return rest


def _source(dataset: Dataset, split: str) -> ExampleSource:
    if split not in dataset.splits:
        raise UserError(
            f"--split={split}: data set {dataset.name} has only {', '.join(dataset.splits)}"
        )
    return dataset.splits[split]


def _title(
    network: TrainedNetwork, dataset: Dataset, choices: SamplingChoices, num_images: int
) -> str:
    origin = ", ".join(f"{name} {value}" for name, value in network.origin.items())
    total = len(dataset.splits[choices.split])
    part = "" if num_images == total else f" ({num_images:,} of its {total:,} images)"
    return f"{origin} on {dataset.name}, split {choices.split}{part}; seed {choices.seed}"


def _made_with() -> dict[str, Any]:
    """Returns everything that may change the rounding of samples."""
    made_with = provenance()
    return {name: made_with[name] for name in ("code", "device", "packages")}


def _subject(
    network: TrainedNetwork, dataset: Dataset, choices: SamplingChoices, *, whole_split: bool
) -> dict[str, Any]:
    config: Any = network.model.config
    crop = network.preprocessing.crop
    assert crop is not None, "the configuration gives it where the file does not"
    data = {
        "name": dataset.name,
        "version": dataset.version,
        "checksum": dataset.checksum,
        "split": choices.split,
        "whole_split": whole_split,
        "crop": crop[0] if crop[0] == crop[1] else crop,
    }
    if dataset.crop_sampler is not None:
        data |= {"crop": None, "intensities": intensities_for(network, dataset)}
    return {
        "network": {
            **network.origin,
            "checksum": network.checksum,
            "model": config.name,
            "settings": dataclasses.asdict(config),
        },
        "data": data,
        "sampling": {
            "seed": choices.seed,
            "platform": jax.default_backend(),
            **({} if choices.window is None else {"windows": choices.window}),
        },
    }


def evaluation_preprocessing(network: TrainedNetwork, dataset: Dataset) -> EvaluationPreprocessing:
    """Returns the preprocessing of a data set for a network, the same as in training.

    Args:
        network: A network whose crop is known.
        dataset: The data set.
    """
    crop = network.preprocessing.crop
    assert crop is not None, "the configuration gives it where the file does not"
    crop_sampler = dataset.crop_sampler
    if crop_sampler is not None:
        # As the network learned, whatever the configuration of the data says now.
        sizes = "resize" if network.preprocessing.resized else "crop"
        crop_sampler = crop_sampler._replace(crop=crop, sizes=sizes)
    return EvaluationPreprocessing(
        crop,
        intensities_for(network, dataset),
        crop_sampler,
        network.model.config.size_multiple,
    )


def _draw_scales(
    network: TrainedNetwork,
    images: DatasetImages,
    choices: SamplingChoices,
    devices: DeviceGroup,
    unit: int,
) -> DrawScales | None:
    """Draws from the full hierarchy, the most global latent alone and the most local one alone."""
    scales = range(network.model.config.num_scales)
    if len(scales) < 2:
        return None
    means: dict[str, bool | tuple[bool, ...]] = {
        "full hierarchy": False,
        "most global latent only": tuple(scale != scales[0] for scale in scales),
        "most local latent only": tuple(scale != scales[-1] for scale in scales),
    }
    sampler = build_sampler(network.model, choices.window)
    predictors = {
        name: Predictor(sampler, SCALE_SAMPLES, choices.seed, devices, mean, unit)
        for name, mean in means.items()
    }

    def draw(indices: Sequence[int]) -> dict[str, np.ndarray]:
        params = devices.replicate(network.params)
        drawn = {
            name: predict_images(images, indices, predictor, params)
            for name, predictor in predictors.items()
        }
        if not all(predicted.finite.all() for parts in drawn.values() for predicted in parts):
            return {}
        return {name: np.stack([p.samples for p in parts], axis=1) for name, parts in drawn.items()}

    return draw


def folder_scoring_set(
    images: FolderImages, reading: Mapping[str, Any], num_samples: tuple[int, ...] | None
) -> ScoringSet:
    """Creates a scoring set of masks in folders.

    Args:
        images: The images in the folders.
        reading: The names of the folders and the settings of reading, for JSON.
        num_samples: Numbers of samples to score with; None for the usual ones that there are, and
            all.

    Raises:
        UserError: If there are fewer samples than that.
    """
    there = images.num_samples
    if num_samples is None:
        num_samples = tuple(sorted({n for n in NUM_SAMPLES if n <= there} | {there}))
    elif max(num_samples) > there:
        raise UserError(
            f"--num_samples={max(num_samples)}: allowed is up to {there}, the number of samples of "
            "each image"
        )
    checksums = images.checksums()
    subject = {
        "predictions": {"checksum": checksums["predictions"]},
        "data": {"checksum": checksums["annotations"], "patients_known": images.patients_known},
        "reading": dict(reading),
    }
    title = f"{reading['predictions']} against {reading['annotations']}"
    return ScoringSet(
        images,
        num_samples,
        "folder",
        title,
        subject,
        images.patients_known,
        notes=images.notes,
    )
