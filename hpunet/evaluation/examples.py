"""Preprocessed images with their annotations, for custom figures and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpunet.config.files import config_of_run, find_config, load_config, override
from hpunet.config.settings import Settings, settings_of
from hpunet.data.dataset import Dataset
from hpunet.data.open import open_data
from hpunet.data.pipeline import spread
from hpunet.inference.preprocessing import crop_examples
from hpunet.io.errors import UserError


class Examples(NamedTuple):
    """B images with the masks of G annotators.

    Attributes:
        image: `[B, H, W, C]`, float32, the network's input.
        annotations: Class labels `[G, B, H, W]`, the background at ignored pixels.
        patients: The patient of each image, for intervals over patients.
        names: Names of the images.
        weights: 1 for the annotators of an image, 0 for padding `[G, B]`, an argument of the scores
            in `hpunet.metrics`; None if all images have G annotators.
        ignored: Pixels that are ignored `[B, H, W]`, an argument of the scores in `hpunet.metrics`,
            such as the padding of an image that is smaller than the crop; None if there are none.
    """

    image: NDArray[np.float32]
    annotations: NDArray[np.uint8]
    patients: tuple[str, ...]
    names: tuple[str, ...]
    weights: NDArray[np.float64] | None = None
    ignored: NDArray[np.bool_] | None = None


def load_examples(
    config: str | Path,
    *,
    split: str = "test",
    num_images: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Examples:
    """Loads images of a configuration's data with all their annotations, cut to the central crop.

    The first call prepares the data, as training does.

    Args:
        config: Name or path of a configuration, or the folder of a run.
        split: `train`, `val` or `test`.
        num_images: Number of images, spread evenly over the split; None for all.
        changes: Values by the full names of their keys, such as `{"data.dir": "lidc_crops"}`.

    Raises:
        UserError: If the configuration, the data or the split cannot be found.
    """
    if num_images is not None and num_images < 1:
        raise UserError(f"num_images={num_images}: allowed are whole numbers from 1 up")
    settings = _settings(Path(config), changes or {})
    dataset = open_data(settings)
    if split not in dataset.splits:
        raise UserError(f"split={split}: allowed are {', '.join(dataset.splits)}")
    source = dataset.splits[split]
    return _cropped(spread(source, num_images or len(source)), settings.crop, dataset)


def _settings(config: Path, changes: Mapping[str, Any]) -> Settings:
    run = config / "config.json"
    values = config_of_run(run) if config.is_dir() else load_config(find_config(str(config)))
    return settings_of(override(values, {name: str(value) for name, value in changes.items()}))


def _cropped(
    examples: Sequence[dict[str, Any]], crop: tuple[int, int], dataset: Dataset
) -> Examples:
    cropped = crop_examples(examples, crop, dataset.intensities, dataset.crop_sampler)
    return Examples(
        cropped.image,
        cropped.labels,
        tuple(example["patient"] for example in examples),
        tuple(example["name"] for example in examples),
        cropped.weights,
        cropped.ignored if cropped.ignored.any() else None,
    )
