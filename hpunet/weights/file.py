"""Weights as safetensors files that say what network they belong to."""

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
from hpunet.weights.header import Header, shown

HEADER = "hpunet"
_COULD_NOT_READ = (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError)
Shapes = dict[tuple[str, str], tuple[int, ...]]


class WeightsFile(NamedTuple):
    """What a weights file holds.

    Attributes:
        path: Where it lies.
        model: Built from the settings in the file.
        params: Haiku's tree.
        header: What it says of its weights.
        checksum: Of the weights' names, shapes and values.
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
) -> None:
    """Writes weights, and in the header all that a later command needs to know of them.

    The file appears whole or not at all.

    Args:
        path: Where to write.
        params: Haiku's tree.
        config: The network's shape.
        preprocessing: How images become the network's input, such as intensity range, pixel
            spacing and crop; anything that JSON holds.
        source: Where converted weights come from; anything that JSON holds.
    """
    path = Path(path)
    tensors = {
        f"{module}/{name}": np.ascontiguousarray(value)
        for module, weights in params.items()
        for name, value in weights.items()
    }
    preprocessing = {**preprocessing, "image_channels": check.image_channels(params, config)}
    text = header.encode(config, preprocessing, source, params_checksum(params))
    # Under one key: the order of several would differ from file to file.
    contents = save(tensors, metadata={HEADER: text})
    # Not by safetensors, whose files nobody else may read.
    write_whole(path, contents)


def read_header(path: str | Path) -> dict[str, Any]:
    """What a weights file says of its weights, which are not read.

    Returns:
        `network`, a `ModelConfig`; `preprocessing`, a dict; `source`, a dict for converted weights
        and None for others.

    Raises:
        UserError: If the file cannot be read or is no weights file.
    """
    with _opened(path) as file:
        said = _header(file, path)
    return {"network": said.network, "preprocessing": said.preprocessing, "source": said.source}


def read(path: str | Path) -> WeightsFile:
    """All that a file holds, in one reading.

    Args:
        path: A safetensors file written by training or conversion.

    Raises:
        UserError: If the file cannot be read or is damaged, or its arrays are not those of its
            network, or no finite float32 numbers.
    """
    with _opened(path) as file:
        said = _header(file, path)
        shapes: Shapes = {}
        for full_name in file.keys():  # noqa: SIM118
            array = file.get_slice(full_name)
            _check_type(path, full_name, array.get_dtype())
            shapes[_split(full_name)] = tuple(array.get_shape())
        # Before anything is built or read, both of which may be too large.
        _check_extent(path, said.network, shapes)
        model = build_model(said.network)
        check_shapes(shapes, model, str(path))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tree = _tree(tensors)
    found = params_checksum(tree)
    if said.checksum not in (None, header.combine(said.text, found)):
        raise UserError(f"{path}: damaged, its contents do not have the checksum in its header")
    params = jax.tree.map(jnp.asarray, tree)
    check_finite(params, str(path))
    _check_channels(path, said, model.image_channels(params))
    return WeightsFile(Path(path), model, params, said, found)


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    if not Path(path).is_file():
        kind = "it is a folder" if Path(path).is_dir() else "there is no such file"
        raise UserError(f"{path}: {kind}; allowed is a weights file, .safetensors, or a name: lidc")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except UserError:
        raise
    except _COULD_NOT_READ as error:
        raise UserError(
            f"{path}: not a readable weights file ({shown(error) or type(error).__name__})"
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
        raise UserError(f"{path}: {shown(name)} has type {dtype}; allowed is F32")


def _check_channels(path: str | Path, said: Header, channels: int) -> None:
    """Refuses a header that names another number of image channels than the weights have."""
    named = said.preprocessing.get("image_channels")
    if named not in (None, channels):
        raise UserError(
            f"{path}: its header has image_channels={named}; its network takes {channels}"
        )


def _check_extent(path: str | Path, network: ModelConfig, shapes: Shapes) -> None:
    """Refuses settings of a larger network than the arrays can be of."""
    least_arrays, least_width = network.least_extent
    widest = max((size for shape in shapes.values() for size in shape), default=0)
    if least_arrays > len(shapes) or least_width > widest:
        raise UserError(f"{path}: its header's network is larger than its {len(shapes)} arrays are")


def check_finite(params: Params, source: str) -> None:
    """Refuses weights that hold NaN or infinity, naming the first.

    Args:
        params: Haiku's tree.
        source: Where they come from, for the message.
    """
    for module, weights in params.items():
        for name, value in weights.items():
            if not np.isfinite(value).all():
                raise UserError(
                    f"{source}: {module}/{name} is not finite; allowed are finite numbers"
                )


def check_params(params: Params, model: Model, source: str) -> None:
    """Refuses weights that are not those of the model, naming the first that differs.

    Args:
        params: Haiku's tree.
        model: What they are to fit.
        source: Where they come from, for the message.
    """
    found = {(m, n): v.shape for m, weights in params.items() for n, v in weights.items()}
    check_shapes(found, model, source)


def check_shapes(shapes: Shapes, model: Model, source: str) -> None:
    """Refuses weights by their shapes alone, as `check_params` does.

    Args:
        shapes: Of every weight, by module and name.
        model: What they are to fit.
        source: Where they come from, for the message.
    """
    found = dict(shapes)
    first = found.get(model.config.first_kernel)
    if first is None or len(first) != 4 or first[2] < 1:
        raise UserError(f"{source}: its weights are not those of a {model.config.title}")
    for parameter in model.list_parameters(first[2]):
        shape = found.pop((parameter.module, parameter.name), None)
        if shape != parameter.shape:
            raise UserError(
                f"{source}: {parameter.module}/{parameter.name} has shape {shape}, the network "
                f"needs {parameter.shape}"
            )
    if found:
        module, name = next(iter(found))
        raise UserError(f"{source}: {shown(f'{module}/{name}')} is no weight of the network")
