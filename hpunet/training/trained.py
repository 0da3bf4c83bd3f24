"""A trained network for later commands: from a weights file or from a run's folder."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hpunet.data.intensities import BYTES, Intensities
from hpunet.io.errors import UserError
from hpunet.models.check import image_channels
from hpunet.models.hierarchical.config import ModelConfig
from hpunet.models.initialization import Params
from hpunet.models.model import Model, build_model
from hpunet.training.checkpoint import read_params
from hpunet.training.workdir import (
    BEST,
    CHECKPOINTS,
    LAST,
    WEIGHTS,
    data_checksum,
    data_intensities,
    saved_steps,
)
from hpunet.weights import file, published
from hpunet.weights.checksum import checksum
from hpunet.weights.file import check_finite, check_params
from hpunet.weights.header import intensities_of


class TrainedNetwork(NamedTuple):
    """A network with its weights.

    Attributes:
        model: Its functions.
        params: Haiku's tree.
        crop: Height and width of the images it learned from, in pixels, or None where that is not
            known.
        place: Where the weights come from, for messages.
        origin: The same for JSON.
        checksum: Of the weights' names, shapes and values.
        pixel_spacing: Of the images it learned from, in mm, or None where that is not known.
        trained_on: Checksum of the data it learned from, or None where that is not known.
        intensities: How values become what it sees.
        resized: Whether it learned from whole images, resized to the crop.
    """

    model: Model
    params: Params
    crop: int | None
    place: str
    origin: dict[str, Any]
    checksum: str
    pixel_spacing: float | None = None
    trained_on: str | None = None
    intensities: Intensities = BYTES
    resized: bool = False


def from_weights(name_or_path: str | Path) -> TrainedNetwork:
    """The network of a weights file, or a published one by name.

    Raises:
        UserError: If the file cannot be had or read, or its header has a crop that the network
            cannot take, or intensities of another number of channels.
    """
    found = published.read(name_or_path)
    path, preprocessing = found.path, found.header.preprocessing
    crop = preprocessing.get("crop")
    if crop is not None:
        _check_crop(path, crop, found.model.config)
    intensities = intensities_of(preprocessing)
    _check_channels(path, intensities, image_channels(found.params))
    return TrainedNetwork(
        found.model,
        found.params,
        crop,
        str(path),
        {"weights": path.name},
        found.checksum,
        preprocessing.get("pixel_spacing_mm"),
        preprocessing.get("data_checksum"),
        intensities,
        preprocessing.get("resized") or False,
    )


def _check_channels(path: Path, intensities: Intensities, channels: int) -> None:
    if len(intensities.low) not in (1, channels):
        raise UserError(
            f"{path}: its header has an intensity_range of {len(intensities.low)} channels; "
            f"allowed are 1 and {channels}, as its network has"
        )


def _check_crop(path: Path, crop: int, config: ModelConfig) -> None:
    try:
        config.check_size(crop, crop)
    except ValueError as error:
        raise UserError(f"{path}: its header has crop={crop}: {error}") from None


def from_workdir(
    workdir: Path,
    which: str,
    config: ModelConfig,
    crop: int,
    pixel_spacing: float | None = None,
    resized: bool = False,
) -> TrainedNetwork:
    """The network of a run.

    Args:
        workdir: Folder of the run.
        which: `best`, `last` or the number of a step.
        config: The network's shape, as the run's configuration has it.
        crop: Height and width that it was trained at.
        pixel_spacing: Of the images it was trained on, in mm, or None where that is not known.
        resized: Whether these were resized to the crop.

    Raises:
        UserError: If the run has no such weights, or they do not fit its configuration.
    """
    model = build_model(config)
    checkpoints, weights = workdir / CHECKPOINTS, workdir / WEIGHTS
    if which == BEST and not saved_steps(checkpoints / BEST):
        # Without validation the last weights are what a run ends with.
        which = LAST
    # The file is as old as the last time that the run came to an end: checkpoints go before it.
    if which == LAST and not saved_steps(checkpoints / LAST) and weights.is_file():
        place = str(weights)
        found = file.read(weights)
        params, values = found.params, found.checksum
        origin: dict[str, Any] = {"weights": weights.name}
    else:
        step, saved = read_params(checkpoints, which)
        params = jax.tree.map(jnp.asarray, saved)
        place = f"{checkpoints}, step {step}"
        check_finite(params, place)
        values = checksum(params)
        origin = {"checkpoint": which, "step": step}
    check_params(params, model, place)
    return TrainedNetwork(
        model,
        params,
        crop,
        place,
        origin,
        values,
        pixel_spacing,
        data_checksum(workdir),
        data_intensities(workdir),
        resized,
    )
