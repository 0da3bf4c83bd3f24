"""Reads volumes from NIfTI files, slice by slice in the usual orientation of display."""

import functools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpunet.imaging.reading import (
    DAMAGE,
    FRACTIONS,
    HU_WINDOW,
    as_picture,
    check_size,
    extremes,
    name_slice,
    reading,
    require,
)
from hpunet.imaging.volume import IMAGE, Orientation, Picture, ReadMode, Volume, whole_volume
from hpunet.io.errors import UserError

# Fat ends at -150 HU, lung and air are far below, and other images rarely have negative values. CT
# usually has values from -1024 to 3071, which resampling may exceed. Outside the field of view some
# scanners write -2000 or -2048, and one manufacturer -3024. MR phase images reach -4096 or -3142.
HU_BELOW, HU_LEAST, HU_MOST = -200, -2048, 4095
HU_PADDING = -3024
# The exceptions that nibabel defines derive from Exception directly.
ERRORS = (
    *DAMAGE,
    "nibabel.filebasedimages.ImageFileError",
    "nibabel.spatialimages.HeaderDataError",
)
MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
# The axis of the patient across each plane: to the right, to the front, to the head.
ACROSS = {"sagittal": 0, "coronal": 1, "axial": 2}
# Our choice. Voxels of thick slices are longer across them by more than this factor; resampled
# volumes are isotropic.
THICK = 1.5
# Larger ratios between the sides of a pixel, and of a slice in pixels, are noted.
SQUARE, BALANCED = 2, 4
NOT_SQUARE = (
    "one side of its pixels is more than {times} times as long as the other; --plane and "
    "data.folder.plane choose other slices"
)
NARROW = (
    "one side of its slices has more than {times} times as many pixels as the other; --plane and "
    "data.folder.plane choose other slices"
)
THICK_SLICES = "is cut into {plane} slices, across the longest side of its voxels"
# The compression ratio of deflate for zeros.
MOST_COMPRESSION = 1032


class NiftiGeometry(NamedTuple):
    """The position of the slices in the array of a NIfTI file, and of the array in the patient.

    Attributes:
        affine: From indices to the patient's right, anterior and superior, in `units` `[4, 4]`.
        shape: Shape of the stored array, two or three axes, without trailing axes of length 1.
        axis: The stored axis of the slices; 2 for two axes.
        view: Turns the plane of the other two axes, in their stored order, for display.
        units: Units of space and time in nibabel's names, such as `("mm", "sec")`.
        sform_code: The header's code for `affine`, or 0 if it has none.
        qform_code: The header's code for `qform`, or 0 if it has none.
        qform: The header's second affine, equal to `affine` if `sform_code` is 0 `[4, 4]`.
        plane: The plane of the slices, `axial`, `coronal` or `sagittal`, or the closest to it.
    """

    affine: np.ndarray
    shape: tuple[int, ...]
    axis: int
    view: Orientation
    units: tuple[str, str]
    sform_code: int
    qform_code: int
    qform: np.ndarray | None
    plane: str = "axial"

    @property
    def shown_affine(self) -> np.ndarray:
        """From slice, displayed row and column to the patient's right, front and head in mm."""
        shape = _three(self.shape)
        others = [axis for axis in range(3) if axis != self.axis]
        height, width = (shape[axis] for axis in (others[::-1] if self.view.transpose else others))
        to_stored = np.zeros((4, 4))
        to_stored[self.axis, 0] = to_stored[3, 3] = 1
        to_stored[np.ix_(others, [1, 2, 3])] = self.view.indices(height, width)[:2]
        scale = np.diag([MM[self.units[0]]] * 3 + [1])
        return scale @ self.affine @ to_stored

    def select(self, places: Sequence[int]) -> "NiftiGeometry":
        """Returns itself: the number of a slice gives its position."""
        return self


def place_slices(
    geometry: NiftiGeometry, slices: np.ndarray, numbers: Sequence[int] | None
) -> np.ndarray:
    """Puts displayed slices at their positions in the stored array.

    Args:
        geometry: Of the file that the slices come from.
        slices: One plane for each number, as displayed `[N, H, W]`.
        numbers: Numbers of the slices; None if the file has only one.

    Returns:
        An array of `geometry.shape` and the type of `slices`, zero in all other slices.
    """
    volume = np.zeros((*geometry.shape, 1)[:3], slices.dtype)
    planes = np.moveaxis(volume, geometry.axis, 0)
    for number, plane in zip(numbers or (0,), slices, strict=True):
        planes[number] = geometry.view.store(plane)
    return volume.reshape(geometry.shape)


