"""Maps images onto the grid of a network's input, and results back."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import ndimage

from hpunet.io.errors import UserError

# In pixels. Files keep pixel sizes in float32: a rounding error must neither resample an image nor
# add a row to its grid.
HAIR = 0.01


class Fit(NamedTuple):
    """Position of a network's grid on an image, in pixels of the image unless stated otherwise.

    Attributes:
        size: Height and width of the image.
        grid: Height and width of the grid, in pixels of the grid.
        step: Height and width of a pixel of the grid; 1 without resampling.
        start: Row and column of the grid's upper left corner; negative outside the image.
        region: Top, left, bottom and right of the part of the image that the grid covers.
    """

    size: tuple[int, int]
    grid: tuple[int, int]
    step: tuple[float, float]
    start: tuple[float, float]
    region: tuple[int, int, int, int]

    @property
    def resampled(self) -> bool:
        """Whether the pixels of grid and image differ in size."""
        return self.step != (1, 1)

    @property
    def padded(self) -> bool:
        """Whether the grid extends beyond the image."""
        ends = [s + n * p for s, n, p in zip(self.start, self.grid, self.step, strict=True)]
        beyond = [end - length for end, length in zip(ends, self.size, strict=True)]
        return min(self.start) < -HAIR or max(beyond) > HAIR


def fit_whole(size: tuple[int, int], step: tuple[float, float], multiple: int) -> Fit:
    """Centres the smallest grid that covers the whole image.

    Args:
        size: Height and width of the image.
        step: Height and width of a pixel of the grid, in pixels of the image.
        multiple: Height and width of the grid are multiples of this number.
    """
    grid, start = [], []
    for length, pixel in zip(size, step, strict=True):
        needed = max(1, math.ceil(length / pixel - HAIR))
        side = -(-needed // multiple) * multiple
        grid.append(side)
        # Whole pixels without resampling.
        start.append((length - side) // 2 if pixel == 1 else (length - side * pixel) / 2)
    return Fit(size, (grid[0], grid[1]), step, (start[0], start[1]), (0, 0, *size))


def fit_resized(
    size: tuple[int, int], crop: tuple[int, int], margin: tuple[int, int] = (0, 0)
) -> Fit:
    """Scales the image into the centre of a grid of fixed size, keeping its aspect ratio.

    Args:
        size: Height and width of the image.
        crop: Height and width of the part of the grid that the image is fitted into, in pixels of
            the grid.
        margin: Additional pixels of the grid above and below, and on the left and right.
    """
    step = max(length / side for length, side in zip(size, crop, strict=True))
    height, width = (side + 2 * more for side, more in zip(crop, margin, strict=True))
    start = [(length - n * step) / 2 for length, n in zip(size, (height, width), strict=True)]
    if step == 1:  # Whole pixels without resampling.
        start = [(length - n) // 2 for length, n in zip(size, (height, width), strict=True)]
    return Fit(size, (height, width), (step, step), (start[0], start[1]), (0, 0, *size))


def fit_window(size: tuple[int, int], start: tuple[int, int], grid: tuple[int, int]) -> Fit:
    """Places a grid on whole pixels of the image, without resampling.

    Args:
        size: Height and width of the image.
        start: Row and column of the grid's first pixel, which may lie outside the image.
        grid: Height and width of the grid.
    """
    (top, left), (bottom, right) = (
        [min(max(s + end, 0), length) for s, end, length in zip(start, ends, size, strict=True)]
        for ends in ((0, 0), grid)
    )
    return Fit(size, grid, (1.0, 1.0), start, (top, left, bottom, right))


def fit_crop(
    size: tuple[int, int],
    step: tuple[float, float],
    center: tuple[int, int],
    crop: tuple[int, int],
) -> Fit:
    """Centres a grid on a pixel of the image.

    Args:
        size: Height and width of the image.
        step: Height and width of a pixel of the grid, in pixels of the image.
        center: Row and column of the central pixel. Without resampling, as many pixels of the grid
            precede it as precede the centre in `hpunet.data.crops.central`.
        crop: Height and width of the grid, in pixels of the grid.

    Raises:
        UserError: If the pixel lies outside the image.
    """
    if not all(0 <= place < length for place, length in zip(center, size, strict=True)):
        raise UserError(
            f"--center={center[1]},{center[0]}: allowed are x from 0 to {size[1] - 1} and y from 0 "
            f"to {size[0] - 1}"
        )
    starts, ends = [], []
    for place, pixel, side in zip(center, step, crop, strict=True):
        starts.append(place - side // 2 if pixel == 1 else place + 0.5 - side * pixel / 2)
        ends.append(starts[-1] + side * pixel)
    # Pixels of the image whose centre lies on the grid.
    top, left = (max(0, int(np.ceil(s - 0.5))) for s in starts)
    bottom, right = (min(n, int(np.ceil(e - 0.5))) for e, n in zip(ends, size, strict=True))
    return Fit(size, crop, step, (starts[0], starts[1]), (top, left, bottom, right))


def to_grid(image: Float[np.ndarray, "H W C"], fit: Fit) -> Float[np.ndarray, "h w C"]:
    """Samples an image on the grid.

    Pixels outside the image repeat its edge. Resampling is linear, after a Gaussian filter against
    aliasing.

    Args:
        image: Intensities.
        fit: Position of the grid.
    """
    if not fit.resampled:
        rows, columns = (
            np.clip(np.arange(n) + int(s), 0, length - 1)
            for n, s, length in zip(fit.grid, fit.start, fit.size, strict=True)
        )
        return image[rows[:, None], columns]
    # Half the excess width of a coarser pixel; no filter for a finer grid.
    blur = [max(0.0, (pixel - 1) / 2) for pixel in fit.step]
    offset = [s + 0.5 * p - 0.5 for s, p in zip(fit.start, fit.step, strict=True)]
    planes = [
        ndimage.affine_transform(
            ndimage.gaussian_filter(plane, blur, mode="nearest"),
            fit.step,
            offset,
            fit.grid,
            order=1,
            mode="nearest",
        )
        for plane in np.moveaxis(image, -1, 0)
    ]
    return np.stack(planes, axis=-1)


def labels_to_grid(
    labels: Shaped[np.ndarray, "*G H W"], fit: Fit, outside: int
) -> Shaped[np.ndarray, "*G h w"]:
    """Samples masks on the grid: each pixel has the label nearest to its centre.

    Args:
        labels: Class labels.
        fit: Position of the grid.
        outside: Label of pixels outside the image.
    """
    places = [
        np.floor(start + (np.arange(n) + 0.5) * step).astype(int)
        for n, start, step in zip(fit.grid, fit.start, fit.step, strict=True)
    ]
    inside = [(at >= 0) & (at < length) for at, length in zip(places, fit.size, strict=True)]
    rows, columns = (
        np.clip(at, 0, length - 1) for at, length in zip(places, fit.size, strict=True)
    )
    found = labels[..., rows[:, None], columns]
    return np.where(inside[0][:, None] & inside[1], found, labels.dtype.type(outside))


def labels_from_grid(
    labels: Shaped[np.ndarray, "*S h w"], fit: Fit
) -> Shaped[np.ndarray, "*S H W"]:
    """Samples masks of a grid at the pixels of the image: each has the label nearest to its centre.

    Args:
        labels: Class labels.
        fit: Position of a grid that covers the whole image.
    """
    rows, columns = (
        np.clip(np.floor((np.arange(n) + 0.5 - start) / step).astype(int), 0, side - 1)
        for n, start, step, side in zip(fit.size, fit.start, fit.step, fit.grid, strict=True)
    )
    return labels[..., rows[:, None], columns]


class Blend(NamedTuple):
    """Linear interpolation along one axis, from the grid to pixels of the image.

    Attributes:
        below: For each pixel of the image, index of the pixel of the grid before it.
        above: Index of the pixel of the grid after it.
        share: Weight of `above`, in [0, 1]; the weight of `below` is `1 - share`.
    """

    below: Int[np.ndarray, " R"]
    above: Int[np.ndarray, " R"]
    share: Float[np.ndarray, " R"]


def blends(fit: Fit) -> tuple[Blend, Blend]:
    """Interpolation of the rows and of the columns of the region."""
    top, left, bottom, right = fit.region
    rows = _blend(np.arange(top, bottom), fit.start[0], fit.step[0], fit.grid[0])
    return rows, _blend(np.arange(left, right), fit.start[1], fit.step[1], fit.grid[1])


def _blend(pixels: np.ndarray, start: float, step: float, side: int) -> Blend:
    place = np.clip((pixels + 0.5 - start) / step - 0.5, 0, side - 1)
    below = np.floor(place).astype(np.int32)
    above = np.minimum(below + 1, side - 1)
    return Blend(below, above, (place - below).astype(np.float32))
