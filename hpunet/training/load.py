"""Loads the trained network of a run."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from hpunet.config.settings import Settings
from hpunet.inference.preprocessing import Preprocessing
from hpunet.inference.prior_range import PriorRange
from hpunet.inference.trained import TrainedNetwork
from hpunet.io.checksums import params_checksum
from hpunet.models.base import ModelConfig
from hpunet.models.model import build_model
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
from hpunet.weights import file
from hpunet.weights.file import check_finite, check_params


def open_run(workdir: Path, which: str, settings: Settings) -> TrainedNetwork:
    """Loads the network of a run with the run's preprocessing.

    Args:
        workdir: Folder of the run.
        which: `best`, `last` or a step.
        settings: Settings of the run.

    Raises:
        UserError: If the weights do not exist, or do not fit the settings.
    """
    preprocessing = Preprocessing(
        data_intensities(workdir),
        settings.crop,
        settings.data.pixel_spacing,
        settings.resized,
        settings.model.num_classes,
        data_checksum(workdir),
        settings.nan,
    )
    network = from_workdir(workdir, which, settings.model, preprocessing)
    # Checkpoints do not hold the range; the weights file does, which may have the same weights.
    header = file.header_of(workdir / WEIGHTS, network.checksum)
    if header is None:
        return network
    return network._replace(prior_range=PriorRange.from_header(header.prior_range))


def from_workdir(
    workdir: Path, which: str, config: ModelConfig, preprocessing: Preprocessing
) -> TrainedNetwork:
    """Loads the network of a run.

    Args:
        workdir: Folder of the run.
        which: `best`, `last` or a step.
        config: The settings of the model.
        preprocessing: How images become the network's input.

    Raises:
        UserError: If the weights do not exist, or do not fit the model.
    """
    model = build_model(config)
    checkpoints, weights = workdir / CHECKPOINTS, workdir / WEIGHTS
    if which == BEST and not saved_steps(checkpoints / BEST):
        # Without validation, the results of a run are its last weights.
        which = LAST
    # The weights file is written at the end of a run, so checkpoints are at least as recent.
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
        values = params_checksum(params)
        origin = {"checkpoint": which, "step": step}
    check_params(params, model, place)
    return TrainedNetwork(model, params, preprocessing, place, origin, values)
