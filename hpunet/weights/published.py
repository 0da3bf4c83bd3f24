"""Weights that others published, by name: fetched once, converted, kept in the user's cache."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hpunet.io.atomic import clear_leftovers, exclusive
from hpunet.io.download import DownloadError
from hpunet.io.errors import UserError
from hpunet.models.check import image_channels
from hpunet.models.hierarchical.config import ModelConfig
from hpunet.models.initialization import Params
from hpunet.models.model import Model
from hpunet.weights import file
from hpunet.weights.deepmind.conversion import convert
from hpunet.weights.header import preprocessing_of
from hpunet.weights.tensorflow.checkpoint_files import Opened, open_files
from hpunet.weights.tensorflow.tensor_bundle import read_bundle

_UNFINISHED = "incomplete."


class Published(NamedTuple):
    """A published checkpoint.

    Attributes:
        url: Where it is.
        variable: The environment variable that names another place, such as a file.
        scope: What the names of its variables begin with.
        network: The network's shape.
        channels: Of its images.
        preprocessing: How images become the network's input.
    """

    url: str
    variable: str
    scope: str
    network: ModelConfig
    channels: int
    preprocessing: Mapping[str, Any]


PUBLISHED = {
    "lidc": Published(
        url="https://storage.googleapis.com/hpunet-data/model_checkpoint/checkpoint.tar.gz",
        variable="HPUNET_LIDC_CHECKPOINT",
        scope="model/HPUNet",
        network=ModelConfig(),
        channels=1,
        # As `configs/lidc.py` trains.
        preprocessing=preprocessing_of(0.5, 128, 2),
    )
}


def load(name_or_path: str | Path) -> tuple[Model, Params]:
    """The model and the weights of a file, or published ones by name.

    Args:
        name_or_path: `lidc`, or a safetensors file written by training or conversion (one that
            happens to be called so is `./lidc`). Published weights are fetched and converted at
            the first call and kept in the user's cache: `$HPUNET_CACHE/weights`, else
            `~/.cache/hpunet/weights`. `HPUNET_LIDC_CHECKPOINT` names another place to get them
            from: the downloaded archive, a checkpoint or a URL.

    Returns:
        The model, built from the settings in the file, and its weights.

    Raises:
        UserError: In one line, if published weights cannot be fetched or kept, or are not those of
            the network; or if the file cannot be read or is damaged, or its arrays are not those of
            its network, or no finite float32 numbers.
    """
    found = read(name_or_path)
    return found.model, found.params


def read(name_or_path: str | Path) -> file.WeightsFile:
    """All that a weights file holds, or that of published weights; see `load`."""
    path = path_of(name_or_path)
    try:
        return file.read(path)
    except UserError as error:
        if name_or_path in PUBLISHED:
            raise UserError(f"{error}; remove it, and it is fetched again") from error
        raise


def path_of(name_or_path: str | Path) -> Path:
    """The file of published weights, which are fetched if they are not there yet, or any file.

    Args:
        name_or_path: A name, as text, or the path of a weights file, which need not exist.

    Raises:
        UserError: If published weights cannot be fetched, converted or kept; then nothing is left.
    """
    if name_or_path not in PUBLISHED:
        return Path(name_or_path)
    path = cache_folder() / f"{name_or_path}.safetensors"
    if not path.is_file():
        _keep(str(name_or_path), path)
    return path


@contextlib.contextmanager
def open_checkpoint(source: str | Path, work: Path | None = None) -> Iterator[Opened]:
    """Gives the files of a published checkpoint, or of any; see `open_files`.

    Args:
        source: A name, as text; or a checkpoint, an archive of it, or its URL.
        work: Where to unpack; the system's folder for temporary files if not given.

    Raises:
        UserError: In one line, if it cannot be fetched or unpacked or is no single checkpoint.
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
            # Who set it has long forgotten.
            raise UserError(f"{published.variable}={own}: {error}") from error
        if not isinstance(error, DownloadError):
            raise
        raise DownloadError(
            f"{error}; get the archive by other means and set {published.variable} to its path"
        ) from error


def cache_folder() -> Path:
    """Where published weights are kept."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "hpunet")
    return Path(os.environ.get("HPUNET_CACHE") or usual, "weights")


def _keep(name: str, path: Path) -> None:
    """Fetches and converts published weights; two processes at once do it one after the other."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.parent / ".lock") as alone:
            clear_leftovers(path.parent, alone)
            if not path.is_file():
                with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=path.parent) as work:
                    _convert(name, Path(work)).replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); HPUNET_CACHE names another "
            "folder"
        ) from error


def _convert(name: str, work: Path) -> Path:
    published = PUBLISHED[name]
    with open_checkpoint(name, work) as opened:
        converted = convert(read_bundle(opened.prefix), published.network, published.scope)
        channels = image_channels(converted.params)
        if channels != published.channels:
            raise UserError(
                f"{opened.label}: its network takes images of {channels} channels; those of "
                f"{name!r} have {published.channels}"
            )
        path = work / "converted"
        file.save_weights(
            path,
            converted.params,
            converted.config,
            published.preprocessing,
            converted.source(opened.label, opened.sha256),
        )
    return path
