"""Writes samples and maps in the formats that a user asks for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hpunet.imaging.maps import Maps, check_maps
from hpunet.imaging.scan import Scan
from hpunet.imaging.write_dicom import check_sources, write_dicom
from hpunet.imaging.write_nifti import write_nifti
from hpunet.imaging.write_npy import write_npy
from hpunet.imaging.write_png import write_png
from hpunet.io.errors import UserError

# What an input of a kind may be written as; the first is what it is written as if nothing is said.
FORMATS = {
    "picture": ("png", "npy"),
    "nifti": ("nifti", "png", "npy"),
    "dicom": ("dicom", "png", "npy"),
}


def formats_of(kind: str) -> tuple[str, ...]:
    """The formats that a scan of this kind is written in if the user names none."""
    return FORMATS[kind][:1]


def check_formats(scan: Scan, formats: Sequence[str]) -> None:
    """Checks that the maps of a scan can be written, before anything is drawn.

    Raises:
        UserError: If a format does not fit the input, if a package is missing that it needs, or if
            the source's DICOM headers lack what masks need.
    """
    _check_kind(scan, formats)
    if "dicom" in formats:
        check_sources(scan)


def _check_kind(scan: Scan, formats: Sequence[str]) -> None:
    allowed = FORMATS[scan.kind]
    for name in formats:
        if name not in allowed:
            raise UserError(
                f"--format={name}: {scan.place} is of the kind {scan.kind}, allowed are "
                f"{', '.join(allowed)}"
            )


def write_maps(
    folder: Path, scan: Scan, maps: Maps, formats: Sequence[str], describe: Mapping[str, str]
) -> list[Path]:
    """Writes the samples of one scan and their mean, standard deviation and entropy.

    The same arguments give the same bytes. `check_formats` says beforehand whether a source's
    DICOM headers suffice.

    Args:
        folder: Exists; where the files go.
        scan: What the maps are of.
        maps: In the orientation and at the size of the scan's pictures.
        formats: `png`, `npy`, `nifti` (of NIfTI input only) and `dicom` (of DICOM input only).
        describe: How the samples were drawn, for the headers: `version`, and for example `weights`,
            `seed` and `temperature`.

    Returns:
        The files, in the order of the formats.

    Raises:
        UserError: If a format does not fit the input, or a package is missing that it needs.
        ValueError: If the arrays do not belong together or to the scan.
        OSError: If a file cannot be written as a whole.
    """
    _check_kind(scan, formats)
    check_maps(maps, len(scan.pictures))
    told = {name: _ascii(value) for name, value in describe.items()}
    text = "hpunet " + ", ".join(f"{name}={value}" for name, value in told.items())
    written = []
    for name in formats:
        if name == "png":
            written += write_png(folder, scan, maps, text)
        elif name == "npy":
            written += write_npy(folder, scan, maps)
        elif name == "nifti":
            written += write_nifti(folder, scan, maps, text)
        elif name == "dicom":
            written += write_dicom(folder, scan, maps, told)
    return written


def _ascii(text: str) -> str:
    """Headers of NIfTI and DICOM hold no other letters for certain."""
    return text.encode("ascii", "backslashreplace").decode()
