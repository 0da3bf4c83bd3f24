"""The Hierarchical Probabilistic U-Net in JAX and Haiku."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpunet import figures as figures
    from hpunet import metrics as metrics
    from hpunet.model.build import build_model as build_model
    from hpunet.model.model_config import ModelConfig as ModelConfig
    from hpunet.weights.file import load as load
    from hpunet.weights.reference import params_from_reference as params_from_reference

__version__ = "0.1.0"

# Names load when they are first used: hpunet.metrics must not wait for jax.
_HOMES = {
    "ModelConfig": "hpunet.model.model_config",
    "build_model": "hpunet.model.build",
    "load": "hpunet.weights.file",
    "params_from_reference": "hpunet.weights.reference",
}
_PACKAGES = ("figures", "metrics")
__all__ = ["ModelConfig", "build_model", "figures", "load", "metrics", "params_from_reference"]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for."""
    if name in _PACKAGES:
        return importlib.import_module(f"hpunet.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hpunet' has no attribute {name!r}")
