"""A model without latents: a convolution, dropout, and another convolution."""

import dataclasses
from typing import ClassVar

import haiku as hk
import jax
import jax.numpy as jnp

from hpunet.models.blocks import Conv
from hpunet.models.fields import PROBABILITY, check_fields, field, whole
from hpunet.models.initialization import list_parameters
from hpunet.models.network import ForwardPass, Network


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "toy model"
    usual_objective: ClassVar[str] = "elbo"
    can_reconstruct: ClassVar[bool] = False
    first_kernel: ClassVar[tuple[str, str]] = ("hidden", "w")
    num_levels: ClassVar[int] = 1
    num_scales: ClassVar[int] = 0
    size_multiple: ClassVar[int] = 1
    least_extent: ClassVar[tuple[int, int]] = (4, 2)

    channels: int = field(8, whole(1), "Channels of the hidden layer.")
    dropout: float = field(0.5, PROBABILITY, "Share of the hidden channels that are dropped.")
    num_classes: int = field(2, whole(2), "Classes, background included.")

    def __post_init__(self):
        check_fields(self)

    def latent_shapes(self, height, width):
        return ()

    def check_size(self, height, width):
        if min(height, width) < 1:
            raise ValueError(f"image of {height} x {width}: allowed is at least a pixel")


def build_network(config, precision, remat, convolution):
    def compute(image, mask):
        hidden = jax.nn.relu(Conv(config.channels, 3, convolution, "hidden")(image))
        hidden = hidden * mask[:, None, None].astype(hidden.dtype)
        return Conv(config.num_classes, 1, convolution, "logits")(hidden)

    network = hk.without_apply_rng(hk.transform(compute))

    def list_own(image_channels):
        image = jax.ShapeDtypeStruct((1, 8, 8, image_channels), jnp.float32)
        mask = jax.ShapeDtypeStruct((1, config.channels), jnp.float32)
        return list_parameters(compute, image, mask)

    def draw_noise(keys, image_size, number=0):
        kept = jax.vmap(lambda k: jax.random.uniform(k, (config.channels,)))(keys) >= config.dropout
        return [kept.astype(jnp.float32)]

    def forward(params, image, segmentation, noise):
        return ForwardPass(network.apply(params, image, noise[0]), [], [], [])

    return Network(
        list_own,
        draw_noise,
        forward,
        encode=lambda params, image: image,
        decode=lambda params, image, noise, given: network.apply(params, image, noise[0]),
        image_size=lambda image: image.shape[1:3],
    )
