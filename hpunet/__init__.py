"""The Hierarchical Probabilistic U-Net in JAX and Haiku.

Networks and weights:
    ModelConfig: The settings that decide a network's shape.
    build_model: The network of such a shape as pure functions, a `Model`.
    load: The model and the weights of a file, or the published ones.
    params_from_reference: Weights of DeepMind's network, renamed for this one.
    Model: What the two give: `init`, `sample`, `reconstruct`.

What a network is looked at and judged with:
    load_examples: Images of a data set with their annotators' masks.
    metrics: How samples are judged; NumPy, for any framework.
    figures: What a person looks at.

Mistakes in what a user gives raise a `ValueError` with one line.

Commands, each with `--help`:
    python -m hpunet.train: Trains a network, or goes on with it.
    python -m hpunet.evaluate: Scores a network, or any other tool's samples.
    python -m hpunet.sample: Draws samples of a user's own images.
    python -m hpunet.convert: Weights of DeepMind's checkpoints as a file, and back.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpunet import figures as figures
    from hpunet import metrics as metrics
    from hpunet.evaluation.examples import load_examples as load_examples
    from hpunet.models.hierarchical.config import ModelConfig as ModelConfig
    from hpunet.models.model import Model as Model
    from hpunet.models.model import build_model as build_model
    from hpunet.weights.deepmind.names import params_from_reference as params_from_reference
    from hpunet.weights.published import load as load

__version__ = "0.1.0"

# Names load when they are first used: hpunet.metrics must not wait for jax.
_HOMES = {
    "Model": "hpunet.models.model",
    "ModelConfig": "hpunet.models.hierarchical.config",
    "build_model": "hpunet.models.model",
    "load": "hpunet.weights.published",
    "load_examples": "hpunet.evaluation.examples",
    "params_from_reference": "hpunet.weights.deepmind.names",
}
_PACKAGES = ("figures", "metrics")
__all__ = [
    "Model",
    "ModelConfig",
    "build_model",
    "figures",
    "load",
    "load_examples",
    "metrics",
    "params_from_reference",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for."""
    if name in _PACKAGES:
        return importlib.import_module(f"hpunet.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hpunet' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, also those that are not loaded yet."""
    return sorted({*globals(), *__all__})
