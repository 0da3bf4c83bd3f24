"""A picture as a network is to see it: windowed, placed on its grid, and described."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from hpunet.data.intensities import BYTES, Intensities
from hpunet.imaging.fit import Fit, fit_crop, fit_resized, fit_whole
from hpunet.imaging.scan import Picture, Scan
from hpunet.io.errors import UserError
from hpunet.models.check import image_channels
from hpunet.training.trained import TrainedNetwork

# What a grid may have, so that its features fit into memory.
MOST_PIXELS = 4096 * 4096
MOST_RATIO = 20
# Relative difference of pixel sizes that is rounding: over 1000 pixels, a tenth of one.
SAME_SIZE = 1e-4
# Of a pixel size that a user gives for a file that says it more exactly.
SAME_GIVEN = 1e-3


class Wanted(NamedTuple):
    """How a user wants pictures to be looked at; None where nothing is said.

    Attributes:
        window: The values that black and white stand for.
        spacing: Height and width of a pixel in mm, for pictures whose file does not say it.
        center: Row and column of the pixel around which a crop is taken.
        crop: Height and width of that crop in the network's pixels.
        resample: Whether pictures are brought to the pixel size that the network learned from.
    """

    window: tuple[float, float] | None = None
    spacing: tuple[float, float] | None = None
    center: tuple[int, int] | None = None
    crop: int | None = None
    resample: bool = True


class Look(NamedTuple):
    """A picture ready for the network.

    Attributes:
        name: Of the picture, for messages.
        image: Intensities as the network sees them, at the picture's size.
        shown: Gray or RGB for people to look at.
        window: The values that black and white stand for.
        fit: Where the network's grid lies on it.
        spacing: Height and width of a pixel in mm, or None.
        facts: Names and values to tell the user.
        salt: What the seed is folded with: of a picture it follows from its values, so that
            pictures are drawn independently and each without regard to the others; of slices it is
            0, so that sample s of neighbouring slices has the same noise.
    """

    name: str
    image: Float[np.ndarray, "H W C"]
    shown: UInt8[np.ndarray, "H W C"]
    window: tuple[float, float]
    fit: Fit
    spacing: tuple[float, float] | None
    facts: list[tuple[str, str]]
    salt: int


def look_at(scan: Scan, index: int, network: TrainedNetwork, wanted: Wanted) -> Look:
    """One picture of a scan as the network is to see it.

    Args:
        scan: The scan.
        index: Place of the picture in it.
        network: Its channels, levels, crop and pixel size decide how the picture is placed.
        wanted: What the user says of it.

    Raises:
        UserError: If the picture has other channels than the network takes, no window is known, a
            spacing is given beside the file's own, or the crop does not fit.
    """
    picture = scan.pictures[index]
    name = str(scan.place) if scan.numbers is None else f"{scan.place}, {_slice_name(scan, index)}"
    picture = picture._replace(values=_channels(picture.values, network, name))
    intensities = _intensities(picture, network, wanted, name)
    image = intensities.apply(picture.values)
    window = _shown_window(intensities, picture)
    spacing = _spacing(picture, wanted, name)
    fit = _fit(name, picture, spacing, network, wanted)
    facts = [
        ("File", scan.place.name if scan.numbers is None else _in_file(scan, index)),
        *([("In the series", scan.geometry.places[index])] if scan.kind == "dicom" else []),
        ("Size", f"{fit.size[1]} × {fit.size[0]} pixels"),
        ("Window", _window_text(picture, intensities, network, wanted)),
        *([] if spacing is None else [("Pixel", _pixel_text(spacing))]),
        ("Seen by the network", _seen_text(fit, spacing, network, wanted)),
    ]
    salt = zlib.crc32(picture.values.tobytes()) if scan.numbers is None else 0
    shown = np.round(_windowed(picture.values, window) * 255).astype(np.uint8)
    return Look(name, image, shown, window, fit, spacing, facts, salt)


def looks_at(scan: Scan, network: TrainedNetwork, wanted: Wanted) -> Iterator[Look]:
    """Every picture of a scan in order, read when it is its turn; otherwise as `look_at`."""
    for index in range(len(scan.pictures)):
        yield look_at(scan, index, network, wanted)


def check_looks(scan: Scan, network: TrainedNetwork, wanted: Wanted) -> None:
    """Looks at every picture once: what is wrong with the last shows before hours of drawing.

    Raises:
        UserError: As `look_at`.
    """
    for _ in looks_at(scan, network, wanted):
        pass


def slice_label(scan: Scan, index: int) -> str:
    """How a picture of a scan is called: the scan's name, and which slice."""
    return scan.name if scan.numbers is None else f"{scan.name}, {_slice_name(scan, index)}"


def _slice_name(scan: Scan, index: int) -> str:
    assert scan.numbers is not None, "a picture has no slices"
    return f"slice {scan.numbers[index]}"


def _channels(
    values: Float[np.ndarray, "H W C"], network: TrainedNetwork, name: str
) -> Float[np.ndarray, "H W C"]:
    """A gray picture is a coloured one whose channels are equal."""
    channels = image_channels(network.params)
    if values.shape[-1] == 1 and channels == 3:
        return values.repeat(3, axis=-1)
    if values.shape[-1] != channels:
        raise UserError(
            f"{name}: it has {values.shape[-1]} channels; allowed are images of {channels}, as the "
            "network was trained on"
        )
    return values


