"""Golden values of the reference, as the tests need them."""

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from hpunet.config.training import GecoConfig, LossConfig
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.initialization import Params
from hpunet.models.model import Model, build_model
from hpunet.weights.deepmind.names import params_from_reference, reference_names

NAMES = ("small", "multiclass", "lidc")
FOLDER = Path(__file__).parent / "golden"


class Golden(NamedTuple):
    """One file of golden values and the network it belongs to."""

    name: str
    values: dict[str, Any]
    meta: dict[str, Any]
    model: Model
    params: Params

    @property
    def loss_config(self) -> LossConfig:
        settings = self.meta["loss_kwargs"]
        geco = GecoConfig(settings["kappa"], settings["decay"], settings["rate"])
        return LossConfig(geco, settings["top_k_percentage"], l2=1e-5)

    def per_scale(self, name: str) -> list[np.ndarray]:
        return [self.values[f"{name}_{i}"] for i in range(self.model.config.num_scales)]

    def gumbel(self) -> np.ndarray:
        tiny = np.float32(1e-20)
        gumbel = -np.log(-np.log(self.values["uniform"] + tiny) + tiny)
        return jnp.asarray(gumbel.reshape(self.values["mask"].shape))

    def names(self) -> list[tuple[str, str, str]]:
        parameters = self.model.list_parameters(self.meta["in_channels"])
        names = reference_names(parameters, self.meta["name"])
        return [(p.module, p.name, n) for p, n in zip(parameters, names, strict=True)]


@cache
def load(name: str) -> Golden:
    values = dict(np.load(FOLDER / f"{name}.npz"))
    meta = json.loads(str(values["meta"]))
    model = build_model(HierarchicalConfig(**meta["cfg"], num_classes=meta["num_classes"]))
    variables = {k.removeprefix("var:"): v for k, v in values.items() if k.startswith("var:")}
    if not variables:
        parameters = model.list_parameters(meta["in_channels"])
        shapes = [p.shape for p in parameters]
        names = reference_names(parameters, meta["name"])
        variables = {n: value_by_recipe(n, s) for n, s in zip(names, shapes, strict=True)}
    params = params_from_reference(variables, model.config, meta["name"])
    arrays = {k: jnp.asarray(v) if v.dtype.kind == "f" else v for k, v in values.items()}
    return Golden(name, arrays, meta, model, params)


def value_by_recipe(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The weights of the LIDC network, which are too many to be stored."""
    value = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    scale = np.sqrt(0.7 / np.prod(shape[:-1])) if len(shape) == 4 else 0.05
    return np.float32(value * scale)
