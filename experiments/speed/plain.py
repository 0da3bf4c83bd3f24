"""The network as a plain transcription of the paper to JAX: convolve, concatenate, upsample.

It is the baseline for the speed and the values of hpunet, and has the same tree of parameters. Do
not optimise it.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, lax

from hpunet.models.gaussian import DiagonalGaussian, from_parameters, kl_divergence, sample
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.network import ForwardPass
from hpunet.models.noise import draw_latent_noise

Params = dict[str, dict[str, Array]]


def conv(params: Params, name: str, x: Array) -> Array:
    """Applies the convolution of this name with SAME padding, in the dtype of the input."""
    kernel, bias = params[name]["w"].astype(x.dtype), params[name]["b"].astype(x.dtype)
    numbers = ("NHWC", "HWIO", "NHWC")
    x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)
    return x + bias.reshape(1, 1, 1, -1)


def block(params: Params, name: str, x: Array, config: HierarchicalConfig) -> Array:
    """Applies a pre-activated residual block."""
    residual = x
    for i in range(config.convs_per_block):
        residual = conv(params, f"{name}/conv_{i}", jax.nn.relu(residual))
    if f"{name}/skip" in params:
        x = conv(params, f"{name}/skip", x)
    if f"{name}/expand" in params:
        residual = conv(params, f"{name}/expand", residual)
    return x + residual


def run_level(params: Params, name: str, x: Array, config: HierarchicalConfig) -> Array:
    """Applies the residual blocks of a level."""
    for i in range(config.blocks_per_level):
        x = block(params, f"{name}/block_{i}", x, config)
    return x


def halve(x: Array) -> Array:
    """Averages blocks of 2x2 pixels."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def double(x: Array) -> Array:
    """Repeats every pixel 2x2 times."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def encoder(params: Params, part: str, x: Array, config: HierarchicalConfig) -> list[Array]:
    """Computes the features of every level, level 0 first."""
    features: list[Array] = []
    for level in range(config.num_levels):
        x = run_level(params, f"{part}/level_{level}", halve(x) if level else x, config)
        features.append(x)
    return features


def decoder(
    params: Params,
    part: str,
    encoded: Sequence[Array],
    noise: Sequence[Array],
    given: Sequence[Array] | None,
    config: HierarchicalConfig,
) -> tuple[list[DiagonalGaussian], list[Array], Array]:
    """Computes distributions, latents (drawn or given) and the last features."""
    distributions, latents = [], []
    x = encoded[-1]
    for scale in range(config.num_scales):
        loc_and_log_scale = conv(params, f"{part}/latent_{scale}", x).astype(jnp.float32)
        distributions.append(from_parameters(loc_and_log_scale))
        latents.append(sample(distributions[-1], noise[scale]) if given is None else given[scale])
        level = config.level_of_scale(scale) - 1
        x = double(jnp.concatenate([latents[-1].astype(x.dtype), x], axis=-1))
        x = jnp.concatenate([x, encoded[level]], axis=-1)
        x = run_level(params, f"{part}/level_{level}", x, config)
    return distributions, latents, x


def stitch(params: Params, encoded: Sequence[Array], x: Array, config: HierarchicalConfig) -> Array:
    """Computes the logits, float32."""
    for level in range(config.num_levels - config.num_scales - 2, -1, -1):
        x = jnp.concatenate([double(x), encoded[level]], axis=-1)
        x = run_level(params, f"stitching_decoder/level_{level}", x, config)
    return conv(params, "stitching_decoder/logits", x).astype(jnp.float32)


def forward(
    params: Params,
    image: Array,
    segmentation: Array,
    noise: Sequence[Array],
    config: HierarchicalConfig,
    dtype: jnp.dtype = jnp.float32,
) -> ForwardPass:
    """Computes one pass with latents from the posterior.

    Args:
        params: hpunet's tree of parameters.
        image: `[B, H, W, C]`, intensities 0 to 1.
        segmentation: One-hot, `[B, H, W, K]`.
        noise: The posterior's standard normal noise at each scale, coarsest first.
        config: The settings of the network.
        dtype: Number format of the convolutions; distributions and logits are float32.
    """
    pair = jnp.concatenate([segmentation, image], axis=-1).astype(dtype)
    encoded = encoder(params, "posterior_encoder", pair, config)
    posterior, latents, _ = decoder(params, "posterior_decoder", encoded, noise, None, config)
    encoded = encoder(params, "prior_encoder", image.astype(dtype), config)
    prior, _, x = decoder(params, "prior_decoder", encoded, noise, latents, config)
    pairs = zip(posterior, prior, strict=True)
    kl = [jnp.sum(kl_divergence(q, p), axis=(1, 2)) for q, p in pairs]
    return ForwardPass(stitch(params, encoded, x, config), kl, posterior, prior)


def draw(
    params: Params,
    key: Array,
    image: Array,
    config: HierarchicalConfig,
    dtype: jnp.dtype = jnp.float32,
) -> Array:
    """Computes logits `[B, H, W, K]` of one sample per image; one key per sample."""
    keys = jax.random.split(key, len(image))
    noise = draw_latent_noise(keys, config.latent_shapes(*image.shape[1:3]))
    encoded = encoder(params, "prior_encoder", image.astype(dtype), config)
    _, _, x = decoder(params, "prior_decoder", encoded, noise, None, config)
    return stitch(params, encoded, x, config)
