"""Converts the reference's variables to weights of this network, and back."""

import math
import re
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from hpunet.io.errors import UserError
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.initialization import Parameter, Params
from hpunet.models.model import Model
from hpunet.weights.deepmind.names import FIRST_VARIABLE, reference_names, variable_name
from hpunet.weights.deepmind.shapes import MOST_CHANNELS, Shapes, find_configs
from hpunet.weights.tensorflow.tensor_bundle import Bundle

# Increment this number if a change affects the weights that a conversion produces.
CONVERSION = 1
SCOPE = HierarchicalConfig.reference_scope
MULTIPLIER = "snt_lagrange_multiplier/lagrange_multiplier/w"
# Value of the variable for which the multiplier is 1.
INITIAL_MULTIPLIER = math.log(math.e - 1)
_OWN = re.compile(r"(prior|posterior|f_comb)/(conv_2d(_\d+)?|logits)/[wb]")


class Multiplier(NamedTuple):
    """The variable of GECO's multiplier; the multiplier is `softplus(value)**2`."""

    name: str
    value: float


class Converted(NamedTuple):
    """The converted contents of a checkpoint.

    Attributes:
        params: Haiku's tree of weights, float32.
        config: The settings of the network.
        scope: Prefix of the names of the network's variables.
        multiplier: The variable of GECO's multiplier, or None.
        skipped: Names of all other variables, such as those of an optimizer.
    """

    params: Params
    config: HierarchicalConfig
    scope: str
    multiplier: Multiplier | None
    skipped: tuple[str, ...]

    def source(self, label: str, sha256: str) -> dict[str, Any]:
        """Describes the origin of the weights for the header of a weights file.

        Args:
            label: Origin of the checkpoint, such as a URL.
            sha256: SHA-256 of the checkpoint.
        """
        return {
            "checkpoint": label,
            "sha256": sha256,
            "scope": self.scope,
            "multiplier": None if self.multiplier is None else self.multiplier._asdict(),
            "skipped": list(self.skipped),
            "converted_by": f"hpunet {sys.modules['hpunet'].__version__}",
            "conversion": CONVERSION,
        }


def convert(
    bundle: Bundle, config: HierarchicalConfig | None = None, scope: str | None = None
) -> Converted:
    """Converts a checkpoint of the reference to weights of this network.

    Args:
        bundle: The checkpoint.
        config: The settings of the network; None derives them from the shapes of the variables.
        scope: Prefix of the names of the network's variables; None detects it.

    Raises:
        UserError: If a variable is missing, of the wrong shape, not float32, not finite or damaged.
            The message names checkpoint and variable.
    """
    shapes = {name: entry.shape for name, entry in bundle.entries.items()}
    try:
        scope = find_scope(shapes, scope)
        configs = find_configs(shapes, scope) if config is None else [config]
        networks = [_Expected(candidate, shapes, scope) for candidate in configs]
        network = min(networks, key=lambda expected: len(expected.mistakes))
        network.check()
        params: Params = {}
        for name, parameter in network.parameters.items():
            value = jnp.asarray(_finite(bundle, name))
            params.setdefault(parameter.module, {})[parameter.name] = value
        multiplier = _multiplier(bundle, scope)
    except UserError as error:
        raise _located(bundle, error) from error
    used = {*network.parameters, *([multiplier.name] if multiplier else [])}
    skipped = tuple(name for name in bundle if name not in used)
    return Converted(params, network.config, scope, multiplier, skipped)


def _located(bundle: Bundle, error: UserError) -> UserError:
    # Errors of data files already name the file, whose name begins with the prefix.
    text, prefix = str(error), str(bundle.prefix)
    return error if text.startswith(prefix) else UserError(f"{prefix}: {text}")


