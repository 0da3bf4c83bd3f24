"""Random deformations of image and mask together, on the device, in a single interpolation."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Integer, Key, Num

from hpunet.config.data import AugmentConfig
from hpunet.data.crops import central, size_text

AnyArray = Array | np.ndarray


def augment(
    keys: Key[Array, " B"],
    image: Float[Array, "B H W C"],
    labels: Integer[Array, "B H W"],
    crop: tuple[int, int],
    config: AugmentConfig,
) -> tuple[Float[Array, "B h w C"], Integer[Array, "B h w"]]:
    """Deforms and crops image and mask together.

    Elastic deformation, rotation, shear, scaling and random crop make up one sampling grid, so the
    image is interpolated once. The crop is placed where the deformed window still lies inside the
    image; only a window too large for it is centred and reaches over the border, where image and
    mask repeat their outermost pixels. The image is interpolated bilinearly; the mask takes the
    nearest label, so no label arises that was not there. Example b depends on `keys[b]` alone.

    Args:
        keys: One key an example.
        image: `[B, H, W, C]`, any range; none is left.
        labels: Class labels `[B, H, W]`.
        crop: Height and width of the result, in pixels, at most those of the image.
        config: Ranges of the deformations.

    Returns:
        Image `[B, h, w, C]` and labels `[B, h, w]` of the dtypes given.

    Raises:
        ValueError: If the crop is larger than the image.

    Reference: Kohl et al. 2018, appendix, for the kinds of deformation; Simard et al. 2003 for the
        elastic one.
    """
    _check_crop(image.shape[1:3], crop)

    def one(key: Array, image: Array, labels: Array) -> tuple[Array, Array]:
        grid = _sampling_grid(key, labels.shape, crop, config)
        bilinear = partial(_sample, grid=grid, order=1)
        return jax.vmap(bilinear, -1, -1)(image), _sample(labels, grid, order=0)

    return jax.vmap(one)(keys, image, labels)


def center_crop(
    image: Num[AnyArray, "B H W C"], labels: Integer[AnyArray, "*G B H W"], crop: tuple[int, int]
) -> tuple[Num[AnyArray, "B h w C"], Integer[AnyArray, "*G B h w"]]:
    """Crops the central part, for evaluation and for training without augmentation.

    Args:
        image: `[B, H, W, C]`.
        labels: Class labels `[B, H, W]`, or `[G, B, H, W]` of several annotators.
        crop: Height and width of the result, in pixels; it starts at row `(H - h) // 2`.

    Raises:
        ValueError: If the crop is larger than the image.
    """
    size = image.shape[1:3]
    _check_crop(size, crop)
    rows, columns = central(size, crop)
    return image[:, rows, columns], labels[..., rows, columns]


def _check_crop(size: tuple[int, ...], crop: tuple[int, int]) -> None:
    if not (0 < crop[0] <= size[0] and 0 < crop[1] <= size[1]):
        raise ValueError(
            f"crop={crop}: images have {size_text(size)} pixels (height x width); allowed are "
            "crops that fit"
        )


def _sampling_grid(
    key: Array, size: tuple[int, ...], crop: tuple[int, int], config: AugmentConfig
) -> list[Float[Array, "h w"]]:
    """Computes row and column in the image, in pixels, for each pixel of the crop."""
    smoothing = [_smoothing(n, config.elastic_scale) for n in crop]
    points = tuple(weights.shape[1] for weights in smoothing)
    # One draw for everything: on the CPU each costs a second of compile time, a normal one four.
    unit = jax.random.uniform(key, (6 + 2 * math.prod(points),))
    shifts = _elastic_shifts(unit[6:].reshape(2, *points), smoothing, config)
    # Sums of products instead of a matrix product, which accelerators would round.
    rows, columns = (jnp.arange(n, dtype=jnp.float32) - (n - 1) / 2 for n in crop)
    matrix = _random_matrix(unit[:4], config)
    return [
        _place(
            u if config.random_crop else 0.5, a * rows[:, None] + b * columns[None, :] + shift, n, c
        )
        for u, (a, b), shift, n, c in zip(unit[4:6], matrix, shifts, size, crop, strict=True)
    ]


def _random_matrix(
    unit: Float[Array, "4"], config: AugmentConfig
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Computes rotation times shear over magnification, from the crop to the image."""
    angle = np.deg2rad(config.rotation_degrees) * (2 * unit[0] - 1)
    p, q = config.shear * (2 * unit[1:3] - 1)
    low, high = config.scale
    scale = low + (high - low) * unit[3]
    cos, sin = jnp.cos(angle) / scale, jnp.sin(angle) / scale
    return (cos + sin * q, cos * p + sin), (cos * q - sin, cos - sin * p)


def _place(
    unit: Float[Array, ""] | float, offsets: Float[Array, "h w"], size: int, crop: int
) -> Float[Array, "h w"]:
    """Moves coordinates, relative to the crop's centre, to a random place within the image.

    The place is drawn from those of an undeformed crop and spread evenly over the room that the
    deformed one has, but never wider apart than undeformed, lest magnification push the image's
    centre out of sight. Undeformed, the coordinates are whole numbers.
    """
    first, last = -offsets.min(), size - 1 - offsets.max()
    draw = jnp.floor(unit * (size - crop + 1)) - (size - crop) / 2
    step = jnp.clip((last - first) / max(size - crop, 1), 0, 1)
    return offsets + ((first + last) / 2 + draw * step)


def _elastic_shifts(
    unit: Float[Array, "2 m n"], smoothing: list[Float[np.ndarray, "..."]], config: AugmentConfig
) -> Float[Array, "2 h w"]:
    """Draws smooth shifts along both axes with the configured standard deviation."""
    noise = math.sqrt(3) * (2 * unit - 1)
    field = jnp.einsum("im,amn,jn->aij", smoothing[0], noise, smoothing[1], precision="highest")
    return config.elastic_displacement * field


def _smoothing(size: int, scale: float) -> Float[np.ndarray, "size n"]:
    """Computes weights that smooth n random numbers and preserve unit variance.

    The numbers stand `scale` pixels apart: close enough for the Gaussian to be sampled evenly, so
    that the line is the same in kind everywhere, and few.
    """
    margin = 3 * scale
    points = np.arange(-margin, size - 1 + margin + scale, scale)
    weights = np.exp(-0.5 * ((np.arange(size)[:, None] - points) / scale) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights.astype(np.float32)


def _sample(values: Num[Array, "H W"], grid: list[Array], *, order: int) -> Num[Array, "h w"]:
    """Interpolates values at the grid's points: nearest (order 0) or bilinear (order 1)."""
    return map_coordinates(values, grid, order, mode="nearest")
