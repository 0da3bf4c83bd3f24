"""What is read from a user's file, a folder or a series, before any network sees it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class Picture(NamedTuple):
    """One image in the plane, with the values that its file holds.

    Attributes:
        values: As stored, after rescale slope and intercept where the format has them; finite.
        window: The values that black and white stand for, or None where that is not known and the
            user must say it.
        quantity: What the values are: `HU`, `8-bit`, `16-bit` or `intensity`.
        spacing: Height and width of a pixel in mm, or None where that is not known.
    """

    values: Float[np.ndarray, "H W C"]
    window: tuple[float, float] | None
    quantity: str
    spacing: tuple[float, float] | None


class Scan(NamedTuple):
    """One input of the user: a picture, or the slices chosen from a volume or series.

    Attributes:
        name: Of the folder that its results go to: relative, without suffix, unique in a command.
        place: Its file or folder, for messages.
        kind: `picture`, `nifti` or `dicom`.
        pictures: Its images in order, read when asked for and all of one size. Rows go from
            anterior to posterior and columns from the patient's right to the left where the file
            says how the patient lies.
        numbers: The numbers of these slices in the volume, or None for a picture.
        geometry: What a writer needs to put masks back where the images come from, or None.
    """

    name: str
    place: Path
    kind: str
    pictures: Sequence[Picture]
    numbers: tuple[int, ...] | None = None
    geometry: Any = None