def find_scope(shapes: Shapes, scope: str | None = None) -> str:
    """Finds the prefix of the names of a network's variables.

    Args:
        shapes: Shapes of all variables by name.
        scope: The expected scope, or None to detect it.

    Raises:
        UserError: If there is no network in the given scope, or the scope is None and there are
            several networks.
    """
    first = [name for name in shapes if f"/{name}".endswith(f"/{FIRST_VARIABLE}")]
    found = [name.removesuffix(FIRST_VARIABLE).removesuffix("/") for name in first]
    if scope is not None and scope.rstrip("/") in found:
        return scope.rstrip("/")
    if scope is None and len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            f"no variable is named SCOPE/{FIRST_VARIABLE}: not a network of the reference"
        )
    start = "several networks: allowed is" if scope is None else f"--scope={scope}: allowed is"
    raise UserError(f"{start} --scope={' or '.join(found)}")


class _Expected:
    """Compares the variables of a checkpoint with those that a network needs."""

    def __init__(self, config: HierarchicalConfig, shapes: Shapes, scope: str) -> None:
        first = shapes[variable_name(scope, FIRST_VARIABLE)]
        # If the shape is not that of a kernel, it is among the misshapen ones below.
        fits = len(first) == 4 and 1 <= first[2] <= MOST_CHANNELS
        parameters = Model(config).list_parameters(first[2] if fits else 1)
        names = reference_names(parameters, scope)
        self.config = config
        self.parameters: dict[str, Parameter] = dict(zip(names, parameters, strict=True))
        self.missing = [name for name in names if name not in shapes]
        self.misshapen = [
            f"variable {name} has shape {shapes[name]}: the network needs {parameter.shape}"
            for name, parameter in self.parameters.items()
            if name in shapes and shapes[name] != parameter.shape
        ]
        own = variable_name(scope, "")
        self.superfluous = [
            name
            for name in shapes
            if name.startswith(own)
            and _OWN.fullmatch(name.removeprefix(own))
            and name not in self.parameters
        ]

    @property
    def mistakes(self) -> list[str]:
        """Names and descriptions of all variables that do not fit."""
        return [*self.missing, *self.misshapen, *self.superfluous]

    def check(self) -> None:
        """Raises UserError if a variable does not fit; the message names the first."""
        if self.missing:
            raise UserError(
                f"variable {self.missing[0]} is missing{_others(self.missing)}: the network of "
                f"{self.config} needs it"
            )
        if self.misshapen:
            raise UserError(f"{self.misshapen[0]}{_others(self.misshapen)}")
        if self.superfluous:
            raise UserError(
                f"variable {self.superfluous[0]} is not part of the network of {self.config}"
                f"{_others(self.superfluous)}"
            )


def _others(mistakes: Sequence[str]) -> str:
    return f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""


def _finite(bundle: Bundle, name: str) -> np.ndarray:
    """Returns the value of a variable; raises UserError unless it is finite float32."""
    dtype = bundle.entries[name].dtype
    if dtype != np.float32:
        kind = "no numbers" if dtype is None else str(dtype)
        raise UserError(f"variable {name} has type {kind}: allowed is float32")
    value = bundle[name]
    if not np.isfinite(value).all():
        raise UserError(f"variable {name} is not finite: allowed are finite numbers")
    return value


def _multiplier(bundle: Bundle, scope: str) -> Multiplier | None:
    name = variable_name(scope, MULTIPLIER)
    if name not in bundle:
        return None
    shape = bundle.entries[name].shape
    if shape:
        raise UserError(f"variable {name} has shape {shape}: allowed is a single number")
    return Multiplier(name, float(_finite(bundle, name)))


def reference_values(
    params: Params, config: HierarchicalConfig, scope: str, multiplier: float
) -> dict[str, np.ndarray]:
    """Converts weights of this network to the reference's variables.

    Args:
        params: Haiku's tree of weights.
        config: The settings of the network.
        scope: Prefix of the names of the variables.
        multiplier: Value of the variable of GECO's multiplier.

    Returns:
        Values by the reference's names, float32.
    """
    channels = params["prior_encoder/level_0/block_0/conv_0"]["w"].shape[2]
    parameters = Model(config).list_parameters(channels)
    names = reference_names(parameters, scope)
    values: dict[str, np.ndarray] = {
        name: np.asarray(params[parameter.module][parameter.name], np.float32)
        for name, parameter in zip(names, parameters, strict=True)
    }
    return values | {variable_name(scope, MULTIPLIER): np.array(multiplier, np.float32)}
