"""Random deformations of image and mask together, on the device, in a single interpolation."""

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Integer, Key, Num

from hpunet.data.crop import central

AnyArray = Array | np.ndarray

# A displacement whose slope passes -1 folds the image. The slope's standard deviation is
# displacement / (sqrt(2) * scale); this bound keeps 1 at more than four of them.
_MAX_DISPLACEMENT_PER_SCALE = 1 / 3


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the random deformations; every one is drawn anew for each example.

    The kinds are the paper's, the ranges are ours: the paper names none. With 0, 0, 0 and (1, 1)
    only the random crop is left.

    Attributes:
        elastic_displacement: Standard deviation of each pixel's shift along either axis, in pixels.
        elastic_scale: How far the shifts reach, in pixels: standard deviation of the Gaussian that
            smooths them. At least three times the displacement, or the image could fold.
        rotation_degrees: Largest rotation either way, in degrees.
        shear: Largest shear along either axis: pixels of shift per pixel of distance.
        scale: Smallest and largest magnification; above 1 things get larger.
    """

    # Whether the crop's place is drawn, too; else it lies in the middle.
    random_crop: ClassVar[bool] = True

    elastic_displacement: float = 2.0
    elastic_scale: float = 16.0
    rotation_degrees: float = 15.0
    shear: float = 0.1
    scale: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If a value is out of its range.
        """
        low, high = self.scale
        least_scale = self.elastic_displacement / _MAX_DISPLACEMENT_PER_SCALE
        _check("elastic_displacement", self.elastic_displacement, ">= 0", 0 <= least_scale < np.inf)
        allowed = f"> 0 and at least 3 * elastic_displacement = {least_scale:g}"
        fits = 0 < self.elastic_scale < np.inf and self.elastic_scale >= least_scale
        _check("elastic_scale", self.elastic_scale, allowed, fits)
        _check(
            "rotation_degrees", self.rotation_degrees, "0 to 180", 0 <= self.rotation_degrees <= 180
        )
        _check("shear", self.shear, "0 to below 1", 0 <= self.shear < 1)
        _check("scale", self.scale, "(min, max) with 0 < min <= max", 0 < low <= high < np.inf)


@dataclass(frozen=True)
class CentredAugmentConfig(AugmentConfig):
    """The same of windows that were cut at random places and deformed about their middle."""

    random_crop: ClassVar[bool] = False


def _check(name: str, value: object, allowed: str, fits: bool) -> None:
    if not fits:
        raise ValueError(f"{name}={value}; allowed is {allowed}")


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
    """The central part of image and mask: what evaluation sees, and training without augmentation.

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
        raise ValueError(f"crop {crop} of images of {size[0]} x {size[1]}; it must lie within them")


def _sampling_grid(
    key: Array, size: tuple[int, ...], crop: tuple[int, int], config: AugmentConfig
) -> list[Float[Array, "h w"]]:
    """Row and column of the image, in pixels, from which each pixel of the crop is taken."""
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
    """Rotation times shear over magnification, from the crop to the image."""
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
    """Smooth random shifts along both axes, each with the configured standard deviation."""
    noise = math.sqrt(3) * (2 * unit - 1)
    field = jnp.einsum("im,amn,jn->aij", smoothing[0], noise, smoothing[1], precision="highest")
    return config.elastic_displacement * field


def _smoothing(size: int, scale: float) -> Float[np.ndarray, "size n"]:
    """Weights that turn n random numbers of unit variance into a smooth line of unit variance.

    The numbers stand `scale` pixels apart: close enough for the Gaussian to be sampled evenly, so
    that the line is the same in kind everywhere, and few.
    """
    margin = 3 * scale
    points = np.arange(-margin, size - 1 + margin + scale, scale)
    weights = np.exp(-0.5 * ((np.arange(size)[:, None] - points) / scale) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights.astype(np.float32)


def _sample(values: Num[Array, "H W"], grid: list[Array], *, order: int) -> Num[Array, "h w"]:
    """Values at the grid's points: the nearest (order 0) or bilinear (order 1)."""
    return map_coordinates(values, grid, order, mode="nearest")
