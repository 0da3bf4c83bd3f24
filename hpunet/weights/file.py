"""Weights files: safetensors with a header that describes the network."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from jaxtyping import PyTree
from safetensors.numpy import save

from hpunet.io.atomic import write_whole
from hpunet.io.checksums import params_checksum
from hpunet.io.errors import UserError
from hpunet.models import check
from hpunet.models.base import ModelConfig
from hpunet.models.initialization import Params
from hpunet.models.model import Model, build_model
from hpunet.weights import header
from hpunet.weights.header import Header, printable

HEADER = "hpunet"
_COULD_NOT_READ = (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError)
Shapes = dict[tuple[str, str], tuple[int, ...]]


class WeightsFile(NamedTuple):
    """The contents of a weights file.

    Attributes:
        path: Path of the file.
        model: The model, built from the settings in the header.
        params: Haiku's tree of weights.
        header: The header.
        checksum: Checksum of the names, shapes and values of the weights.
    """

    path: Path
    model: Model
    params: Params
    header: Header
    checksum: str


def save_weights(
    path: str | Path,
    params: PyTree,
    config: ModelConfig,
    preprocessing: Mapping[str, Any],
    source: Mapping[str, Any] | None = None,
    prior_range: Mapping[str, Any] | None = None,
) -> None:
    """Writes weights with a header that later commands need.

    The file is complete or absent.

    Args:
        path: Path of the file.
        params: Haiku's tree of weights.
        config: The settings of the model.
        preprocessing: How images become the network's input, such as intensity range, pixel
            spacing and crop. The values must be valid JSON.
        source: Origin of converted weights. The values must be valid JSON.
        prior_range: Range of the prior on the validation split, as in `Header`.
    """
    path = Path(path)
    tensors = {
        f"{module}/{name}": np.ascontiguousarray(value)
        for module, weights in params.items()
        for name, value in weights.items()
    }
    preprocessing = {**preprocessing, "image_channels": check.image_channels(params, config)}
    text = header.encode(config, preprocessing, source, params_checksum(params), prior_range)
    # A single key, because the order of several keys would differ between files.
    contents = save(tensors, metadata={HEADER: text})
    # safetensors would write a file that only its owner can read.
    write_whole(path, contents)


def header_of(path: str | Path, checksum: str) -> Header | None:
    """Reads the header of a weights file if its weights are the expected ones.

    Args:
        path: Path of the file.
        checksum: Checksum of the names, shapes and values of the expected weights.

    Returns:
        None if the file is missing or unreadable, or it has other weights.
    """
    try:
        with _opened(path) as file:
            entries = _header(file, path)
    except UserError:
        return None
    return entries if entries.checksum == header.combine(entries.text, checksum) else None


def read(path: str | Path) -> WeightsFile:
    """Reads and checks a weights file.

    Args:
        path: A safetensors file written by training or conversion.

    Raises:
        UserError: If the file cannot be read or is damaged, or its arrays do not fit its network
            or are not finite float32 numbers.
    """
    with _opened(path) as file:
        entries = _header(file, path)
        shapes: Shapes = {}
        for full_name in file.keys():  # noqa: SIM118
            array = file.get_slice(full_name)
            _check_type(path, full_name, array.get_dtype())
            shapes[_split(full_name)] = tuple(array.get_shape())
        # Checked first, because network or arrays of a bad file may be too large to build or read.
        _check_extent(path, entries.network, shapes)
        model = build_model(entries.network)
        check_shapes(shapes, model, str(path))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tree = _tree(tensors)
    checksum = params_checksum(tree)
    if entries.checksum not in (None, header.combine(entries.text, checksum)):
        raise UserError(f"{path}: damaged, its contents do not match the checksum in its header")
    params = jax.tree.map(jnp.asarray, tree)
    check_finite(params, str(path))
    _check_channels(path, entries, model.image_channels(params))
    return WeightsFile(Path(path), model, params, entries, checksum)


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    if not Path(path).is_file():
        kind = "is a folder" if Path(path).is_dir() else "there is no such file"
        raise UserError(f"{path}: {kind}; allowed is a weights file, .safetensors, or a name: lidc")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except UserError:
        raise
    except _COULD_NOT_READ as error:
        raise UserError(
            f"{path}: not a readable weights file ({printable(error) or type(error).__name__})"
        ) from error


def _header(file: Any, path: str | Path) -> Header:
    return header.decode((file.metadata() or {}).get(HEADER, "{}"), str(path))


def _split(full_name: str) -> tuple[str, str]:
    module, _, name = full_name.rpartition("/")
    return module, name


def _tree(tensors: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    tree: dict[str, dict[str, np.ndarray]] = {}
    for full_name, value in tensors.items():
        module, name = _split(full_name)
        tree.setdefault(module, {})[name] = value
    return tree


def _check_type(path: str | Path, name: str, dtype: str) -> None:
    if dtype != "F32":
        raise UserError(f"{path}: {printable(name)} has type {dtype}; allowed is F32")


def _check_channels(path: str | Path, entries: Header, channels: int) -> None:
    """Raises UserError if the header and the weights differ in the number of image channels."""
    named = entries.preprocessing.get("image_channels")
    if named not in (None, channels):
        raise UserError(
            f"{path}: its header has image_channels={named}; its network takes {channels}"
        )


def _check_extent(path: str | Path, network: ModelConfig, shapes: Shapes) -> None:
    """Raises UserError if the network is too large for the number and sizes of the arrays."""
    least_arrays, least_width = network.least_extent
    widest = max((size for shape in shapes.values() for size in shape), default=0)
    if least_arrays > len(shapes) or least_width > widest:
        raise UserError(f"{path}: its header's network is too large for its {len(shapes)} arrays")


def check_finite(params: Params, source: str) -> None:
    """Checks that all weights are finite.

    Args:
        params: Haiku's tree of weights.
        source: Origin of the weights, for the message.

    Raises:
        UserError: If a weight is NaN or infinite. The message names the first.
    """
    for module, weights in params.items():
        for name, value in weights.items():
            if not np.isfinite(value).all():
                raise UserError(
                    f"{source}: {module}/{name} is not finite; allowed are finite numbers"
                )


def check_params(params: Params, model: Model, source: str) -> None:
    """Checks that weights fit a model.

    Args:
        params: Haiku's tree of weights.
        model: The model.
        source: Origin of the weights, for the message.

    Raises:
        UserError: If they do not. The message names the first weight that differs.
    """
    shapes = {(m, n): v.shape for m, weights in params.items() for n, v in weights.items()}
    check_shapes(shapes, model, source)


def check_shapes(shapes: Shapes, model: Model, source: str) -> None:
    """Checks that the shapes of weights fit a model.

    Args:
        shapes: Shape of every weight, by module and name.
        model: The model.
        source: Origin of the weights, for the message.

    Raises:
        UserError: If they do not. The message names the first weight that differs.
    """
    remaining = dict(shapes)
    first = remaining.get(model.config.first_kernel)
    if first is None or len(first) != 4 or first[2] < 1:
        raise UserError(f"{source}: its weights are not those of a {model.config.title}")
    for parameter in model.list_parameters(first[2]):
        shape = remaining.pop((parameter.module, parameter.name), None)
        if shape != parameter.shape:
            raise UserError(
                f"{source}: {parameter.module}/{parameter.name} has shape {shape}, the network "
                f"needs {parameter.shape}"
            )
    if remaining:
        module, name = next(iter(remaining))
        raise UserError(f"{source}: {printable(f'{module}/{name}')} is not a weight of the network")
