"""Weights as safetensors files that say what network they belong to."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
from jaxtyping import PyTree
from safetensors.numpy import save

from hpunet.errors import UserError
from hpunet.model.build import Model, build_model
from hpunet.model.check import FIRST_KERNEL
from hpunet.model.initialization import Params
from hpunet.model.model_config import ModelConfig

HEADER, FORMAT = "hpunet", "hpunet-1"


def save_weights(
    path: str | Path, params: PyTree, config: ModelConfig, preprocessing: Mapping[str, Any]
) -> None:
    """Writes weights, and in the header all that a later command needs to know of them.

    The file appears whole or not at all.

    Args:
        path: Where to write.
        params: Haiku's tree.
        config: The network's shape.
        preprocessing: How images become the network's input, such as intensity range, pixel
            spacing and crop; anything that JSON holds.
    """
    path = Path(path)
    tensors = {
        f"{module}/{name}": np.ascontiguousarray(value)
        for module, weights in params.items()
        for name, value in weights.items()
    }
    header = {
        "format": FORMAT,
        "network": dataclasses.asdict(config),
        "preprocessing": dict(preprocessing),
    }
    part = path.with_name(path.name + ".part")
    # Under one key: the order of several would differ from file to file.
    contents = save(tensors, metadata={HEADER: json.dumps(header)})
    # Not by safetensors, whose files nobody else may read.
    part.write_bytes(contents)
    os.replace(part, path)


def read_header(path: str | Path) -> dict[str, Any]:
    """Network and preprocessing of a weights file, without its weights.

    Returns:
        `network`, a `ModelConfig`, and `preprocessing`, a dict.

    Raises:
        UserError: If the file cannot be read or is no weights file.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise UserError(
                f"{path}: no weights of hpunet, expected format {FORMAT!r} in its header"
            )
        network = ModelConfig(**header["network"])
        return {"network": network, "preprocessing": header["preprocessing"]}
    except UserError:
        raise
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a readable weights file ({_first_line(error)})") from error


def load(path: str | Path) -> tuple[Model, Params]:
    """The model and the weights of a file.

    Args:
        path: A safetensors file written by training or conversion.

    Returns:
        The model, built from the settings in the file, and its weights.

    Raises:
        UserError: If the file cannot be read, or its arrays are not those of its network, or no
            finite float32 numbers.
    """
    config = read_header(path)["network"]
    with safetensors.safe_open(path, framework="numpy") as file:
        # The type first: NumPy lacks some, and reading those fails.
        for name in file.keys():  # noqa: SIM118
            _check_type(path, name, file.get_slice(name).get_dtype())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    model = build_model(config)
    params = unflatten(tensors)
    check_finite(params, str(path))
    check_params(params, model, str(path))
    return model, params


def _check_type(path: str | Path, name: str, dtype: str) -> None:
    if dtype != "F32":
        raise UserError(f"{path}: {name} has type {dtype}; allowed is F32")


def unflatten(tensors: Mapping[str, np.ndarray]) -> Params:
    """Haiku's tree of arrays named `module/name`."""
    params: Params = {}
    for full_name, value in tensors.items():
        module, _, name = full_name.rpartition("/")
        params.setdefault(module, {})[name] = jnp.asarray(value)
    return params


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
    first = found.get(FIRST_KERNEL)
    if first is None or len(first) != 4:
        raise UserError(
            f"{source}: its weights are not those of a Hierarchical Probabilistic U-Net"
        )
    for parameter in model.list_parameters(first[2]):
        shape = found.pop((parameter.module, parameter.name), None)
        if shape != parameter.shape:
            raise UserError(
                f"{source}: {parameter.module}/{parameter.name} has shape {shape}, the network "
                f"needs {parameter.shape}"
            )
    if found:
        module, name = next(iter(found))
        raise UserError(f"{source}: {module}/{name} is no weight of the network")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
