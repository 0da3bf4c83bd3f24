"""The network that is scored: from a weights file or from a run's folder."""

import hashlib
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hpunet.data.dataset import Source
from hpunet.errors import UserError
from hpunet.model.build import Model, build_model
from hpunet.model.check import image_channels
from hpunet.model.initialization import Params
from hpunet.model.model_config import ModelConfig
from hpunet.training.checkpoint import read_params
from hpunet.training.workdir import BEST, CHECKPOINTS, LAST, WEIGHTS, saved_steps
from hpunet.weights.file import check_finite, check_params, load, read_header


class Network(NamedTuple):
    """A network with its weights.

    Attributes:
        model: Its functions.
        params: Haiku's tree.
        crop: Height and width that it is scored at, in pixels.
        place: Where the weights come from, for messages.
        origin: The same for JSON.
        pixel_spacing: Of the images it learned from, in mm, or None where that is not known.
        trained_on: Checksum of the data it learned from, or None where that is not known.
    """

    model: Model
    params: Params
    crop: int
    place: str
    origin: dict[str, Any]
    pixel_spacing: float | None = None
    trained_on: str | None = None


def from_weights(path: Path) -> Network:
    """The network of a weights file, to be scored at the crop it was trained at.

    Raises:
        UserError: If the file cannot be read or does not say at which crop.
    """
    model, params = load(path)
    preprocessing = read_header(path)["preprocessing"]
    crop, spacing = preprocessing.get("crop"), preprocessing.get("pixel_spacing_mm")
    if not isinstance(crop, int) or crop < 1:
        raise UserError(f"{path}: its header has crop={crop!r}; allowed is a number of pixels")
    try:
        model.config.check_size(crop, crop)
    except ValueError as error:
        raise UserError(f"{path}: its header has crop={crop}: {error}") from None
    origin = {"weights": path.name}
    trained_on = preprocessing.get("data_checksum")
    return Network(model, params, crop, str(path), origin, spacing, trained_on)


def from_workdir(workdir: Path, which: str, config: ModelConfig, crop: int) -> Network:
    """The network of a run.

    Args:
        workdir: Folder of the run.
        which: `best`, `last` or the number of a step.
        config: The network's shape, as the run's configuration has it.
        crop: Height and width that it was trained at.

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
        _, params = load(weights)
        origin: dict[str, Any] = {"weights": weights.name}
    else:
        step, saved = read_params(checkpoints, which)
        params = jax.tree.map(jnp.asarray, saved)
        place = f"{checkpoints}, step {step}"
        check_finite(params, place)
        origin = {"checkpoint": which, "step": step}
    check_params(params, model, place)
    return Network(model, params, crop, place, origin)


def check_config(network: Network, num_classes: int, crop: int) -> None:
    """Refuses a network for other classes or crops than the configuration has.

    Raises:
        UserError: With both numbers.
    """
    own_classes = network.model.config.num_classes
    if own_classes != num_classes:
        raise UserError(
            f"{network.place}: its network has {own_classes} classes, --config has "
            f"model.num_classes={num_classes}"
        )
    if network.crop != crop:
        raise UserError(
            f"{network.place}: its network is for crops of {network.crop} x {network.crop} pixels, "
            f"--config has data.crop={crop}"
        )


def warn_of_data(network: Network, checksum: str) -> None:
    """Says so if a network learned from other data than are scored, where that is known."""
    if network.trained_on not in (None, checksum):
        print(
            f"warning: the network learned from other data, checksum {network.trained_on}, than "
            f"these, {checksum}: their training images may be among those scored",
            file=sys.stderr,
        )


def warn_of_spacing(network: Network, pixel_spacing: float | None) -> None:
    """Says so if the images' pixels have another size than those the network learned from.

    Args:
        network: With the size in its `pixel_spacing`, if that is known.
        pixel_spacing: Of the images, in mm, or None.
    """
    own = network.pixel_spacing
    if None not in (own, pixel_spacing) and own != pixel_spacing:
        print(
            f"warning: {network.place} learned from pixels of {own} mm, these have "
            f"{pixel_spacing} mm: lesions appear at another size",
            file=sys.stderr,
        )


def checksum(params: Params) -> str:
    """SHA-256 over names, shapes and float32 values of all weights, wherever they lie."""
    digest = hashlib.sha256()
    for module in sorted(params):
        for name in sorted(params[module]):
            value = np.ascontiguousarray(params[module][name], "<f4")
            digest.update(f"{module}/{name} {value.shape}\n".encode())
            digest.update(value.tobytes())
    return digest.hexdigest()


def check_fits(network: Network, source: Source, data_name: str) -> None:
    """Refuses a network that cannot see the images of a split.

    Raises:
        UserError: If channels or size of the first image do not fit.
    """
    example = source[0]
    *size, channels = example["image"].shape
    wanted = image_channels(network.params)
    if channels != wanted:
        raise UserError(
            f"{network.place}: its network takes images of {wanted} channels, those of {data_name} "
            f"have {channels}"
        )
    if min(size) < network.crop:
        raise UserError(
            f"{network.place}: its network is for crops of {network.crop} x {network.crop} pixels, "
            f"the images of {data_name} have {size[0]} x {size[1]}"
        )