def open_nifti(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """Opens the volume of a NIfTI file.

    The volume is cut along `mode.plane`: across the stored axis that is closest to the plane's
    normal. With `auto` that is the axis along which a voxel is at least `THICK` times as long as
    along both others, as volumes are acquired in thick slices; without such an axis, slices are
    axial. Slices are numbered by their index in the file. A single plane keeps its orientation.

    Slices are displayed as usual. Axial ones: rows from anterior to posterior, columns from the
    patient's right to left. Coronal ones: rows from superior to inferior, columns from right to
    left. Sagittal ones: rows from superior to inferior, columns from anterior to posterior.

    The window is `HU_WINDOW` for volumes with values below `HU_BELOW`, but none below `HU_LEAST`
    (except `HU_PADDING`) or above `HU_MOST`, as in CT; (0, 255) for bytes without rescaling; (0, 1)
    for floats in this range; otherwise None.

    Args:
        path: The `.nii` or `.nii.gz`, or one file of a pair.
        mode: Whether it is read as an image or as masks, and its plane. Without rescaling, masks
            keep the stored type and values; with it, they are rounded to float32 like images.

    Raises:
        UserError: If nibabel is missing, if the file is unreadable, or if it does not hold a single
            volume of real numbers.
    """
    image = _load(path)
    with reading(path, "NIfTI file", ERRORS):
        geometry = _geometry(image, path, mode.plane)
    shape = _three(geometry.shape)
    height, width = shape[: geometry.axis] + shape[geometry.axis + 1 :]
    check_size(height, width, path)
    spacing = _spacing(geometry)
    meaning = functools.cache(lambda: _meaning(*_stored(path, path.stat().st_mtime_ns)))

    def read(number: int) -> Picture:
        with reading(path, "NIfTI file", ERRORS):
            stored, slope, intercept = _stored(path, path.stat().st_mtime_ns)
            window, quantity = (None, "labels") if mode.mask else meaning()
        plane = np.moveaxis(stored.reshape(shape), geometry.axis, 0)[number]
        is_rescaled = (slope, intercept) != (1, 0)
        values = geometry.view.show(plane * slope + intercept if is_rescaled else plane)
        if mode.mask and not is_rescaled:
            return Picture(values, None, "labels", spacing)
        place = name_slice(path, number, shape[geometry.axis])
        return as_picture(values, place, window, quantity, spacing, nan=mode.nan)

    volume = whole_volume(path, "nifti", shape[geometry.axis], read, geometry)
    return volume._replace(notes=_notes(geometry, mode.plane, (height, width), spacing))


def _three(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape, 1)[:3]


def _load(path: Path) -> Any:
    nibabel = require("nibabel", path, "NIfTI")
    with reading(path, "NIfTI file", ERRORS):
        image = nibabel.load(path)
        if not isinstance(image, nibabel.Nifti1Pair):
            raise UserError(f"{path}: is {type(image).__name__}; allowed are NIfTI-1 and NIfTI-2")
        _check_array(image, path)
    return image


def _check_array(image: Any, path: Path) -> None:
    dtype = image.get_data_dtype()
    if dtype.kind not in "uif":
        kind = "colours" if dtype.names else f"{dtype} values"
        raise UserError(f"{path}: holds {kind}; allowed are integers and real floats")
    if len(image.shape) < 2 or min(image.shape) < 1:
        raise UserError(f"{path}: has shape {list(image.shape)}; allowed are 2 or 3 axes")
    if math.prod(image.shape[3:]) > 1:
        raise UserError(f"{path}: holds {math.prod(image.shape[3:])} volumes; allowed is one")
    size = math.prod(image.shape) * dtype.itemsize
    if size > MOST_COMPRESSION * os.path.getsize(image.file_map["image"].filename):
        raise UserError(f"{path}: is too short for an array of shape {list(image.shape)}")


def _geometry(image: Any, path: Path, plane: str) -> NiftiGeometry:
    affine = np.asarray(image.affine, np.float64)
    axes, signs = _directions(affine, image.shape, path)
    shape = image.shape[:3]
    single = [axis for axis, size in enumerate(_three(shape)) if size == 1]
    axis = single[0] if len(single) == 1 else _axis_across(plane, axes, affine)
    first, second = (other for other in range(3) if other != axis)
    transpose = axes[first] < axes[second]
    rows, columns = (second, first) if transpose else (first, second)
    header = image.header
    return NiftiGeometry(
        affine=affine,
        shape=shape,
        axis=axis,
        view=Orientation(transpose, signs[rows] > 0, signs[columns] > 0),
        units=_units(header),
        sform_code=int(header["sform_code"]),
        qform_code=int(header["qform_code"]),
        qform=header.get_qform() if header["qform_code"] > 0 else None,
        plane=next(name for name, across in ACROSS.items() if across == axes[axis]),
    )


def _axis_across(plane: str, axes: Sequence[int], affine: np.ndarray) -> int:
    """The stored axis across the slices."""
    if plane == "auto":
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
        longest = int(sizes.argmax())
        if sizes[longest] >= THICK * np.delete(sizes, longest).max():
            return longest
        plane = "axial"
    return axes.index(ACROSS[plane])


def _notes(
    geometry: NiftiGeometry, plane: str, size: tuple[int, int], spacing: tuple[float, float]
) -> tuple[str, ...]:
    """What the user should know of how a volume of several slices is cut."""
    if _three(geometry.shape)[geometry.axis] == 1:
        return ()
    notes = []
    if plane == "auto" and geometry.plane != "axial":
        notes.append(THICK_SLICES.format(plane=geometry.plane))
    if max(spacing) > SQUARE * min(spacing):
        notes.append(NOT_SQUARE.format(times=SQUARE))
    if max(size) > BALANCED * min(size):
        notes.append(NARROW.format(times=BALANCED))
    return tuple(notes)


def _directions(
    affine: np.ndarray, shape: tuple[int, ...], path: Path
) -> tuple[list[int], list[int]]:
    """For each stored axis the closest axis of the patient, and its direction, 1 or -1.

    The axes of the patient are 0 to the right, 1 to the front and 2 to the head.
    """
    import nibabel

    affine = affine.copy()
    if _three(shape[:3])[2] == 1 and not affine[:3, 2].any():
        # Programs that write single planes may leave out the third direction.
        affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1])
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        raise UserError(
            f"{path}: its affine {affine[:3].tolist()} does not say how the patient lies; allowed "
            "are finite, invertible ones"
        )
    axes, signs = nibabel.io_orientation(affine).astype(int).T.tolist()
    return axes, signs


