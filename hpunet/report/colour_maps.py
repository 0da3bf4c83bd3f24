"""Colour maps of mean, standard deviation and entropy of the samples."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from numpy import ndarray
from PIL import Image

from hpunet.report.drawing import png_uri
from hpunet.report.page_image import PageImage
from hpunet.report.wording import whole_percent

_STOPS = 16


class Quantity(NamedTuple):
    """The quantity that a map shows.

    Attributes:
        kind: Its CSS class.
        name: Its heading.
        meaning: One sentence.
        unit: Unit after a number.
        colours: A perceptually uniform colour map; its end stands for the largest possible value.
    """

    kind: str
    name: str
    meaning: str
    unit: str
    colours: str


MEAN = Quantity("mean", "Mean", "Share of the samples that mark a pixel.", "", "viridis")
STD = Quantity(
    "std", "Standard deviation", "Of the samples; 0.5 if half mark a pixel.", "", "magma"
)
ENTROPY = Quantity("entropy", "Entropy", "How undecided they are, in nats.", "nats", "inferno")


class ColourMap(NamedTuple):
    """A map of one quantity over an image.

    Attributes:
        key: Unique among the maps of an image.
        quantity: The quantity.
        title: Name of the quantity, with the class if there are several.
        values: Values in [0, `most`].
        most: The largest possible value.
    """

    key: str
    quantity: Quantity
    title: str
    values: Float[ndarray, "H W"]
    most: float

    @property
    def uri(self) -> str:
        """The map as a picture."""
        return map_uri(self.values, self.most, self.quantity.colours)

    @property
    def ground(self) -> str:
        """The colour of the value 0."""
        return shade(self.quantity.colours, 0)

    @property
    def peak(self) -> str:
        """Text on the largest value."""
        return _number(float(self.values.max()), self.quantity)

    @property
    def ticks(self) -> list[str]:
        """Labels at the start, middle and end of the colour bar."""
        unit = f" {self.quantity.unit}"
        numbers = [_number(self.most * part, self.quantity) for part in (0, 0.5, 1)]
        return [number.removesuffix(unit) for number in numbers]


def colour_maps(page_image: PageImage) -> list[ColourMap]:
    """All maps of an image; mean and standard deviation for each class that is marked."""
    maps = []
    for c in range(page_image.num_foreground):
        mean, std = page_image.mean[c], page_image.std[c]
        if mean.any() or not page_image.multiclass:
            suffix = f", class {c + 1}" if page_image.multiclass else ""
            maps.append(ColourMap(f"m{c}", MEAN, f"{MEAN.name}{suffix}", mean, 1.0))
            maps.append(ColourMap(f"d{c}", STD, f"{STD.name}{suffix}", std, 0.5))
    most = math.log(page_image.num_foreground + 1)
    return [*maps, ColourMap("e", ENTROPY, ENTROPY.name, page_image.entropy, most)]


def _number(value: float, quantity: Quantity) -> str:
    return whole_percent(value) if quantity is MEAN else f"{value:.2f} {quantity.unit}".strip()


def map_uri(values: Float[ndarray, "H W"], most: float, colours: str) -> str:
    """Draws values in [0, `most`] in 256 shades; values that round to 0 are transparent."""
    shades = np.rint(np.clip(values / most, 0, 1) * 255).astype(np.uint8)
    used, index = np.unique(shades, return_inverse=True)
    picture = Image.fromarray(index.reshape(shades.shape).astype(np.uint8))
    picture.putpalette((colormaps[colours](used, bytes=True)[:, :3]).tobytes())
    return png_uri(picture, bytes(0 if level == 0 else 255 for level in used))


def shade(colours: str, value: float) -> str:
    """The CSS colour of a value in [0, 1] in a colour map."""
    red, green, blue, _ = colormaps[colours](value, bytes=True)
    return f"#{red:02x}{green:02x}{blue:02x}"


def ramp_style() -> str:
    """CSS rules for the colours of the colour bars."""
    rules = ""
    for quantity in (MEAN, STD, ENTROPY):
        stops = ",".join(shade(quantity.colours, stop / _STOPS) for stop in range(_STOPS + 1))
        rules += f".{quantity.colours}{{background:linear-gradient(90deg,{stops})}}\n"
    return rules
