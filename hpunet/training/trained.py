"""A trained network for later commands: from a weights file or from a run's folder."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hpunet.errors import UserError
from hpunet.model.build import Model, build_model
from hpunet.model.initialization import Params
from hpunet.model.model_config import ModelConfig
from hpunet.training.checkpoint import read_params
from hpunet.training.workdir import BEST, CHECKPOINTS, LAST, WEIGHTS, data_checksum, saved_steps
from hpunet.weights import file, published
from hpunet.weights.checksum import checksum
from hpunet.weights.file import check_finite, check_params
from hpunet.weights.header import INTENSITY_RANGE


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
    """

    model: Model
    params: Params
    crop: int | None
    place: str
    origin: dict[str, Any]
    checksum: str
    pixel_spacing: float | None = None
    trained_on: str | None = None


def from_weights(name_or_path: str | Path) -> TrainedNetwork:
    """The network of a weights file, or a published one by name.

    Raises:
        UserError: If the file cannot be had or read, or its header has a crop that the network
            cannot take, or another intensity range than [0, 255].
    """
    found = published.read(name_or_path)
    path, preprocessing = found.path, found.header.preprocessing
    crop = preprocessing.get("crop")
    if crop is not None:
        _check_crop(path, crop, found.model.config)
    _check_range(path, preprocessing.get("intensity_range"))
    return TrainedNetwork(
        found.model,
        found.params,
        crop,
        str(path),
        {"weights": path.name},
        found.checksum,
        preprocessing.get("pixel_spacing_mm"),
        preprocessing.get("data_checksum"),
    )


def _check_range(path: Path, intensity_range: list[int | float] | None) -> None:
    if intensity_range not in (None, INTENSITY_RANGE):
        raise UserError(
            f"{path}: its header has intensity_range={intensity_range}; allowed is "
            f"{INTENSITY_RANGE}, as every command gives images to the network"
        )


def _check_crop(path: Path, crop: int, config: ModelConfig) -> None:
    try:
        config.check_size(crop, crop)
    except ValueError as error:
        raise UserError(f"{path}: its header has crop={crop}: {error}") from None


def from_workdir(
    workdir: Path, which: str, config: ModelConfig, crop: int, pixel_spacing: float | None = None
) -> TrainedNetwork:
    """The network of a run.

    Args:
        workdir: Folder of the run.
        which: `best`, `last` or the number of a step.
        config: The network's shape, as the run's configuration has it.
        crop: Height and width that it was trained at.
        pixel_spacing: Of the images it was trained on, in mm, or None where that is not known.

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
    trained_on = data_checksum(workdir)
    return TrainedNetwork(model, params, crop, place, origin, values, pixel_spacing, trained_on)
