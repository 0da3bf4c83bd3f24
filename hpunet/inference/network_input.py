"""A user's image as the network's input: windowed, placed on its grid, and described."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.data.intensities import BYTES, Intensities
from hpunet.imaging.fit import Fit, fit_crop, fit_resized, fit_whole
from hpunet.imaging.volume import Picture, Volume
from hpunet.inference.preprocessing import preprocess
from hpunet.inference.trained import TrainedNetwork
from hpunet.io.errors import UserError

# Most pixels of a grid, so that its features fit into memory.
MOST_PIXELS = 4096 * 4096
MOST_RATIO = 20
# Relative difference of pixel sizes that counts as rounding: a tenth of a pixel in 1000 pixels.
SAME_SIZE = 1e-4
# The same between a pixel size that a user gives and the more exact one of the file.
SAME_GIVEN = 1e-3


class ImageOptions(NamedTuple):
    """A user's options for preprocessing images; None where nothing is given.

    Attributes:
        window: Intensity window: the values that become black and white.
        spacing: Height and width of a pixel in mm, for images whose file does not say it.
        center: Row and column of the pixel around which a crop is taken.
        crop: Height and width of that crop in the network's pixels.
        resample: Whether images are resampled to the pixel size that the network learned from.
    """

    window: tuple[float, float] | None = None
    spacing: tuple[float, float] | None = None
    center: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    resample: bool = True


class NetworkInput(NamedTuple):
    """An image, or one slice of a volume, ready for the network.

    Attributes:
        name: For messages.
        label: For people: the name of its volume, and of a slice its number.
        image: Intensities on the network's grid.
        display: Gray or RGB for people, at the image's size.
        window: Intensity window of `display`.
        fit: Where the network's grid lies on the image.
        spacing: Height and width of a pixel in mm, or None if unknown.
        facts: Names and values to tell the user.
        salt: Number that the seed's key is folded with. Of an image it follows from its values, so
            that the samples of different images are independent. Of slices it is 0, so that sample
            s of neighbouring slices has the same noise.
    """

    name: str
    label: str
    image: Float[np.ndarray, "h w C"]
    display: UInt8[np.ndarray, "H W C"]
    window: tuple[float, float]
    fit: Fit
    spacing: tuple[float, float] | None
    facts: list[tuple[str, str]]
    salt: int


def network_input(
    volume: Volume, index: int, network: TrainedNetwork, options: ImageOptions
) -> NetworkInput:
    """Prepares one slice of a volume for the network.

    Args:
        volume: The volume, or a single image.
        index: Place of the slice among those of the volume.
        network: Decides channels, grid, crop and pixel size.
        options: What the user gives.

    Raises:
        UserError: If the image has other channels than the network takes, no intensity window is
            known, a spacing is given beside the file's own, or the crop does not fit.
    """
    picture = volume.pictures[index]
    name = _with_slice(str(volume.place), volume, index)
    picture = picture._replace(values=_channels(picture.values, network.image_channels, name))
    intensities = _intensities(picture, network, options, name)
    window = _display_window(intensities, picture)
    spacing = _spacing(picture, options, name)
    fit = _fit(name, picture, spacing, network, options)
    display = np.round(_windowed(picture.values, window) * 255).astype(np.uint8)
    return NetworkInput(
        name,
        _with_slice(volume.name, volume, index),
        preprocess(picture.values, intensities, fit),
        display,
        window,
        fit,
        spacing,
        [
            *_file_facts(volume, index),
            ("Size", f"{fit.size[1]} × {fit.size[0]} pixels"),
            ("Window", _window_text(picture, intensities, network, options)),
            *([] if spacing is None else [("Pixel", _pixel_text(spacing))]),
            ("Seen by the network", _fit_text(fit, spacing, network, options)),
        ],
        zlib.crc32(picture.values.tobytes()) if volume.numbers is None else 0,
    )


def network_inputs(
    volume: Volume, network: TrainedNetwork, options: ImageOptions
) -> Iterator[NetworkInput]:
    """Every slice of a volume in order, read when it is asked for; see `network_input`."""
    for index in range(len(volume.pictures)):
        yield network_input(volume, index, network, options)


def check_inputs(volume: Volume, network: TrainedNetwork, options: ImageOptions) -> None:
    """Prepares every slice once: a mistake in the last one shows before hours of sampling.

    Raises:
        UserError: As `network_input`.
    """
    for _ in network_inputs(volume, network, options):
        pass


def _with_slice(name: str, volume: Volume, index: int) -> str:
    return name if volume.numbers is None else f"{name}, slice {volume.numbers[index]}"


def _file_facts(volume: Volume, index: int) -> list[tuple[str, str]]:
    facts = [("File", _with_slice(volume.place.name, volume, index))]
    if volume.kind == "dicom":
        facts.append(("In the series", volume.geometry.places[index]))
    return facts


def _channels(
    values: Float[np.ndarray, "H W C"], channels: int, name: str
) -> Float[np.ndarray, "H W c"]:
    """Values with the network's channels: gray becomes RGB of equal channels."""
    if values.shape[-1] == 1 and channels == 3:
        return values.repeat(3, axis=-1)
    if values.shape[-1] != channels:
        raise UserError(
            f"{name}: it has {values.shape[-1]} channels; allowed are images of {channels}, as the "
            "network was trained on"
        )
    return values


