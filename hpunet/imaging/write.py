"""Writes samples and maps in the requested formats."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hpunet.imaging.maps import Maps, check_maps, std_of
from hpunet.imaging.volume import Volume
from hpunet.imaging.write_dicom import check_sources, write_dicom
from hpunet.imaging.write_nifti import write_nifti
from hpunet.imaging.write_png import write_png
from hpunet.io.errors import UserError

# Formats for each kind of input; the first is the default.
FORMATS = {
    "picture": ("png", "npy"),
    "nifti": ("nifti", "png", "npy"),
    "dicom": ("dicom", "png", "npy"),
}


def formats_of(kind: str) -> tuple[str, ...]:
    """The default formats for volumes of a kind."""
    return FORMATS[kind][:1]


def check_formats(volume: Volume, formats: Sequence[str]) -> tuple[str, ...]:
    """Checks that the maps of a volume can be written, before samples are drawn.

    Returns:
        Notes for the user.

    Raises:
        UserError: If a format does not fit the input, if it needs a package that is missing, or if
            the DICOM headers of the source lack elements that masks need.
    """
    _check_kind(volume, formats)
    return check_sources(volume) if "dicom" in formats else ()


def _check_kind(volume: Volume, formats: Sequence[str]) -> None:
    allowed = FORMATS[volume.kind]
    for name in formats:
        if name not in allowed:
            raise UserError(
                f"{volume.shown_place}: --format={name} does not fit it; allowed are "
                f"{', '.join(allowed)}"
            )


def write_maps(
    folder: Path, volume: Volume, maps: Maps, formats: Sequence[str], describe: Mapping[str, str]
) -> list[Path]:
    """Writes the samples of a volume and their mean, standard deviation and entropy.

    The same arguments give the same bytes. `check_formats` tells beforehand whether the DICOM
    headers of a source suffice.

    Args:
        folder: Folder for the files, which must exist.
        volume: The source of the maps.
        maps: In the orientation and size of the volume's pictures.
        formats: `png`, `npy`, `nifti` (of NIfTI input only) and `dicom` (of DICOM input only).
        describe: How the samples were drawn, for the headers: `version`, and also `weights`,
            `seed`, `temperature` and others.

    Returns:
        The files, in the order of the formats.

    Raises:
        UserError: If a format does not fit the input, or needs a package that is missing.
        ValueError: If the arrays do not fit each other or the volume.
        OSError: If a file cannot be written as a whole.
    """
    _check_kind(volume, formats)
    check_maps(maps, len(volume.pictures))
    described = {name: _ascii(value) for name, value in describe.items()}
    text = "hpunet " + ", ".join(f"{name}={value}" for name, value in described.items())
    written = []
    for name in formats:
        if name == "png":
            written += write_png(folder, volume, maps, text)
        elif name == "npy":
            written += write_npy(folder, volume, maps)
        elif name == "nifti":
            written += write_nifti(folder, volume, maps, text)
        elif name == "dicom":
            written += write_dicom(folder, volume, maps, described, text)
    # Two formats may share a file.
    return list(dict.fromkeys(written))


def write_npy(folder: Path, volume: Volume, maps: Maps) -> list[Path]:
    """Writes `samples.npy`, `mean.npy`, `std.npy` and `entropy.npy`.

    Samples are uint8 labels `[S, H, W]`; mean, standard deviation and entropy (nats) are float32
    `[H, W]`. With several foreground classes mean and standard deviation are `[K-1, H, W]`. Slices
    of a volume add an axis before the rows: `[S, N, H, W]`, `[N, H, W]` and `[K-1, N, H, W]`, also
    if N is 1.

    Args:
        folder: Folder for the files, which must exist.
        volume: The source of the maps.
        maps: Samples in a memory map are copied in pieces.

    Returns:
        The files.

    Raises:
        OSError: If a file cannot be written as a whole.
    """
    written = []
    for name, values in _arrays(maps):
        written.append(folder / f"{name}.npy")
        np.save(written[-1], values if volume.numbers is not None else values.squeeze(axis=-3))
    return written


def _arrays(maps: Maps) -> Iterator[tuple[str, np.ndarray]]:
    mean = maps.mean if maps.num_classes > 2 else maps.mean[0]
    yield "samples", maps.samples
    yield "mean", mean
    yield "std", std_of(mean)
    yield "entropy", maps.entropy


def _ascii(text: str) -> str:
    """The text in ASCII, which all headers of NIfTI and DICOM can hold."""
    return text.encode("ascii", "backslashreplace").decode()
