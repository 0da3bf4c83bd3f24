"""Shapes and keys that callers hand over, checked and turned into JAX arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hpunet.models.base import CONVOLUTIONS, MODELS, PRECISIONS, ModelConfig


def model_config(config: Any) -> None:
    """Refuses what is not the configuration of a model."""
    if type(config) not in MODELS.values():
        allowed = " or ".join(f"hpunet.{kind.__name__}" for kind in MODELS.values())
        raise ValueError(f"config={short(config)}: allowed is a {allowed}")


def precision(value: Any) -> None:
    """Refuses a number format that the network does not compute in."""
    _one_of("precision", value, PRECISIONS)


def convolution(value: Any) -> None:
    """Refuses an unknown form of the convolutions."""
    _one_of("convolution", value, CONVOLUTIONS)


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        listed = " and ".join(map(repr, allowed))
        raise ValueError(f"{name}={short(value)}: allowed are {listed}")


def image(value: Any, config: ModelConfig) -> Float[Array, "B H W C"]:
    """An image as float32, of a size that the network takes."""
    array = _numbers("image", value)
    if array.ndim != 4:
        raise ValueError(f"image has shape {array.shape}: allowed is [B, H, W, C]")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"image has dtype {array.dtype}: allowed are floating-point intensities")
    config.check_size(*array.shape[1:3])
    return array.astype(jnp.float32)


def image_channels(params: Any, config: ModelConfig) -> int:
    """Channels of the images that weights are for; refuses what is no weights."""
    module, name = config.first_kernel
    try:
        return params[module][name].shape[2]
    except (TypeError, LookupError, AttributeError):
        raise ValueError(
            f"params={short(params)}: allowed are weights of this network, from model.init or "
            "hpunet.load"
        ) from None


def channels(image: Float[Array, "B H W C"], params: Any, config: ModelConfig) -> None:
    """Refuses an image with other channels than the weights are for, and what is no weights."""
    expected = image_channels(params, config)
    if image.shape[-1] != expected:
        raise ValueError(f"image has {image.shape[-1]} channels: the weights are for {expected}")


def segmentation(
    value: Any, image: Float[Array, "B H W C"], config: ModelConfig
) -> Float[Array, "B H W K"]:
    """A one-hot segmentation as float32, of the image's size."""
    array = _numbers("segmentation", value)
    expected = (*image.shape[:3], config.num_classes)
    if array.shape != expected:
        raise ValueError(f"segmentation has shape {array.shape}: allowed is one-hot {expected}")
    return array.astype(jnp.float32)


def count(name: str, value: Any) -> None:
    """Refuses what is no whole number from 1 up."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r}: allowed are whole numbers from 1 up")


def temperature(value: Any) -> None:
    """Refuses what is no finite number from 0 up."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf"):
        raise ValueError(f"temperature={short(value)}: allowed are finite numbers from 0 up")


def boolean(name: str, value: Any) -> bool:
    """A bool of Python or NumPy as Python's; refuses all else."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={short(value)}: allowed are True and False")
    return bool(value)


def latents(
    values: Any,
    num_samples: int,
    image_shape: tuple[int, ...],
    config: ModelConfig,
) -> list[Array | None]:
    """Latents given from outside, one entry a scale, each with the axis of samples in front."""
    if values is None:
        return [None] * config.num_scales
    if not isinstance(values, list | tuple):
        raise ValueError(
            f"latents={short(values)}: allowed is a list of {config.num_scales} arrays or None"
        )
    if len(values) != config.num_scales:
        raise ValueError(f"{len(values)} latents given: allowed are {config.num_scales}")
    shapes = config.latent_shapes(*image_shape[1:3])
    given: list[Array | None] = []
    for scale, (value, shape) in enumerate(zip(values, shapes, strict=True)):
        if value is None:
            given.append(None)
            continue
        single = (image_shape[0], *shape)
        array = _numbers(f"latents[{scale}]", value).astype(jnp.float32)
        if array.shape not in (single, (num_samples, *single)):
            raise ValueError(
                f"latents[{scale}] has shape {array.shape}: allowed are {single} "
                f"and {(num_samples, *single)}"
            )
        given.append(jnp.broadcast_to(array, (num_samples, *single)))
    return given


def mean_scales(mean: Any, given: list[Array | None], config: ModelConfig) -> tuple[bool, ...]:
    """For each scale whether the prior's mean is taken."""
    values = list(mean) if isinstance(mean, np.ndarray) and mean.ndim == 1 else mean
    if isinstance(values, list | tuple):
        flags = tuple(boolean(f"mean[{scale}]", value) for scale, value in enumerate(values))
    elif isinstance(values, bool | np.bool_):
        flags = (bool(values),) * config.num_scales
    else:
        raise ValueError(
            f"mean={short(mean)}: allowed are True, False and a list of {config.num_scales} of them"
        )
    if len(flags) != config.num_scales:
        raise ValueError(f"mean has {len(flags)} entries: allowed are {config.num_scales}")
    both = [s for s, (m, z) in enumerate(zip(flags, given, strict=True)) if m and z is not None]
    if both:
        raise ValueError(f"scales {both} are named by both mean and latents: allowed is one")
    return flags


def single_key(key: Any) -> Key[Array, ""]:
    """One JAX key, typed or raw."""
    typed = _typed(key)
    if typed.ndim != 0:
        raise ValueError(f"key has shape {typed.shape}: allowed is a single key")
    return typed


def image_keys(key: Any, batch: int) -> Key[Array, " B"]:
    """A key for each image: those given, or one key folded with each image's position."""
    typed = _typed(key)
    if typed.ndim == 0:
        return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(typed, jnp.arange(batch))
    if typed.shape != (batch,):
        raise ValueError(f"key has shape {typed.shape}: allowed are one key and {batch} keys")
    return typed


def _typed(key: Any) -> Key[Array, "..."]:
    if key is None:
        raise ValueError("key=None: allowed only where nothing is drawn")
    array = _array("key", key, "jax.random.key(...)")
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return array
    if array.dtype != jnp.uint32:
        raise ValueError(f"key has dtype {array.dtype}: allowed are jax.random.key(...)")
    try:
        return jax.random.wrap_key_data(array)
    except (TypeError, ValueError):
        raise ValueError(
            f"key has shape {array.shape}: allowed are jax.random.key(...) and its key data"
        ) from None


def _numbers(name: str, value: Any) -> Array:
    """Real numbers as a JAX array."""
    array = _array(name, value, "an array of numbers")
    if not jnp.issubdtype(array.dtype, jnp.number) and array.dtype != bool:
        raise ValueError(f"{name} has dtype {array.dtype}: allowed is an array of numbers")
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"{name} has dtype {array.dtype}: allowed are real numbers")
    return array


def _array(name: str, value: Any, allowed: str) -> Array:
    # Texts would be taken for names of dtypes.
    texts = any(isinstance(leaf, str | bytes) for leaf in jax.tree.leaves(value))
    try:
        if value is not None and not texts:
            return jnp.asarray(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name}={short(value)}: allowed is {allowed}")


def short(value: Any) -> str:
    """A value as a message shows it, in one line."""
    return " ".join(repr(value).split())[:60]
