"""Functions shared by all readers: errors of damaged files, windows, and `Picture`s."""

import importlib
import logging
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hpunet.imaging.volume import Picture
from hpunet.io.errors import UserError

Errors = Sequence[type[Exception] | str]
# Our choice: air is black, bone is white, and lung tissue covers most of the range.
HU_WINDOW = (-1000.0, 400.0)
FRACTIONS = (0.0, 1.0)
# float32 holds every integer up to here.
LARGEST_INTEGER = 2**24
WINDOWS = {np.dtype(np.uint8): (0.0, 255.0), np.dtype(np.uint16): (0.0, 65535.0)}
# More than 14 bits: 12-bit images stored in 16 bits would be nearly black in a 16-bit window.
LEAST_SPAN = 2**14
QUANTITIES = {np.dtype(np.uint8): "8-bit", np.dtype(np.uint16): "16-bit"}
# Characters of a library's message.
MOST_TEXT = 200
# In one plane; Pillow's limit against files that are small on disk but fill the memory.
MOST_PIXELS = 89_478_485
# Exceptions of all libraries for damaged files. A string names a class of a package that is
# imported on demand.
DAMAGE: Errors = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, OverflowError),
    *(struct.error, zlib.error),
)
# pydicom reads elements when they are accessed, and documents these for its decoders.
DICOM_ERRORS: Errors = (
    *DAMAGE,
    *(AttributeError, IndexError, NotImplementedError, RuntimeError),
    "pydicom.errors.BytesLengthException",
    "pydicom.errors.InvalidDicomError",
)


@contextmanager
def reading(place: Path, what: str, errors: Errors = DICOM_ERRORS) -> Iterator[None]:
    """Turns a library's errors on a damaged file into a `UserError`, and silences its warnings.

    Args:
        place: The file.
        what: The expected kind of file, for the message.
        errors: Exceptions of the library for damaged files. A `UserError` passes unchanged.

    Raises:
        UserError: Instead of one of `errors`, or of a MemoryError.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{place}: does not fit into memory") from error
    except _classes(errors) as error:
        if isinstance(error, OSError) and str(error.filename) == str(place):
            raise UserError(f"{place}: cannot be read: {error.strerror}") from error
        raise UserError(f"{place}: not a readable {what} ({fault_text(error, place)})") from error
    finally:
        logging.disable(disabled)


def fault_text(error: Exception, place: Path | None = None) -> str:
    """A library's message on a damaged or incomplete file, on one line.

    Args:
        error: The library's error. Names of classes, which say nothing to users, are left out.
        place: The file, whose name is left out of the message.
    """
    # pydicom raises this for an element that the file lacks.
    if isinstance(error, AttributeError) and error.name:
        return f"{error.name} is missing"
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        # The text of a KeyError is the key, but some libraries write a sentence.
        key = str(error.args[0])
        text = key if " " in key else f"it lacks {key}, or has an unknown value in its place"
    if place is not None:
        text = re.sub(rf"""(\w*Path\()?['"]?{re.escape(str(place))}['"]?\)?""", "", text)
    return " ".join(text.split()).strip(" :")[:MOST_TEXT] or _without_text(error)


def _without_text(error: Exception) -> str:
    is_short = isinstance(error, EOFError | struct.error | IndexError)
    return "it ends too early" if is_short else "its contents are damaged"


def _classes(errors: Errors) -> tuple[type[Exception], ...]:
    """Exception classes, except those of packages that are not imported."""
    named = (error.rpartition(".") for error in errors if isinstance(error, str))
    return (
        *(error for error in errors if not isinstance(error, str)),
        *(getattr(sys.modules[m], name) for m, _, name in named if m in sys.modules),
    )


def require(package: str, place: Path, what: str) -> Any:
    """Imports a package of the extra `medical`.

    Raises:
        UserError: If it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"{place}: reading {what} needs {package}: pip install 'hpunet[medical]'"
        ) from error


def check_size(height: int, width: int, place: Path) -> None:
    """Checks the number of pixels of a plane.

    Raises:
        UserError: If it is 0 or above `MOST_PIXELS`.
    """
    if not 0 < height * width <= MOST_PIXELS:
        raise UserError(
            f"{place}: has {height} x {width} pixels; allowed are 1 to {MOST_PIXELS} in all"
        )


def extremes(values: np.ndarray) -> tuple[float, float]:
    """The least and the largest value; ignores NaN, which `as_picture` refuses."""
    return np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)


def default_window(
    dtype: np.dtype, planes: Callable[[], Iterable[np.ndarray]]
) -> tuple[float, float] | None:
    """The intensity window of a file whose header does not give one.

    Args:
        dtype: The type of the values.
        planes: Yields all planes of the file; called only if the type does not decide.

    Returns:
        (0, 255) for uint8; (0, 65535) for uint16 if the values of a plane span `LEAST_SPAN` or
        more; (0, 1) for bool, and for floats if all values are in it; otherwise None.
    """
    if dtype.kind == "b":
        return FRACTIONS
    if dtype == np.uint16 and not any(map(_is_wide, planes())):
        return None
    if dtype.kind == "f":
        return FRACTIONS if all(map(_are_fractions, planes())) else None
    return WINDOWS.get(dtype)


def _is_wide(values: np.ndarray) -> bool:
    return int(values.max()) - int(values.min()) >= LEAST_SPAN


def _are_fractions(values: np.ndarray) -> bool:
    low, high = extremes(values)
    # Also true for a plane of NaN only, which gives no information.
    return not (low < 0 or high > 1)


def name_slice(path: Path, number: int, count: int) -> str:
    """The name of a slice of a file in messages."""
    return f"{path}: slice {number}" if count > 1 else str(path)


def as_picture(
    values: np.ndarray,
    place: str,
    window: tuple[float, float] | None,
    quantity: str,
    spacing: tuple[float, float] | None = None,
    suggested: tuple[float, float] | None = None,
    nan: bool = False,
) -> Picture:
    """Makes a picture of finite float32 values.

    Args:
        values: Real numbers in the orientation of display, `[H, W]` or `[H, W, C]`.
        place: The file, with the slice if it has several, for messages.
        window: The values of black and white, or None.
        quantity: The kind of the values, as in `Picture`.
        spacing: Height and width of a pixel in mm.
        suggested: The intensity window that the file suggests for display.
        nan: Whether NaN is allowed.

    Raises:
        UserError: If a value is not finite, or an integer that float32 cannot hold.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        # Always a copy: a view would keep the file open.
        image = np.array(values, np.float32, order="C")
    bad = int((np.isinf(image) if nan else ~np.isfinite(image)).sum())
    if bad:
        what = "infinite" if nan else "NaN or infinite"
        raise UserError(f"{place}: {bad} values are {what}; allowed are finite numbers")
    if values.dtype.kind in "iu" and (largest := _largest(values)) > LARGEST_INTEGER:
        raise UserError(
            f"{place}: holds integers up to {largest:,}; allowed are images up to "
            f"{LARGEST_INTEGER:,}, which float32 holds exactly"
        )
    return Picture(image.reshape(*image.shape[:2], -1), window, quantity, spacing, suggested)


def _largest(values: np.ndarray) -> int:
    """The largest absolute value of integers."""
    return max(int(values.max()), -int(values.min()))