def _intensities(
    picture: Picture, network: TrainedNetwork, options: ImageOptions, name: str
) -> Intensities:
    """Those that the network learned from, or those of a window."""
    own = network.preprocessing.intensities
    if own != BYTES and options.window is None:
        return own
    if own != BYTES and not own.clip:
        raise UserError(
            f"--window: {network.place} learned from standardised values ({own.text}); allowed is "
            "to leave it out"
        )
    low, high = _window(picture, options, name)
    return Intensities((low,), (high,), clip=True)


def _display_window(intensities: Intensities, picture: Picture) -> tuple[float, float]:
    """The network's window, or the extremes of standardised values."""
    if intensities.clip:
        return min(intensities.low), max(intensities.high)
    low, high = float(picture.values.min()), float(picture.values.max())
    return (low, high) if low < high else (low, low + 1)


def _window(picture: Picture, options: ImageOptions, name: str) -> tuple[float, float]:
    window = options.window or picture.window
    if window is None:
        low, high = picture.values.min(), picture.values.max()
        raise UserError(
            f"{name}: which values are black and white is not known; allowed is "
            f"--window=LOW,HIGH, its values are {low:g} to {high:g}"
        )
    return window


def _windowed(
    values: Float[np.ndarray, "H W C"], window: tuple[float, float]
) -> Float[np.ndarray, "H W C"]:
    low, high = window
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def _spacing(picture: Picture, options: ImageOptions, name: str) -> tuple[float, float] | None:
    own, given = picture.spacing, options.spacing
    if own is None or given is None:
        return own or given
    if not np.allclose(own, given, rtol=SAME_GIVEN, atol=0):
        raise UserError(
            f"{name}: its file says that a pixel is {_pixel_text(own)}; --spacing is allowed for "
            "files that do not say it"
        )
    return own


def _fit(
    name: str,
    picture: Picture,
    spacing: tuple[float, float] | None,
    network: TrainedNetwork,
    options: ImageOptions,
) -> Fit:
    size = (picture.values.shape[0], picture.values.shape[1])
    own = network.preprocessing
    step = (1.0, 1.0)
    if options.resample and own.pixel_spacing is not None and spacing is not None:
        step = _step(name, own.pixel_spacing, spacing)
    if options.center is not None:
        fit = fit_crop(size, step, options.center, _crop(network, options))
    elif own.resized:
        assert own.crop is not None, "training keeps it with the weights"
        fit = fit_resized(size, own.crop)
    else:
        fit = fit_whole(size, step, network.model.config.size_multiple)
    if fit.grid[0] * fit.grid[1] > MOST_PIXELS:
        raise UserError(
            f"{name}: the network would see {fit.grid[1]} x {fit.grid[0]} pixels, allowed are "
            f"{MOST_PIXELS} in all; --center takes a crop"
        )
    return fit


def _crop(network: TrainedNetwork, options: ImageOptions) -> tuple[int, int]:
    multiple = network.model.config.size_multiple
    crop = options.crop or network.preprocessing.crop
    if crop is None:
        raise UserError(
            f"--center: {network.place} does not say at which crop it was trained; allowed is "
            f"--crop, a multiple of {multiple}"
        )
    if any(side % multiple for side in crop):
        raise UserError(f"--crop={crop[0]}: allowed are multiples of {multiple}")
    return crop


def _step(name: str, own: float, spacing: tuple[float, float]) -> tuple[float, float]:
    """A pixel of the network in pixels of the image; exactly 1 where only rounding differs."""
    steps = [1.0 if abs(own / mm - 1) < SAME_SIZE else own / mm for mm in spacing]
    if not all(1 / MOST_RATIO <= step <= MOST_RATIO for step in steps):
        raise UserError(
            f"{name}: a pixel is {_pixel_text(spacing)}, the network learned from {own:g} mm; "
            f"allowed are sizes up to {MOST_RATIO} times larger or smaller, or --noresample"
        )
    return steps[0], steps[1]


def _fit_text(
    fit: Fit, spacing: tuple[float, float] | None, network: TrainedNetwork, options: ImageOptions
) -> str:
    height, width = fit.grid
    top, left, bottom, right = fit.region
    text = f"{width} × {height} pixels"
    if (bottom - top, right - left) != fit.size:
        text += f", columns {left} to {right - 1} and rows {top} to {bottom - 1} of the image"
    text += _resampling_text(fit, spacing, network, options)
    return text + (", padded with its outermost pixels" if fit.padded else "")


def _resampling_text(
    fit: Fit, spacing: tuple[float, float] | None, network: TrainedNetwork, options: ImageOptions
) -> str:
    own = network.preprocessing.pixel_spacing
    if network.preprocessing.resized:
        return ", resized as in training"
    if fit.resampled:
        return f", resampled to {own:g} mm"
    if own is None:
        return ", not resampled: the weights do not say from which pixel size they learned"
    if spacing is None:
        return f", taken as pixels of {own:g} mm: the file does not say their size"
    return "" if options.resample else ", not resampled, as asked for"


def _window_text(
    picture: Picture, intensities: Intensities, network: TrainedNetwork, options: ImageOptions
) -> str:
    unit = " HU" if picture.quantity == "HU" else ""
    origin = "default" if network.preprocessing.intensities == BYTES else "as in training"
    text = intensities.text.replace("-", "\N{MINUS SIGN}")
    return f"{text}{unit} ({'--window' if options.window else origin})"


def _pixel_text(spacing: tuple[float, float]) -> str:
    height, width = spacing
    if height == width:
        return f"{width:.4g} mm wide and high"
    return f"{width:.4g} mm wide, {height:.4g} mm high"
