"""The reader of each file format; a new format needs a module and an entry here."""

from collections.abc import Callable
from pathlib import Path

from hpunet.imaging.arrays import open_npy, open_npz
from hpunet.imaging.dicom import open_dicom
from hpunet.imaging.dicom_header import is_dicom
from hpunet.imaging.nifti import open_nifti
from hpunet.imaging.raster import open_raster
from hpunet.imaging.volume import IMAGE, ReadMode, Volume
from hpunet.io.errors import UserError

READERS: dict[str, Callable[[Path, ReadMode], Volume]] = {
    ".png": open_raster,
    ".tif": open_raster,
    ".tiff": open_raster,
    ".jpg": open_raster,
    ".jpeg": open_raster,
    ".bmp": open_raster,
    ".gif": open_raster,
    ".npy": open_npy,
    ".npz": open_npz,
    ".nii.gz": open_nifti,
    ".nii": open_nifti,
    ".hdr": open_nifti,
    ".img": open_nifti,
}
# The files of a series are read together; see `hpunet.imaging.read`.
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
# Compression changes the values.
LOSSY_SUFFIXES = (".jpg", ".jpeg")
# An image in two files; annotated folders allow only one file per image.
PAIRED_SUFFIXES = (".hdr", ".img")
RASTER_SUFFIXES = tuple(suffix for suffix, reader in READERS.items() if reader is open_raster)
MASK_SUFFIXES = tuple(
    suffix for suffix in READERS if suffix not in (*PAIRED_SUFFIXES, *LOSSY_SUFFIXES)
)
IMAGE_SUFFIXES = (
    *(suffix for suffix in READERS if suffix not in PAIRED_SUFFIXES),
    *DICOM_SUFFIXES,
)


def suffix_of(path: Path) -> str:
    """The suffix of a known format in lower case, or an empty string."""
    name = path.name.lower()
    known = (*DICOM_SUFFIXES, *READERS)
    return next((suffix for suffix in known if name.endswith(suffix)), "")


def is_dicom_file(path: Path) -> bool:
    """Whether a file has the suffix of DICOM, or none of a known format and begins like DICOM.

    Raises:
        UserError: If it cannot be read.
    """
    suffix = suffix_of(path)
    return suffix in DICOM_SUFFIXES or (not suffix and path.is_file() and is_dicom(path))


def open_file(path: Path, mode: ReadMode = IMAGE) -> Volume:
    """Opens the image or masks of a file of any format, chosen by its suffix.

    Files without the suffix of a known format are DICOM if they begin like it.

    Args:
        path: The file, or the folder of one DICOM series.
        mode: Whether to read an image or masks, and how.

    Raises:
        UserError: If the file is missing, empty, damaged or of another format, or does not hold
            what `mode` asks for.
    """
    if path.is_dir():
        return open_dicom(path, mode)
    reader = open_dicom if is_dicom_file(path) else READERS.get(suffix_of(path))
    if reader is None:
        allowed = ", ".join((*READERS, *DICOM_SUFFIXES))
        raise UserError(f"{path}: unknown format; allowed are {allowed}")
    check_file(path)
    return reader(path, mode)


def check_file(path: Path) -> None:
    """Checks that a path is a regular file that is not empty.

    Raises:
        UserError: If it is not.
    """
    try:
        empty = path.stat().st_size == 0
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise UserError(f"{path}: is neither a file nor a folder")
    if empty:
        raise UserError(f"{path}: is empty")
