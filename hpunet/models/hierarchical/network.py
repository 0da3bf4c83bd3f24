"""The Haiku network as functions of its parameters, in a precision of choice."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import haiku as hk
from jaxtyping import Array

from hpunet.models import check
from hpunet.models.blocks import Level
from hpunet.models.hierarchical.config import ModelConfig
from hpunet.models.hierarchical.unet import Encoded, HierarchicalUNet, PosteriorPass
from hpunet.models.initialization import Params
from hpunet.models.precision import cast


class Network(NamedTuple):
    """The Haiku network as functions of its parameters, without checks.

    Attributes:
        forward: `(params, image, segmentation, noise) -> PosteriorPass`.
        encode: `(params, image) -> Encoded`.
        decode: `(params, encoded, noise, given) -> logits`.
    """

    forward: Callable[..., PosteriorPass]
    encode: Callable[..., Encoded]
    decode: Callable[..., Array]


def build_network(config: ModelConfig, precision: str = "float32", remat: bool = False) -> Network:
    """Turns the Haiku modules into functions that share one tree of parameters.

    Args:
        config: The network's shape.
        precision: What features and convolutions are computed in. Parameters, distributions,
            latents and logits are float32 whatever it is, and so are the gradients.
        remat: Keeps of each level its inputs alone when `forward` is differentiated, and computes
            the level once more when its gradient is: an eighth of what the gradient keeps, for one
            pass forward more. On a CPU XLA before jax 0.12 merges the two computations again.

    Raises:
        ValueError: If the precision is none of `PRECISIONS`.
    """
    check.precision(precision)

    def network() -> tuple[Callable[..., Any], tuple[Callable[..., Any], ...]]:
        unet = HierarchicalUNet(config)
        return unet, (unet, unet.encode, unet.decode)

    modules = Network(*hk.without_apply_rng(hk.multi_transform(network)).apply)

    def forward(params: Params, image: Array, segmentation: Array, noise: Any) -> PosteriorPass:
        with hk.intercept_methods(_recompute_level) if remat else contextlib.nullcontext():
            output = modules.forward(*cast((params, image, segmentation), precision), noise)
        return output._replace(logits=cast(output.logits, "float32"))

    def encode(params: Params, image: Array) -> Encoded:
        return modules.encode(*cast((params, image), precision))

    def decode(params: Params, encoded: Encoded, noise: Any, given: Any) -> Array:
        logits = modules.decode(*cast((params, encoded), precision), noise, given)
        return cast(logits, "float32")

    return Network(forward, encode, decode)


def _recompute_level(
    method: Callable[..., Any], args: Any, kwargs: Any, context: hk.MethodContext
) -> Any:
    computes = context.method_name in ("__call__", "of_upper")
    if not isinstance(context.module, Level) or not computes:
        return method(*args, **kwargs)
    # A number of channels belongs to the shapes.
    numbers = tuple(i for i, argument in enumerate(args) if isinstance(argument, int))
    return hk.remat(method, static_argnums=numbers)(*args, **kwargs)
