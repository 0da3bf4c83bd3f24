"""Prepares a user's image for the network: intensity window, grid, and facts for the user."""

import functools
import operator
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.data.intensities import BYTES, Intensities
from hpunet.imaging.fit import Fit, fit_crop, fit_resized, fit_whole
from hpunet.imaging.volume import Excluded, Picture, Volume
from hpunet.inference.preprocessing import preprocess
from hpunet.inference.trained import TrainedNetwork
from hpunet.inference.value_check import ValueCounts, check_scale, count_values, value_warnings
from hpunet.io.errors import UserError

# Largest grid, so that its features fit into memory.
MOST_PIXELS = 4096 * 4096
MOST_RATIO = 20
# Relative difference of pixel sizes that counts as rounding: 0.1 pixels in 1000.
SAME_SIZE = 1e-4
# The same between a pixel size given by the user and the more precise one of the file.
SAME_GIVEN = 1e-3


class ImageOptions(NamedTuple):
    """A user's options for preprocessing images; None if not given.

    Attributes:
        window: Intensity window: the values shown as black and white.
        spacing: Height and width of a pixel in mm, for files that do not state it.
        center: Row and column of the central pixel of a crop.
        crop: Height and width of that crop in the network's pixels.
        resample: Whether to resample images to the pixel size of the training images.
    """

    window: tuple[float, float] | None = None
    spacing: tuple[float, float] | None = None
    center: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    resample: bool = True


class NetworkInput(NamedTuple):
    """An image, or one slice of a volume, ready for the network.

    Attributes:
        name: Name in messages.
        label: Display name: the name of the volume, with the number of the slice.
        image: Intensities on the network's grid.
        display: Gray or RGB for display, at the image's size.
        window: Intensity window of `display`.
        fit: Position of the network's grid on the image.
        spacing: Height and width of a pixel in mm, or None if unknown.
        facts: Names and values for the user.
        salt: Number that is folded into the seed's key. For an image it is a checksum of the
            values, so that samples of different images are independent. For slices it is 0, so that
            sample s of neighbouring slices has the same noise.
        counts: Place of its values relative to the window that the network learned; None if the
            window is the user's or the file's own.
        warnings: Reasons to doubt the samples.
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
    counts: ValueCounts | None = None
    warnings: tuple[str, ...] = ()


def network_input(
    volume: Volume, index: int, network: TrainedNetwork, options: ImageOptions
) -> NetworkInput:
    """Prepares a slice of a volume for the network.

    Args:
        volume: The volume, or a single image.
        index: Index of the slice in the volume.
        network: The network; decides channels, grid, crop and pixel size.
        options: The user's options.

    Raises:
        UserError: If the number of channels is not that of the network, no intensity window is
            known, nearly all values of an image lie outside the window of the training images, the
            given spacing contradicts the file, or the crop does not fit.
    """
    picture = volume.pictures[index]
    name = volume.shown_slice(index)
    picture = picture._replace(values=_channels(picture.values, network.image_channels, name))
    intensities = _intensities(picture, network, options, name)
    counts = _counts(picture, intensities, network, options)
    if volume.numbers is None:
        check_scale(counts, intensities, name)
    window = _display_window(intensities, picture)
    spacing = _spacing(picture, options, name)
    fit = _fit(name, picture, spacing, network, options)
    low, high = window
    shown = np.clip((picture.values - low) / (high - low), 0, 1).astype(np.float32)
    display = np.round(shown * 255).astype(np.uint8)
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
            ("Size", f"{_size(fit.size)} pixels (height × width)"),
            *([("Replaced NaN", f"{picture.filled:,} values")] if picture.filled else []),
            ("Window", _window_text(picture, intensities, network, options)),
            *([] if spacing is None else [("Pixel", _pixel_text(spacing))]),
            ("Seen by the network", _fit_text(fit, spacing, network, options)),
        ],
        zlib.crc32(picture.values.tobytes()) if volume.numbers is None else 0,
        counts,
        value_warnings(counts, intensities, sure_only=volume.numbers is not None),
    )


def network_inputs(
    volume: Volume, network: TrainedNetwork, options: ImageOptions
) -> Iterator[NetworkInput]:
    """Prepares the slices of a volume one by one; see `network_input`."""
    for index in range(len(volume.pictures)):
        yield network_input(volume, index, network, options)


def check_options(network: TrainedNetwork, options: ImageOptions) -> None:
    """Checks the options that fit no image of the network.

    Raises:
        UserError: If the crop does not fit the network, or it takes no intensity window.
    """
    if options.center is not None:
        _crop(network, options)
    own = network.preprocessing.intensities
    if options.window is not None and own != BYTES and not own.clip:
        raise UserError(
            f"--window: {network.place} was trained on standardised values ({own.text}); leave "
            "--window out"
        )


def check_inputs(
    volume: Volume, network: TrainedNetwork, options: ImageOptions, failed: list[Excluded]
) -> Volume:
    """Prepares every slice once: a fault in the last one shows before hours of sampling.

    Args:
        volume: The volume, or a single image.
        network: The network.
        options: The user's options.
        failed: Slices that cannot be prepared are added to this list if others can.

    Returns:
        The volume with the slices that can be prepared.

    Raises:
        UserError: As `network_input`, if no slice can be prepared, or if nearly all values of the
            volume lie outside the window of the training images. Those of a single slice may, such
            as one of air.
    """
    errors: dict[int, UserError] = {}
    counts = []
    for index in range(len(volume.pictures)):
        try:
            counts.append(network_input(volume, index, network, options).counts)
        except UserError as error:
            errors[index] = error
    known = [count for count in counts if count is not None]
    if known:
        total = functools.reduce(operator.add, known)
        intensities = network.preprocessing.intensities
        check_scale(total, intensities, str(volume.place))
        # A single slice may be empty, so `network_input` does not warn of all slices.
        if volume.numbers is not None and not value_warnings(total, intensities, sure_only=True):
            volume = volume._replace(notes=(*volume.notes, *value_warnings(total, intensities)))
    if not errors:
        return volume
    if len(errors) == len(volume.pictures):
        raise errors[0]
    failed += [Excluded.by_error(volume.shown_slice(i), error) for i, error in errors.items()]
    return volume.select([i for i in range(len(volume.pictures)) if i not in errors])


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
            f"{name}: has {values.shape[-1]} channels, but the network was trained on images of "
            f"{channels}"
        )
    return values


def _intensities(
    picture: Picture, network: TrainedNetwork, options: ImageOptions, name: str
) -> Intensities:
    """The intensities of training, or those of an intensity window."""
    own = network.preprocessing.intensities
    if own != BYTES and options.window is None:
        return own
    low, high = _window(picture, options, name)
    return Intensities((low,), (high,), clip=True)


def _counts(
    picture: Picture, intensities: Intensities, network: TrainedNetwork, options: ImageOptions
) -> ValueCounts | None:
    """None for 8-bit weights and with --window: then the window fits the values of the file."""
    if options.window is not None or network.preprocessing.intensities == BYTES:
        return None
    return count_values(picture.values, intensities)


def _display_window(intensities: Intensities, picture: Picture) -> tuple[float, float]:
    """The network's window, or the range of standardised values."""
    if intensities.clip:
        return min(intensities.low), max(intensities.high)
    low, high = float(picture.values.min()), float(picture.values.max())
    return (low, high) if low < high else (low, low + 1)


