"""Maps the variables of DeepMind's reference network to parameters of this network."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from hpunet.io.errors import UserError
from hpunet.models import check
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.initialization import Parameter, Params
from hpunet.models.model import Model

REFERENCE_PARTS = {
    "prior_encoder": "prior",
    "prior_decoder": "prior",
    "posterior_encoder": "posterior",
    "posterior_decoder": "posterior",
    "stitching_decoder": "f_comb",
}
# The first kernel applied to the image.
FIRST_VARIABLE = "prior/conv_2d/w"


def params_from_reference(
    variables: Mapping[str, ArrayLike], config: HierarchicalConfig, scope: str = "model/HPUNet"
) -> Params:
    """Converts the reference's variables to parameters of this network.

    Args:
        variables: Values by the reference's names, such as `model/HPUNet/prior/conv_2d_3/w`.
            Kernels are HWIO. Variables that are not weights of the network are skipped.
        config: The settings of the network.
        scope: Prefix of the reference's names.

    Returns:
        Haiku's tree `{module: {"w": ..., "b": ...}}`, float32.

    Raises:
        UserError: If a variable is missing, is not numeric or has the wrong shape.
        ValueError: If `variables` is not a mapping, or `config` not a `HierarchicalConfig`.

    Example:
        >>> import numpy as np
        >>> import hpunet
        >>> from hpunet.weights.deepmind.names import reference_names
        >>> config = hpunet.HierarchicalConfig((1,), (4, 4), convs_per_block=1)
        >>> parameters = hpunet.build_model(config).list_parameters(image_channels=1)
        >>> names = reference_names(parameters, "net")
        >>> names[-2:]
        ['net/f_comb/logits/w', 'net/f_comb/logits/b']
        >>> variables = {n: np.zeros(p.shape) for n, p in zip(names, parameters)}
        >>> params = hpunet.params_from_reference(variables, config, scope="net")
        >>> params["stitching_decoder/logits"]["b"].shape
        (2,)

    Reference: `HierarchicalProbUNet` numbers its convolutions in the order of creation.
    """
    check.model_config(config)
    if not isinstance(variables, Mapping):
        kind = type(variables).__name__
        raise ValueError(f"variables is a {kind}: allowed is a mapping of names to arrays")
    parameters = Model(config).list_parameters(_image_channels(variables, scope))
    params: Params = {}
    for parameter, name in zip(parameters, reference_names(parameters, scope), strict=True):
        if name not in variables:
            raise UserError(f"variable {name} is missing: the network of {config} needs it")
        value = jnp.asarray(_as_float32(name, variables[name]))
        if value.shape != parameter.shape:
            raise UserError(
                f"variable {name} has shape {value.shape}: the network needs {parameter.shape}"
            )
        params.setdefault(parameter.module, {})[parameter.name] = value
    return params


def _image_channels(variables: Mapping[str, Any], scope: str) -> int:
    first = variable_name(scope, FIRST_VARIABLE)
    if first not in variables:
        raise UserError(f"variable {first} is missing: is scope={scope!r} the right one?")
    shape = _as_float32(first, variables[first]).shape
    if len(shape) != 4:
        raise UserError(f"variable {first} has shape {shape}: allowed is a kernel [H, W, I, O]")
    return int(shape[2])


def _as_float32(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biuf":
            return array.astype(np.float32)
    except (TypeError, ValueError):
        pass
    raise UserError(f"variable {name}={check.short(value)}: allowed is an array of numbers")


def reference_names(parameters: list[Parameter], scope: str) -> list[str]:
    """Returns the reference's name of each parameter.

    Convolutions are numbered from 0 in each part; the first has no number.

    Args:
        parameters: All parameters, in the order of the reference.
        scope: Prefix of the names.
    """
    names: list[str] = []
    seen: dict[str, list[str]] = {part: [] for part in REFERENCE_PARTS.values()}
    for parameter in parameters:
        part = REFERENCE_PARTS[parameter.module.split("/")[0]]
        if parameter.module not in seen[part]:
            seen[part].append(parameter.module)
        number = seen[part].index(parameter.module)
        conv = f"conv_2d_{number}" if number else "conv_2d"
        if parameter.module.endswith("/logits"):
            conv = "logits"
        names.append(variable_name(scope, f"{part}/{conv}/{parameter.name}"))
    return names


def variable_name(scope: str, name: str) -> str:
    """Returns the full name of a variable; the scope may be empty."""
    return f"{scope}/{name}" if scope else name
