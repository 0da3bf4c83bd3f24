"""Writes samples and maps in the formats that a user asks for."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hpunet.imaging.maps import Maps, check_maps, std_of
from hpunet.imaging.volume import Volume
from hpunet.imaging.write_dicom import check_sources, write_dicom
from hpunet.imaging.write_nifti import write_nifti
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


def check_formats(volume: Volume, formats: Sequence[str]) -> None:
    """Checks that the maps of a scan can be written, before anything is drawn.

    Raises:
        UserError: If a format does not fit the input, if a package is missing that it needs, or if
            the source's DICOM headers lack what masks need.
    """
    _check_kind(volume, formats)
    if "dicom" in formats:
        check_sources(volume)


def _check_kind(volume: Volume, formats: Sequence[str]) -> None:
    allowed = FORMATS[volume.kind]
    for name in formats:
        if name not in allowed:
            raise UserError(
                f"--format={name}: {volume.place} is of the kind {volume.kind}, allowed are "
                f"{', '.join(allowed)}"
            )


def write_maps(
    folder: Path, volume: Volume, maps: Maps, formats: Sequence[str], describe: Mapping[str, str]
) -> list[Path]:
    """Writes the samples of one scan and their mean, standard deviation and entropy.

    The same arguments give the same bytes. `check_formats` says beforehand whether a source's
    DICOM headers suffice.

    Args:
        folder: Exists; where the files go.
        volume: What the maps are of.
        maps: In the orientation and at the size of the scan's pictures.
        formats: `png`, `npy`, `nifti` (of NIfTI input only) and `dicom` (of DICOM input only).
        describe: How the samples were drawn, for the headers: `version`, and for example `weights`,
            `seed` and `temperature`.

    Returns:
        The files, in the order of the formats.

    Raises:
        UserError: If a format does not fit the input, or a package is missing that it needs.
        ValueError: If the arrays do not belong together or to the volume.
        OSError: If a file cannot be written as a whole.
    """
    _check_kind(volume, formats)
    check_maps(maps, len(volume.pictures))
    told = {name: _ascii(value) for name, value in describe.items()}
    text = "hpunet " + ", ".join(f"{name}={value}" for name, value in told.items())
    written = []
    for name in formats:
        if name == "png":
            written += write_png(folder, volume, maps, text)
        elif name == "npy":
            written += write_npy(folder, volume, maps)
        elif name == "nifti":
            written += write_nifti(folder, volume, maps, text)
        elif name == "dicom":
            written += write_dicom(folder, volume, maps, told)
    return written


def write_npy(folder: Path, volume: Volume, maps: Maps) -> list[Path]:
    """Writes `samples.npy`, `mean.npy`, `std.npy` and `entropy.npy`.

    Samples are uint8 labels `[S, H, W]`; mean, standard deviation and entropy (nats) are float32
    `[H, W]`. With several foreground classes mean and standard deviation are `[K-1, H, W]`. Slices
    of a volume have an axis of their own before the rows: `[S, N, H, W]`, `[N, H, W]` and
    `[K-1, N, H, W]`, also where N is 1.

    Args:
        folder: Exists.
        volume: What the maps are of.
        maps: Samples in a file are copied piece by piece.

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
    """Headers of NIfTI and DICOM hold no other letters for certain."""
    return text.encode("ascii", "backslashreplace").decode()
