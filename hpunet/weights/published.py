"""Published weights by name: downloaded once, converted and cached for the user."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hpunet.io.download import DownloadError, cache_folder
from hpunet.io.errors import UserError, reason
from hpunet.io.locks import clear_leftovers, exclusive
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.initialization import Params
from hpunet.models.model import Model, build_model
from hpunet.weights import file
from hpunet.weights.deepmind.conversion import convert
from hpunet.weights.tensorflow.checkpoint_files import OpenedCheckpoint, open_files
from hpunet.weights.tensorflow.tensor_bundle import read_bundle


class PublishedWeights(NamedTuple):
    """A published checkpoint.

    Attributes:
        url: Address of the archive.
        variable: Environment variable that names another place, such as a file.
        scope: What the names of its variables begin with.
        network: Configuration of the network.
        channels: Number of channels of its images.
        preprocessing: How images become the network's input.
    """

    url: str
    variable: str
    scope: str
    network: HierarchicalConfig
    channels: int
    preprocessing: Mapping[str, Any]


# The header's entry of networks that learned from 8-bit images, as the reference does.
EIGHT_BIT: dict[str, Any] = {
    "intensity_range": [0.0, 255.0],
    "intensity_clip": False,
    "resized": False,
    "pixel_spacing_mm": None,
    "crop": None,
    "classes": None,
    "data_checksum": None,
}
PUBLISHED = {
    "lidc": PublishedWeights(
        url="https://storage.googleapis.com/hpunet-data/model_checkpoint/checkpoint.tar.gz",
        variable="HPUNET_LIDC_CHECKPOINT",
        scope="model/HPUNet",
        network=HierarchicalConfig(),
        channels=1,
        # As `configs/lidc.py` trains.
        preprocessing={**EIGHT_BIT, "pixel_spacing_mm": 0.5, "crop": [128, 128], "classes": 2},
    )
}


def load(name_or_path: str | Path) -> tuple[Model, Params]:
    """Loads model and weights from a file, or published ones by name.

    Args:
        name_or_path: `lidc`, or a safetensors file written by training or conversion (a file of
            that name is `./lidc`). Published weights are fetched and converted at the first call
            and kept in the user's cache: `$HPUNET_CACHE/weights`, else `~/.cache/hpunet/weights`.
            `HPUNET_LIDC_CHECKPOINT` names another source: the downloaded archive, a checkpoint or
            a URL.

    Returns:
        The model, built from the settings in the file, and its weights.

    Raises:
        UserError: If published weights cannot be fetched or kept, or are not those of the network;
            or if the file cannot be read or is damaged, or its arrays are not those of its
            network, or not finite float32 numbers.

    Example:
        >>> import pathlib, tempfile
        >>> import jax, numpy as np
        >>> import hpunet
        >>> from hpunet.weights.file import save_weights
        >>> config = hpunet.HierarchicalConfig((1,), (4, 4), convs_per_block=1)
        >>> image, segmentation = np.zeros((1, 8, 8, 1), "f"), np.zeros((1, 8, 8, 2), "f")
        >>> params = hpunet.build_model(config).init(jax.random.key(0), image, segmentation)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "weights.safetensors"
        ...     save_weights(path, params, config, preprocessing={})
        ...     model, params = hpunet.load(path)
        >>> model.sample(params, jax.random.key(0), image, num_samples=4).shape
        (4, 1, 8, 8, 2)
    """
    found = read(name_or_path)
    return found.model, found.params


def read(name_or_path: str | Path) -> file.WeightsFile:
    """Reads a weights file, or published weights by name; see `load`."""
    path = path_of(name_or_path)
    try:
        return file.read(path)
    except UserError as error:
        if name_or_path in PUBLISHED:
            raise UserError(f"{error}; remove it, and it is fetched again") from error
        raise


def path_of(name_or_path: str | Path) -> Path:
    """Returns the path of published weights, after a download if necessary, or another path.

    Args:
        name_or_path: A name, as text, or the path of a weights file, which need not exist.

    Raises:
        UserError: If published weights cannot be fetched, converted or kept; then nothing is left.
    """
    if name_or_path not in PUBLISHED:
        return Path(name_or_path)
    path = cache_folder() / "weights" / f"{name_or_path}.safetensors"
    if not path.is_file():
        _keep(str(name_or_path), path)
    return path


@contextlib.contextmanager
def open_checkpoint(source: str | Path, work: Path | None = None) -> Iterator[OpenedCheckpoint]:
    """Opens the files of a published or another checkpoint; see `open_files`.

    Args:
        source: A name, as text; or a checkpoint, an archive of it, or its URL.
        work: Where to unpack; by default the system's folder for temporary files.

    Raises:
        UserError: If it cannot be fetched or unpacked or is no single checkpoint.
    """
    if source not in PUBLISHED:
        with open_files(source, work) as opened:
            yield opened
        return
    published = PUBLISHED[str(source)]
    own = os.environ.get(published.variable)
    try:
        with open_files(own or published.url, work) as opened:
            yield opened
    except UserError as error:
        if own:
            # The variable may have been set long ago.
            raise UserError(f"{published.variable}={own}: {error}") from error
        if not isinstance(error, DownloadError):
            raise
        raise DownloadError(
            f"{error}; get the archive by other means and set {published.variable} to its path"
        ) from error


def _keep(name: str, path: Path) -> None:
    """Downloads and converts published weights; one process waits for another."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.parent / ".lock") as alone:
            clear_leftovers(path.parent, alone)
            if not path.is_file():
                _convert(name, path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({reason(error)}); HPUNET_CACHE names another folder"
        ) from error


def _convert(name: str, path: Path) -> None:
    published = PUBLISHED[name]
    with open_checkpoint(name, path.parent) as opened:
        converted = convert(read_bundle(opened.prefix), published.network, published.scope)
        channels = build_model(converted.config).image_channels(converted.params)
        if channels != published.channels:
            raise UserError(
                f"{opened.label}: its network takes images of {channels} channels; those of "
                f"{name!r} have {published.channels}"
            )
        file.save_weights(
            path,
            converted.params,
            converted.config,
            published.preprocessing,
            converted.source(opened.label, opened.sha256),
        )
