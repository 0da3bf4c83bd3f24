"""The type that all readers return: a volume whose slices are read at each access."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from jaxtyping import Float, Shaped


class ReadMode(NamedTuple):
    """What a file is read as.

    Attributes:
        mask: Whether the file holds masks, whose values are read as they are stored, of palettes
            the indices. Otherwise it holds images.
        colours: Whether the classes of masks are colours; palettes and gray levels are then read
            as RGB.
        strict: Whether all damage is refused, even if it does not change the pixels. It matters for
            PNG, whose chunks have checksums; see `hpunet.imaging.png`.
        plane: The plane along which a NIfTI volume is cut: `axial`, `coronal`, `sagittal`, or
            `auto` for that of its thick slices, or else axial.
        nan: Whether images may hold NaN.
    """

    mask: bool = False
    colours: bool = False
    strict: bool = False
    plane: str = "auto"
    nan: bool = False


IMAGE, MASK = ReadMode(), ReadMode(mask=True)


class Picture(NamedTuple):
    """One slice of a volume, or an image in the plane, with the values that its file holds.

    Attributes:
        values: Of an image finite float32 `[H, W, C]`, after rescale slope and intercept if the
            format has them. Of a mask `[H, W]` or `[H, W, C]` in the stored type.
        window: Intensity window: the values of black and white, or None if they are not known and
            the user must give them.
        quantity: The kind of the values: `HU`, `8-bit`, `16-bit` or `intensity`. Of a mask
            `labels`, or `colours` if its classes are colours.
        spacing: Height and width of a pixel in mm, or None if unknown.
        suggested: Intensity window that the file suggests for display, or None. The user decides
            whether to take it, because it differs from file to file.
        filled: Number of values that replace NaN.
    """

    values: Float[np.ndarray, "H W C"] | Shaped[np.ndarray, "H W"]
    window: tuple[float, float] | None
    quantity: str
    spacing: tuple[float, float] | None = None
    suggested: tuple[float, float] | None = None
    filled: int = 0


class Excluded(NamedTuple):
    """A file, an image or a slice that is left out or fails, while others are read.

    Attributes:
        place: The file or folder, with the slice if it is one of several.
        reason: Why, in one line.
    """

    place: str
    reason: str

    @classmethod
    def by_error(cls, place: Path | str, error: Exception) -> "Excluded":
        """Takes the reason from an error, without the place that it names first."""
        return cls(str(place), str(error).removeprefix(f"{place}: "))

    def __str__(self) -> str:
        """The line for people, which names the place once."""
        inside = self.reason.startswith(self.place)
        return self.reason if inside else f"{self.place}: {self.reason}"


class Slices(Sequence[Picture]):
    """Slices of a file, each read at each access."""

    def __init__(
        self,
        read: Callable[[int], Picture],
        numbers: Sequence[int],
        whole: Sequence[int] | None = None,
    ) -> None:
        """Takes the reader, the numbers of the slices, and those of all slices if more."""
        self._read = read
        self._numbers = tuple(numbers)
        self._whole = self._numbers if whole is None else tuple(whole)

    def __len__(self) -> int:
        """Number of slices."""
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Picture: ...

    @overload
    def __getitem__(self, index: slice) -> "Slices": ...

    def __getitem__(self, index: int | slice) -> "Picture | Slices":
        """Reads one slice; a range of slices is read later."""
        if isinstance(index, slice):
            return Slices(self._read, self._numbers[index], self._whole)
        return self._read(self._numbers[index])

    def __iter__(self) -> Iterator[Picture]:
        """Reads one slice after the other."""
        return map(self._read, self._numbers)

    def select(self, places: Sequence[int]) -> "Slices":
        """The slices at these places, in this order."""
        return Slices(self._read, [self._numbers[place] for place in places], self._whole)

    @property
    def whole(self) -> "Slices":
        """All slices that these are selected from."""
        return Slices(self._read, self._whole)


class Volume(NamedTuple):
    """The images or masks in a file or series, or slices selected from it.

    Attributes:
        name: Name of the folder for its results: relative, without suffix, unique in a command.
        place: Its file or folder, for messages.
        kind: `picture`, `nifti` or `dicom`.
        pictures: Its slices in order, all of one size, read at each access. If the file gives the
            orientation of the patient, rows of axial slices go from anterior to posterior, rows of
            coronal and sagittal slices from head to feet; columns go from the patient's right to
            left, those of sagittal slices from anterior to posterior.
        numbers: The numbers of the slices in the file, from 0; None for a single image.
        geometry: The position of the slices, for writers of masks, or None. Its `select` does the
            same as that of the volume.
        notes: What the user should know of how the file is read; each names no file.
        more_places: The files of the other channels, if they are in several.
    """

    name: str
    place: Path
    kind: str
    pictures: Slices
    numbers: tuple[int, ...] | None = None
    geometry: Any = None
    notes: tuple[str, ...] = ()
    more_places: tuple[Path, ...] = ()

    @property
    def shown_place(self) -> str:
        """Its place for messages, with its name if its folder may hold several series."""
        is_named = self.kind != "dicom" or self.name == self.place.name or not self.place.is_dir()
        return str(self.place) if is_named else f"{self.place} ({self.name})"

    def shown_slice(self, index: int) -> str:
        """`shown_place` with the number of a slice, given its index."""
        if self.numbers is None:
            return self.shown_place
        return f"{self.shown_place}: slice {self.numbers[index]}"

    def select(self, places: Sequence[int]) -> "Volume":
        """The slices at these places, in this order."""
        return self._replace(
            pictures=self.pictures.select(places),
            numbers=self.numbers and tuple(self.numbers[place] for place in places),
            geometry=self.geometry and self.geometry.select(places),
        )


def whole_volume(
    place: Path,
    kind: str,
    count: int,
    read: Callable[[int], Picture],
    geometry: Any = None,
) -> Volume:
    """All slices of a file.

    Args:
        place: The file or folder, which also gives the name.
        kind: `picture`, `nifti` or `dicom`.
        count: Number of slices.
        read: Reads the slice of a number from 0.
        geometry: Of all slices.
    """
    numbers = tuple(range(count))
    own = None if count == 1 else numbers
    return Volume(place.name, place, kind, Slices(read, numbers), own, geometry)


class Orientation(NamedTuple):
    """How a stored plane is turned to the usual orientation of display.

    Attributes:
        transpose: Whether the stored plane's first axis is shown as columns.
        flip_rows: Whether the shown rows are in reverse order.
        flip_columns: Whether the shown columns are in reverse order.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def show(self, stored: np.ndarray) -> np.ndarray:
        """The displayed plane of a stored one, both with the plane's axes first."""
        return self._flip(stored.swapaxes(0, 1) if self.transpose else stored)

    def store(self, shown: np.ndarray) -> np.ndarray:
        """The stored plane of a displayed one: the inverse of `show`."""
        flipped = self._flip(shown)
        return flipped.swapaxes(0, 1) if self.transpose else flipped

    def indices(self, height: int, width: int) -> Float[np.ndarray, "3 3"]:
        """The matrix from row, column and 1 of a displayed plane to the indices of the stored one.

        Args:
            height: Number of displayed rows.
            width: Number of displayed columns.
        """
        rows = [-1.0, 0.0, height - 1.0] if self.flip_rows else [1.0, 0.0, 0.0]
        columns = [0.0, -1.0, width - 1.0] if self.flip_columns else [0.0, 1.0, 0.0]
        first, second = (columns, rows) if self.transpose else (rows, columns)
        return np.array([first, second, [0.0, 0.0, 1.0]])

    def _flip(self, shown: np.ndarray) -> np.ndarray:
        return shown[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