def _window(picture: Picture, options: ImageOptions, name: str) -> tuple[float, float]:
    window = options.window or picture.window
    if window is None:
        low, high = picture.values.min(), picture.values.max()
        raise UserError(
            f"{name}: its intensity window is unknown; give --window=LOW,HIGH (its values "
            f"are {low:g} to {high:g}{_suggestion(picture)})"
        )
    return window


def _suggestion(picture: Picture) -> str:
    if picture.suggested is None:
        return ""
    low, high = picture.suggested
    return f"; its header suggests --window={low:.6g},{high:.6g}"


def _spacing(picture: Picture, options: ImageOptions, name: str) -> tuple[float, float] | None:
    own, given = picture.spacing, options.spacing
    if own is None or given is None:
        return own or given
    if not np.allclose(own, given, rtol=SAME_GIVEN, atol=0):
        raise UserError(
            f"{name}: its file states pixels of {_pixel_text(own)}; --spacing is allowed only for "
            "files that do not state it"
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
            f"{name}: the network would see {fit.grid[0]} x {fit.grid[1]} pixels (height x width); "
            f"allowed are {MOST_PIXELS} in all; --center selects a crop"
        )
    return fit


def _crop(network: TrainedNetwork, options: ImageOptions) -> tuple[int, int]:
    multiple = network.model.config.size_multiple
    crop = options.crop or network.preprocessing.crop
    if crop is None:
        raise UserError(
            f"--center: {network.place} does not state the crop of its training; give --crop, a "
            f"multiple of {multiple}"
        )
    if any(side % multiple for side in crop):
        raise UserError(f"--crop={crop[0]}: allowed are multiples of {multiple}")
    return crop


def _step(name: str, own: float, spacing: tuple[float, float]) -> tuple[float, float]:
    """Size of the network's pixel in pixels of the image; exactly 1 up to rounding."""
    steps = [1.0 if abs(own / mm - 1) < SAME_SIZE else own / mm for mm in spacing]
    if not all(1 / MOST_RATIO <= step <= MOST_RATIO for step in steps):
        raise UserError(
            f"{name}: pixels of {_pixel_text(spacing)}, but the network was trained on {own:g} mm; "
            f"allowed are sizes up to {MOST_RATIO} times larger or smaller, or --noresample"
        )
    return steps[0], steps[1]


def _fit_text(
    fit: Fit, spacing: tuple[float, float] | None, network: TrainedNetwork, options: ImageOptions
) -> str:
    top, left, bottom, right = fit.region
    text = f"{_size(fit.grid)} pixels"
    if (bottom - top, right - left) != fit.size:
        text += f", rows {top} to {bottom - 1} and columns {left} to {right - 1} of the image"
    text += _resampling_text(fit, spacing, network, options)
    return text + (", padded by repeating its edge" if fit.padded else "")


def _resampling_text(
    fit: Fit, spacing: tuple[float, float] | None, network: TrainedNetwork, options: ImageOptions
) -> str:
    own = network.preprocessing.pixel_spacing
    if network.preprocessing.resized:
        return ", resized as in training"
    if fit.resampled:
        return f", resampled to {own:g} mm"
    if own is None:
        return ", not resampled: the weights do not state the pixel size of their training"
    if spacing is None:
        return f", assumed to have pixels of {own:g} mm: the file does not state their size"
    return "" if options.resample else ", not resampled (--noresample)"


def _window_text(
    picture: Picture, intensities: Intensities, network: TrainedNetwork, options: ImageOptions
) -> str:
    # Weights do not say in which unit their window is.
    own_values = options.window is not None or network.preprocessing.intensities == BYTES
    unit = " HU" if picture.quantity == "HU" and own_values else ""
    origin = "default" if network.preprocessing.intensities == BYTES else "as in training"
    text = intensities.text.replace("-", "\N{MINUS SIGN}")
    return f"{text}{unit} ({'--window' if options.window else origin})"


def _pixel_text(spacing: tuple[float, float]) -> str:
    return f"{spacing[0]:.4g} × {spacing[1]:.4g} mm"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"
