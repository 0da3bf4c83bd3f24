"""The Hierarchical Probabilistic U-Net as functions of its parameters."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hpunet.models.blocks import Level
from hpunet.models.fields import check_convolution, check_precision
from hpunet.models.gaussian import DiagonalGaussian
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.hierarchical.unet import Encoded, HierarchicalUNet
from hpunet.models.initialization import Parameter, Params, list_parameters
from hpunet.models.network import ForwardPass, Network, cast
from hpunet.models.noise import draw_latent_noise


def build_network(
    config: HierarchicalConfig,
    precision: str = "float32",
    remat: bool = False,
    convolution: str = "fast",
) -> Network:
    """Builds the functions of the network, which share one tree of parameters.

    Args:
        config: The settings of the network.
        precision: Number format of features and convolutions. Parameters, distributions, latents,
            logits and gradients are always float32.
        remat: Keeps only the inputs of each level for the backward pass of `forward`, and
            recomputes the level there. This takes an eighth of the memory for activations and one
            more forward pass. On a CPU, XLA before jax 0.12 merges the two computations, which
            cancels the effect.
        convolution: A key of `hpunet.models.convolution.FORMS`.

    Raises:
        ValueError: If `precision` or `convolution` is not an allowed value.
    """
    check_precision(precision)
    check_convolution(convolution)

    def transformed() -> tuple[Callable[..., Any], tuple[Callable[..., Any], ...]]:
        unet = HierarchicalUNet(config, convolution)
        return unet, (unet, unet.encode, unet.decode, unet.prior)

    whole, encoder, decoder, priors = hk.without_apply_rng(hk.multi_transform(transformed)).apply

    def forward(params: Params, image: Array, segmentation: Array, noise: Any) -> ForwardPass:
        with hk.intercept_methods(_recompute_level) if remat else contextlib.nullcontext():
            output = whole(*cast((params, image, segmentation), precision), noise)
        return output._replace(logits=cast(output.logits, "float32"))

    def encode(params: Params, image: Array) -> Encoded:
        return encoder(*cast((params, image), precision))

    def decode(params: Params, encoded: Encoded, noise: Any, given: Any) -> Array:
        return cast(decoder(*cast((params, encoded), precision), noise, given), "float32")

    def prior(params: Params, encoded: Encoded) -> list[DiagonalGaussian]:
        return priors(*cast((params, encoded), precision))

    def draw_noise(
        keys: Key[Array, " B"], image_size: tuple[int, int], number: Any = 0
    ) -> list[Float[Array, "B _h _w _L"]]:
        del number
        return draw_latent_noise(keys, config.latent_shapes(*image_size))

    return Network(
        functools.partial(_list_parameters, config),
        draw_noise,
        forward,
        encode,
        decode,
        lambda encoded: encoded.image_size,
        prior,
    )


def _recompute_level(
    method: Callable[..., Any], args: Any, kwargs: Any, context: hk.MethodContext
) -> Any:
    computes = context.method_name in ("__call__", "of_upper")
    if not isinstance(context.module, Level) or not computes:
        return method(*args, **kwargs)
    # A number of channels determines shapes, so it must be static.
    numbers = tuple(i for i, argument in enumerate(args) if isinstance(argument, int))
    return hk.remat(method, static_argnums=numbers)(*args, **kwargs)


# Tracing the LIDC network takes half a second, and a command calls this several times.
@functools.cache
def _list_parameters(config: HierarchicalConfig, image_channels: int) -> list[Parameter]:
    side = config.size_multiple
    image = jax.ShapeDtypeStruct((1, side, side, image_channels), jnp.float32)
    segmentation = jax.ShapeDtypeStruct((1, side, side, config.num_classes), jnp.float32)
    mean = [None] * config.num_scales

    def forward(image: Array, segmentation: Array) -> ForwardPass:
        return HierarchicalUNet(config, "portable")(image, segmentation, mean)

    return in_reference_order(list_parameters(forward, image, segmentation), config)


def in_reference_order(
    parameters: Sequence[Parameter], config: HierarchicalConfig
) -> list[Parameter]:
    """Sorts parameters in the order in which the reference's network creates them.

    The orders differ because the encoder's contribution to a decoder's block is computed here
    before the latents, so that part of the block is created earlier.

    Args:
        parameters: All parameters of a network. Parts and levels may be in any order. Kernels
            precede biases, and blocks and the 3x3 convolutions of a block are in ascending order.
        config: The settings of the network.

    Reference: `HierarchicalProbUNet` and `res_block` in the reference's model.
    """
    parts = _children_of_parts(config)
    # Either one is missing if the widths make it unnecessary.
    ends = ("skip", "expand")

    def place(parameter: Parameter) -> tuple[int, ...]:
        part, child, *inner = parameter.module.split("/")
        block, conv = inner or ("block_0", "conv_0")
        return (
            list(parts).index(part),
            parts[part].index(child),
            int(block.removeprefix("block_")),
            1 + ends.index(conv) if conv in ends else 0,
        )

    return sorted(parameters, key=place)


def _children_of_parts(config: HierarchicalConfig) -> dict[str, list[str]]:
    finest = config.level_of_scale(config.num_scales - 1) - 1
    encoder = [f"level_{level}" for level in range(config.num_levels)]
    decoder = []
    for scale in range(config.num_scales):
        decoder += [f"latent_{scale}", f"level_{config.level_of_scale(scale) - 1}"]
    stitching = [f"level_{level}" for level in range(finest - 1, -1, -1)]
    return {
        "posterior_encoder": encoder,
        "posterior_decoder": decoder,
        "prior_encoder": encoder,
        "prior_decoder": decoder,
        "stitching_decoder": [*stitching, "logits"],
    }
