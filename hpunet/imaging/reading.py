"""What every reader does: a broken file fails with one line, values become a `Picture`."""

import importlib
import logging
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
# Ours: air is black, bone white, and lung tissue keeps most of the range.
HU_WINDOW = (-1000.0, 400.0)
FRACTIONS = (0.0, 1.0)
WINDOWS = {np.dtype(np.uint8): (0.0, 255.0), np.dtype(np.uint16): (0.0, 65535.0)}
# What 14 bits do not reach: images of 12 bits kept in 16 would be nearly black in a window of 16.
LEAST_SPAN = 2**14
QUANTITIES = {np.dtype(np.uint8): "8-bit", np.dtype(np.uint16): "16-bit"}
# Of one plane: Pillow warns above it of a file that is small on disk and fills the memory.
MOST_PIXELS = 89_478_485
# What libraries document, or are known to raise, for a damaged file. A name stands for a class of a
# package that loads when it is needed.
DAMAGE: Errors = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(OverflowError, NotImplementedError, RuntimeError, struct.error, zlib.error),
)
DICOM_ERRORS: Errors = (
    *DAMAGE,
    "pydicom.errors.BytesLengthException",
    "pydicom.errors.InvalidDicomError",
)


@contextmanager
def reading(place: Path, what: str, errors: Errors = DICOM_ERRORS) -> Iterator[None]:
    """Turns what a library says of a broken file into one line, and keeps its warnings quiet.

    Args:
        place: The file.
        what: It should be.
        errors: What the library raises for damaged files. Our own refusals pass through unchanged.

    Raises:
        UserError: In place of these errors.
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
        raise UserError(f"{place}: too large for the memory") from error
    except _classes(errors) as error:
        if isinstance(error, OSError) and str(error.filename) == str(place):
            raise UserError(f"{place}: cannot be read: {error.strerror}") from error
        # A KeyError's text is but the key.
        said = "" if isinstance(error, KeyError) else str(error)
        reason = " ".join((said or type(error).__name__).split())
        raise UserError(f"{place}: not a readable {what} ({reason[:200]})") from error
    finally:
        logging.disable(disabled)


def _classes(errors: Errors) -> tuple[type[Exception], ...]:
    """Exception classes, without those of packages that nothing has loaded."""
    named = (error.rpartition(".") for error in errors if isinstance(error, str))
    return (
        *(error for error in errors if not isinstance(error, str)),
        *(getattr(sys.modules[m], name) for m, _, name in named if m in sys.modules),
    )


def require(package: str, place: Path, what: str) -> Any:
    """A package of the extra `medical`, or the line that says how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"{place}: reading {what} needs {package}: pip install 'hpunet[medical]'"
        ) from error


def check_size(height: int, width: int, place: Path) -> None:
    """Refuses a plane without pixels, or with absurdly many."""
    if not 0 < height * width <= MOST_PIXELS:
        raise UserError(
            f"{place}: has {height} x {width} pixels; allowed are 1 to {MOST_PIXELS} in all"
        )


def extremes(values: np.ndarray) -> tuple[float, float]:
    """The least and the largest value; NaN, which is refused where it is shown, is left out."""
    return np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)


def default_window(
    dtype: np.dtype, planes: Callable[[], Iterable[np.ndarray]]
) -> tuple[float, float] | None:
    """The window of a file that says nothing of it but its values.

    Args:
        dtype: Of the values.
        planes: All of the file, one after the other; read only where the type does not decide.

    Returns:
        (0, 255) for uint8; (0, 65535) for uint16 if at least one plane spans `LEAST_SPAN` or more;
        (0, 1) for floats if all values lie within; else None.
    """
    if dtype == np.uint16 and not any(map(_is_wide, planes())):
        return None
    if dtype.kind == "f":
        return FRACTIONS if all(map(_are_fractions, planes())) else None
    return WINDOWS.get(dtype)


def _is_wide(values: np.ndarray) -> bool:
    return int(values.max()) - int(values.min()) >= LEAST_SPAN


def _are_fractions(values: np.ndarray) -> bool:
    low, high = extremes(values)
    # So it is for a plane of nothing but NaN, which says nothing.
    return not (low < 0 or high > 1)


def name_slice(path: Path, number: int, count: int) -> str:
    """What messages call one of the slices of a file."""
    return f"{path} slice {number}" if count > 1 else str(path)


def as_picture(
    values: np.ndarray,
    place: str,
    window: tuple[float, float] | None,
    quantity: str,
    spacing: tuple[float, float] | None = None,
) -> Picture:
    """A picture of finite float32 values.

    Args:
        values: As displayed, real numbers `[H, W]` or `[H, W, C]`.
        place: The file and, of several, the slice, for messages.
        window: Of the picture.
        quantity: Of the picture.
        spacing: Height and width of a pixel in mm.

    Raises:
        UserError: If a value is not finite, or beyond float32.
    """
    with np.errstate(over="ignore"):
        # A copy, also of what is float32 already: a view would keep its file open.
        values = np.array(values, np.float32, order="C")
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise UserError(f"{place}: {bad} values are NaN or infinite; allowed are finite numbers")
    return Picture(values.reshape(*values.shape[:2], -1), window, quantity, spacing)
