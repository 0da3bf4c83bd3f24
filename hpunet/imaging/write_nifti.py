"""Writes samples and maps as NIfTI volumes with the geometry of their source."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from hpunet.imaging.maps import Maps, named_maps, sample_names
from hpunet.imaging.nifti import NiftiGeometry, place_slices
from hpunet.imaging.volume import Volume

# Bytes of a description in the header, without the terminating zero.
DESCRIPTION = 79


def write_nifti(folder: Path, volume: Volume, maps: Maps, text: str) -> list[Path]:
    """Writes `sample_001.nii.gz` and so on, `mean.nii.gz`, `std.nii.gz` and `entropy.nii.gz`.

    Each file has the shape and affine of the source, and 0 in slices that are not selected. Samples
    are uint8 labels, maps float32 with exact values, the entropy in nats.

    Args:
        folder: Folder for the files, which must exist.
        volume: The source of the maps; its geometry is a `NiftiGeometry`.
        maps: In the orientation of display. Samples in a memory map are read one by one.
        text: The description in each header, cut to 79 characters.

    Returns:
        The files.

    Raises:
        OSError: If a file cannot be written as a whole.
    """
    written = []
    for name, slices, most in _volumes(maps):
        stored = place_slices(volume.geometry, slices, volume.numbers)
        image = _image(stored, volume.geometry)
        image.header["cal_max"] = most
        image.header["descrip"] = text[:DESCRIPTION].encode("ascii")
        written.append(folder / f"{name}.nii.gz")
        image.to_filename(written[-1])
    return written


def _volumes(maps: Maps) -> Iterator[tuple[str, np.ndarray, float]]:
    """Names of the files, with slices and largest possible value."""
    for name, sample in zip(sample_names(maps), maps.samples, strict=True):
        yield name, sample, float(maps.num_classes - 1)
    for one in named_maps(maps):
        yield one.name, one.values, one.most


def _image(stored: Shaped[np.ndarray, "..."], geometry: NiftiGeometry) -> Any:
    """A nibabel image with the source's affines, their codes and its units."""
    import nibabel

    image = nibabel.Nifti1Image(stored, _whole(geometry.affine))
    if geometry.qform is not None:
        image.set_qform(_whole(geometry.qform), geometry.qform_code)
    sform = _whole(geometry.affine) if geometry.sform_code else None
    image.set_sform(sform, geometry.sform_code)
    image.header.set_xyzt_units(*geometry.units)
    return image


def _whole(affine: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """The affine with its third direction, which some programs leave out for single planes."""
    if affine[:3, 2].any():
        return affine
    across = np.cross(affine[:3, 0], affine[:3, 1])
    whole = affine.copy()
    whole[:3, 2] = across / np.linalg.norm(across)
    return whole
