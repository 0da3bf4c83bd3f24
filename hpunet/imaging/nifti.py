"""Volumes of NIfTI files, shown slice by slice from anterior to posterior and right to left."""

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

# Fat ends at -150 HU, lung and air lie far below; other images are rarely negative at all. The
# usual scale of CT runs from -1024 to 3071, which resampling may exceed; outside of the scanner's
# circle some write -2000 or -2048, and one maker -3024. Phase images of MR reach -4096 or -3142.
HU_BELOW, HU_LEAST, HU_MOST = -200, -2048, 4095
HU_PADDING = -3024
# Those that nibabel defines are no ValueErrors.
ERRORS = (
    *DAMAGE,
    "nibabel.filebasedimages.ImageFileError",
    "nibabel.spatialimages.HeaderDataError",
)
MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
INFERIOR_SUPERIOR = 2
# What deflate makes of zeros.
MOST_COMPRESSION = 1032


class NiftiGeometry(NamedTuple):
    """Where the slices of a NIfTI file lie in its array, and the array in the patient.

    Attributes:
        affine: From indices to the patient's right, anterior and superior, in `units` `[4, 4]`.
        shape: Of the stored array without trailing axes of one volume: three or two axes.
        axis: The stored axis along which slices are numbered; 2 for two axes.
        view: Turns the plane of the other two axes, in their stored order, for display.
        units: Of space and time, such as `("mm", "sec")`, as nibabel names them.
        sform_code: What the header says `affine` is, or 0 if it has none.
        qform_code: What the header says `qform` is, or 0 if it has none.
        qform: The header's second affine, which `affine` is where `sform_code` is 0 `[4, 4]`.
    """

    affine: np.ndarray
    shape: tuple[int, ...]
    axis: int
    view: Orientation
    units: tuple[str, str]
    sform_code: int
    qform_code: int
    qform: np.ndarray | None

    def select(self, places: Sequence[int]) -> "NiftiGeometry":
        """The same: a slice lies where its number says."""
        return self


def place_slices(
    geometry: NiftiGeometry, slices: np.ndarray, numbers: Sequence[int] | None
) -> np.ndarray:
    """Puts displayed slices back where they come from.

    Args:
        geometry: Of the file that they come from.
        slices: One plane a number, as displayed `[N, H, W]`.
        numbers: Of these slices; None where the file has but one.

    Returns:
        An array of `geometry.shape` and the type of `slices`, zero in all other slices.
    """
    volume = np.zeros((*geometry.shape, 1)[:3], slices.dtype)
    planes = np.moveaxis(volume, geometry.axis, 0)
    for number, plane in zip(numbers or (0,), slices, strict=True):
        planes[number] = geometry.view.store(plane)
    return volume.reshape(geometry.shape)


def open_nifti(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """The volume of a NIfTI file, slice by slice.

    Slices are axial: they are numbered along the stored axis that is closest to inferior-superior,
    by their index in the file. A single plane is shown as it is cut. Rows go from superior to
    inferior, or from anterior to posterior; columns from the patient's right to left, or from
    anterior to posterior.

    The window is `HU_WINDOW` for volumes that reach below `HU_BELOW`, but neither below `HU_LEAST`
    (except to `HU_PADDING`) nor above `HU_MOST`, as CT does, (0, 255) for bytes that are not
    rescaled, (0, 1) for floats within it, and else None.

    Args:
        path: The `.nii` or `.nii.gz`, or one file of a pair.
        mode: Masks are rescaled, turned and rounded to float32 as images are.

    Raises:
        UserError: If nibabel is missing, or the file is unreadable, or holds something else than
            one volume of real numbers.
    """
    image = _load(path)
    with reading(path, "NIfTI file", ERRORS):
        geometry = _geometry(image, path)
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
        values = geometry.view.show(plane * slope + intercept)
        place = name_slice(path, number, shape[geometry.axis])
        return as_picture(values, place, window, quantity, spacing)

    return whole_volume(path, "nifti", shape[geometry.axis], read, geometry)


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
    if len(image.shape) < 2 or 0 in image.shape:
        raise UserError(f"{path}: has shape {list(image.shape)}; allowed are 2 or 3 axes")
    if math.prod(image.shape[3:]) > 1:
        raise UserError(f"{path}: holds {math.prod(image.shape[3:])} volumes; allowed is one")
    size = math.prod(image.shape) * dtype.itemsize
    if size > MOST_COMPRESSION * os.path.getsize(image.file_map["image"].filename):
        raise UserError(f"{path}: is too short for an array of shape {list(image.shape)}")


def _geometry(image: Any, path: Path) -> NiftiGeometry:
    affine = np.asarray(image.affine, np.float64)
    axes, signs = _directions(affine, image.shape, path)
    shape = image.shape[:3]
    single = [axis for axis, size in enumerate(_three(shape)) if size == 1]
    axis = single[0] if len(single) == 1 else axes.index(INFERIOR_SUPERIOR)
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
    )


def _directions(
    affine: np.ndarray, shape: tuple[int, ...], path: Path
) -> tuple[list[int], list[int]]:
    """For each stored axis the closest axis of the patient, and whether it runs along or against.

    The patient's axes are 0 to the right, 1 to the front and 2 to the head.
    """
    import nibabel

    affine = affine.copy()
    if _three(shape[:3])[2] == 1 and not affine[:3, 2].any():
        # Programs that write single planes leave out what they know nothing of.
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


# One: the slices of a volume are read together, and several may not fit into the memory.
@functools.lru_cache(maxsize=1)
def _stored(path: Path, changed: int) -> tuple[np.ndarray, np.float64, np.float64]:
    """The array as stored, slope and intercept; `changed` tells files of one name apart."""
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