def _intensities(
    picture: Picture, network: TrainedNetwork, wanted: Wanted, name: str
) -> Intensities:
    """How values become what the network sees: as it learned, or by a window."""
    own = network.intensities
    if own != BYTES and wanted.window is None:
        return own
    if own != BYTES and not own.clip:
        raise UserError(
            f"--window: {network.place} learned from standardised values ({own.text}); allowed is "
            "to leave it out"
        )
    low, high = _window(picture, wanted, name)
    return Intensities((low,), (high,), clip=True)


def _shown_window(intensities: Intensities, picture: Picture) -> tuple[float, float]:
    """Black and white: those of the network, or of standardised values the picture's extremes."""
    if intensities.clip:
        return min(intensities.low), max(intensities.high)
    low, high = float(picture.values.min()), float(picture.values.max())
    return (low, high) if low < high else (low, low + 1)


def _window(picture: Picture, wanted: Wanted, name: str) -> tuple[float, float]:
    window = wanted.window or picture.window
    if window is None:
        low, high = picture.values.min(), picture.values.max()
        raise UserError(
            f"{name}: which values are black and white is not known; allowed is "
            f"--window=LOW,HIGH, its values are {low:g} to {high:g}"
        )
    return window


def _spacing(picture: Picture, wanted: Wanted, name: str) -> tuple[float, float] | None:
    own, given = picture.spacing, wanted.spacing
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
    wanted: Wanted,
) -> Fit:
    size = (picture.values.shape[0], picture.values.shape[1])
    step = (1.0, 1.0)
    if wanted.resample and network.pixel_spacing is not None and spacing is not None:
        step = _step(name, network.pixel_spacing, spacing)
    multiple = 2 ** (network.model.config.num_levels - 1)
    if network.resized and wanted.center is None:
        assert network.crop is not None, "training keeps it with the weights"
        fit = fit_resized(size, network.crop)
    elif wanted.center is None:
        fit = fit_whole(size, step, multiple)
    else:
        crop = wanted.crop or network.crop
        if crop is None:
            raise UserError(
                f"--center: {network.place} does not say at which crop it was trained; allowed is "
                f"--crop, a multiple of {multiple}"
            )
        if crop % multiple:
            raise UserError(f"--crop={crop}: allowed are multiples of {multiple}")
        fit = fit_crop(size, step, wanted.center, crop)
    if fit.grid[0] * fit.grid[1] > MOST_PIXELS:
        raise UserError(
            f"{name}: the network would see {fit.grid[1]} x {fit.grid[0]} pixels, allowed are "
            f"{MOST_PIXELS} in all; --center takes a crop"
        )
    return fit


def _step(name: str, own: float, spacing: tuple[float, float]) -> tuple[float, float]:
    """A pixel of the network in pixels of the picture; 1 up to what rounding makes of it."""
    steps = [1.0 if abs(own / mm - 1) < SAME_SIZE else own / mm for mm in spacing]
    if not all(1 / MOST_RATIO <= step <= MOST_RATIO for step in steps):
        raise UserError(
            f"{name}: a pixel is {_pixel_text(spacing)}, the network learned from {own:g} mm; "
            f"allowed are sizes up to {MOST_RATIO} times larger or smaller, or --noresample"
        )
    return steps[0], steps[1]


def _windowed(
    values: Float[np.ndarray, "H W C"], window: tuple[float, float]
) -> Float[np.ndarray, "H W C"]:
    low, high = window
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def _in_file(scan: Scan, index: int) -> str:
    return f"{scan.place.name}, {_slice_name(scan, index)}"


def _seen_text(
    fit: Fit, spacing: tuple[float, float] | None, network: TrainedNetwork, wanted: Wanted
) -> str:
    height, width = fit.grid
    top, left, bottom, right = fit.region
    text = f"{width} × {height} pixels"
    if (bottom - top, right - left) != fit.size:
        text += f", columns {left} to {right - 1} and rows {top} to {bottom - 1} of the image"
    return (
        text
        + _size_text(fit, spacing, network, wanted)
        + (", padded with its outermost pixels" if fit.padded else "")
    )


def _size_text(
    fit: Fit, spacing: tuple[float, float] | None, network: TrainedNetwork, wanted: Wanted
) -> str:
    own = network.pixel_spacing
    if network.resized:
        return ", resized as in training"
    if fit.resampled:
        return f", resampled to {own:g} mm"
    if own is None:
        return ", not resampled: the weights do not say from which pixel size they learned"
    if spacing is None:
        return f", taken as pixels of {own:g} mm: the file does not say their size"
    return "" if wanted.resample else ", not resampled, as asked for"


def _window_text(
    picture: Picture, intensities: Intensities, network: TrainedNetwork, wanted: Wanted
) -> str:
    unit = " HU" if picture.quantity == "HU" else ""
    origin = "default" if network.intensities == BYTES else "as in training"
    text = intensities.text.replace("-", "\N{MINUS SIGN}")
    return f"{text}{unit} ({'--window' if wanted.window else origin})"


def _pixel_text(spacing: tuple[float, float]) -> str:
    height, width = spacing
    if height == width:
        return f"{width:.4g} mm wide and high"
    return f"{width:.4g} mm wide, {height:.4g} mm high"