def _units(header: Any) -> tuple[str, str]:
    try:
        return header.get_xyzt_units()
    except KeyError:
        return ("unknown", "unknown")


def _spacing(geometry: NiftiGeometry) -> tuple[float, float]:
    sizes = np.linalg.norm(geometry.affine[:3, :3], axis=0) * MM[geometry.units[0]]
    first, second = (float(size) for size in np.delete(sizes, geometry.axis))
    return (second, first) if geometry.view.transpose else (first, second)


# Only one: the slices of a volume are read together, and two volumes may not fit into memory.
@functools.lru_cache(maxsize=1)
def _stored(path: Path, changed: int) -> tuple[np.ndarray, np.float64, np.float64]:
    """The stored array, slope and intercept. `changed` distinguishes versions of a file."""
    data = _load(path).dataobj
    return data.get_unscaled(), np.float64(data.slope), np.float64(data.inter)


def _meaning(
    stored: np.ndarray, slope: np.float64, intercept: np.float64
) -> tuple[tuple[float, float] | None, str]:
    """Window and quantity."""
    low, high = sorted(extreme * slope + intercept for extreme in extremes(stored))
    if high <= HU_MOST and (HU_LEAST <= low < HU_BELOW or low == HU_PADDING):
        return HU_WINDOW, "HU"
    if stored.dtype == np.uint8 and (slope, intercept) == (1, 0):
        return (0.0, 255.0), "8-bit"
    if stored.dtype.kind == "f" and low >= 0 and high <= 1:
        return FRACTIONS, "intensity"
    return None, "intensity"
