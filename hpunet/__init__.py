"""Ambiguous image segmentation in JAX and Haiku: the Hierarchical Probabilistic U-Net.

Models and weights:
    HierarchicalConfig: Settings of a Hierarchical Probabilistic U-Net.
    build_model: Builds the `Model` of a configuration.
    Model: Pure functions `init`, `sample` and `reconstruct`.
    load: Loads model and weights of a file, or published ones by name.
    params_from_reference: Renames the variables of DeepMind's network.

Data, scores and figures:
    load_examples: Loads images of a data set with all their annotations.
    metrics: Scores of samples against annotations; NumPy, for any framework.
    figures: Figures of images, samples and scores.

A mistake in what the caller gives raises a `ValueError` with a one-line message.

Commands, each with `--help`:
    python -m hpunet.train: Trains a model, or resumes training.
    python -m hpunet.evaluate: Scores a model, or the predictions of any other tool.
    python -m hpunet.sample: Draws segmentations of a user's own images.
    python -m hpunet.inspect: Reports what is in a data set, and what is wrong with it.
    python -m hpunet.convert: Converts DeepMind's checkpoints to weights files, and back.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpunet import figures as figures
    from hpunet import metrics as metrics
    from hpunet.evaluation.examples import load_examples as load_examples
    from hpunet.models.hierarchical.config import HierarchicalConfig as HierarchicalConfig
    from hpunet.models.model import Model as Model
    from hpunet.models.model import build_model as build_model
    from hpunet.weights.deepmind.names import params_from_reference as params_from_reference
    from hpunet.weights.published import load as load

__version__ = "0.1.0"

# Names load when they are first used: hpunet.metrics must not wait for jax.
_HOMES = {
    "Model": "hpunet.models.model",
    "HierarchicalConfig": "hpunet.models.hierarchical.config",
    "build_model": "hpunet.models.model",
    "load": "hpunet.weights.published",
    "load_examples": "hpunet.evaluation.examples",
    "params_from_reference": "hpunet.weights.deepmind.names",
}
_PACKAGES = ("figures", "metrics")
__all__ = [
    "HierarchicalConfig",
    "Model",
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
    """Lists the public names, including those that are not loaded yet, and special names."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
