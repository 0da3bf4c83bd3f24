"""Checks of arguments, and their conversion to JAX arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hpunet.models.base import MODELS, ModelConfig


def model_config(config: Any) -> None:
    """Raises ValueError unless the value is the configuration of a model."""
    kinds = [entry.config for entry in MODELS.values()]
    if type(config) not in kinds:
        allowed = " or ".join(f"hpunet.{kind.__name__}" for kind in kinds)
        raise ValueError(f"config={short(config)}: allowed is a {allowed}")


def image(value: Any, config: ModelConfig) -> Float[Array, "B H W C"]:
    """Converts an image to float32.

    Raises:
        ValueError: If it is not floating-point `[B, H, W, C]` of a size that the network supports.
    """
    array = _numbers("image", value)
    if array.ndim != 4:
        raise ValueError(f"image has shape {array.shape}: allowed is [B, H, W, C]")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"image has dtype {array.dtype}: allowed are floating-point intensities")
    config.check_size(*array.shape[1:3])
    return array.astype(jnp.float32)


def image_channels(params: Any, config: ModelConfig) -> int:
    """Returns the number of image channels that the weights expect.

    Raises:
        ValueError: If `params` are not weights of the network.
    """
    module, name = config.first_kernel
    try:
        return params[module][name].shape[2]
    except (TypeError, LookupError, AttributeError):
        raise ValueError(
            f"params={short(params)}: allowed are weights of this network, from model.init or "
            "hpunet.load"
        ) from None


def channels(image: Float[Array, "B H W C"], params: Any, config: ModelConfig) -> None:
    """Checks the number of channels of an image against the weights.

    Raises:
        ValueError: If the numbers differ, or `params` are not weights of the network.
    """
    expected = image_channels(params, config)
    if image.shape[-1] != expected:
        raise ValueError(f"image has {image.shape[-1]} channels: the weights expect {expected}")


def segmentation(
    value: Any, image: Float[Array, "B H W C"], config: ModelConfig
) -> Float[Array, "B H W K"]:
    """Converts a one-hot segmentation to float32.

    Raises:
        ValueError: If its shape is not `[B, H, W, K]` with the image's batch and size.
    """
    array = _numbers("segmentation", value)
    expected = (*image.shape[:3], config.num_classes)
    if array.shape != expected:
        raise ValueError(f"segmentation has shape {array.shape}: allowed is one-hot {expected}")
    return array.astype(jnp.float32)


def count(name: str, value: Any) -> None:
    """Raises ValueError unless the value is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r}: allowed are whole numbers of at least 1")


def temperature(value: Any) -> None:
    """Raises ValueError unless the value is a finite number of at least 0."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf"):
        raise ValueError(f"temperature={short(value)}: allowed are finite numbers of at least 0")


def boolean(name: str, value: Any) -> bool:
    """Converts a Python or NumPy bool to a Python bool; raises ValueError for other values."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={short(value)}: allowed are True and False")
    return bool(value)


def latents(
    values: Any,
    num_samples: int,
    image_shape: tuple[int, ...],
    config: ModelConfig,
) -> list[Array | None]:
    """Converts the latents that a caller gives.

    Args:
        values: For each scale, coarsest first, None or an array `[B, h, w, L]` or
            `[S, B, h, w, L]`; or None for no latents at all.
        num_samples: Samples per image, S.
        image_shape: Shape of the image, `[B, H, W, C]`.
        config: The settings of the model.

    Returns:
        For each scale a float32 array `[S, B, h, w, L]`, or None.

    Raises:
        ValueError: If the number of latents, a shape or a dtype does not fit.
    """
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
    """Expands `mean` to one flag per scale, coarsest first.

    Raises:
        ValueError: If `mean` is neither a bool nor one bool per scale, or a scale has both a flag
            and a given latent.
    """
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
        raise ValueError(f"scales {both} are set by both mean and latents: allowed is one of them")
    return flags


def single_key(key: Any) -> Key[Array, ""]:
    """Converts a single JAX key, typed or raw, to a typed key.

    Raises:
        ValueError: If it is not a single key.
    """
    typed = _typed(key)
    if typed.ndim != 0:
        raise ValueError(f"key has shape {typed.shape}: allowed is a single key")
    return typed


def image_keys(key: Any, batch: int) -> Key[Array, " B"]:
    """Converts keys to one typed key per image.

    A single key is folded with each image's position in the batch.

    Raises:
        ValueError: If there is neither one key nor one key per image.
    """
    typed = _typed(key)
    if typed.ndim == 0:
        return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(typed, jnp.arange(batch))
    if typed.shape != (batch,):
        raise ValueError(f"key has shape {typed.shape}: allowed are one key and {batch} keys")
    return typed


def _typed(key: Any) -> Key[Array, "..."]:
    if key is None:
        raise ValueError("key=None: allowed only if nothing is drawn")
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
    """Converts real numbers to a JAX array."""
    array = _array(name, value, "an array of numbers")
    if not jnp.issubdtype(array.dtype, jnp.number) and array.dtype != bool:
        raise ValueError(f"{name} has dtype {array.dtype}: allowed is an array of numbers")
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"{name} has dtype {array.dtype}: allowed are real numbers")
    return array


def _array(name: str, value: Any, allowed: str) -> Array:
    # JAX would interpret strings as names of dtypes.
    texts = any(isinstance(leaf, str | bytes) for leaf in jax.tree.leaves(value))
    try:
        if value is not None and not texts:
            return jnp.asarray(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name}={short(value)}: allowed is {allowed}")


def short(value: Any) -> str:
    """Formats a value for a message: one line, at most 60 characters."""
    return " ".join(repr(value).split())[:60]
