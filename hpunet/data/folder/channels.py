"""Images in several files: channels, as nnU-Net names them, and DICOM series.

`<name>_0000`, `<name>_0001` and so on are the channels of the image `<name>`. A folder `<name>` of
the files of a DICOM series is the image `<name>`.
"""

import pathlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from hpunet.config.data import FolderConfig
from hpunet.data.folder.faults import Faults
from hpunet.data.folder.matching import match_masks, names_in
from hpunet.data.folder.walk import is_file, problem_of
from hpunet.imaging.channels import NUMBERED, join_channels, numbered_channels
from hpunet.imaging.formats import is_dicom_file, open_file, suffix_of
from hpunet.imaging.volume import ReadMode, Volume
from hpunet.io.listing import is_stray

Files = dict[str, tuple[pathlib.Path, ...]]


def names_without_channels(files: Iterable[str]) -> set[str]:
    """The names of the images that files may be channels of."""
    numbered = map(NUMBERED.fullmatch, files)
    return {found["name"] for found in numbered if found}


def group_channels(
    files: Mapping[str, pathlib.Path], annotated: Collection[str], faults: Faults
) -> Files:
    """The files of each image, of which those of several channels are in order.

    Files are channels if their number is not part of the name by which masks find the image: if
    there are masks of `<name>`, but none of `<name>_0000`.

    Args:
        files: Files by the name that each would have as an image of its own.
        annotated: Names of images of which there is a mask.
        faults: Faults are added to this list.
    """
    groups = {
        name: channels
        for name, channels in numbered_channels(files).items()
        if name in annotated and not any(file in annotated for file in channels.values())
    }
    grouped = {file for channels in groups.values() for file in channels.values()}
    found: Files = {name: (path,) for name, path in files.items() if name not in grouped}
    every = {number for channels in groups.values() for number in channels}
    for name, channels in groups.items():
        missing = [f"{name}_{n:04}" for n in sorted(every | {0}) if n not in channels]
        if missing:
            lacking = ", ".join(map(repr, missing))
            first = files[channels[min(channels)]]
            faults.add(first, f"is a channel of an image that lacks the channels {lacking}")
        found[name] = tuple(files[channels[number]] for number in sorted(channels))
    return found


def channels_beside(path: pathlib.Path, suffix: str) -> tuple[pathlib.Path, ...]:
    """The files of the channels of an image that a table names without their numbers.

    Args:
        path: The path of the image, which is no file.
        suffix: Its suffix.
    """
    stem = path.name[: len(path.name) - len(suffix)]
    found: list[pathlib.Path] = []
    while is_file(file := path.with_name(f"{stem}_{len(found):04}{suffix}")):
        found.append(file)
    return tuple(found)


def find_series(
    images: pathlib.Path,
    files: Mapping[str, pathlib.Path],
    stems: Sequence[str],
) -> dict[str, pathlib.Path]:
    """The folders of DICOM files that are one image each, by the names of the images.

    They are if there are masks with the name of the folder.

    Args:
        images: The folder of images.
        files: Files below it of known formats, by their paths.
        stems: Paths of the masks below `annotations`, without suffix.
    """
    names = {file[: len(file) - len(suffix_of(path))] for file, path in files.items()}
    folders = {
        path.parent for path in files.values() if path.parent != images and is_dicom_file(path)
    }
    series = {folder.relative_to(images).as_posix(): folder for folder in folders}
    series = {name: folder for name, folder in series.items() if name not in names}
    if not series:
        return {}
    annotated = {name.image for stem in stems for name in names_in(stem)} | set(stems)
    matched = match_masks(stems, names | series.keys()).found
    annotated |= {name.image for name in matched.values()}
    return {name: series[name] for name in sorted(series) if name in annotated}


def dicom_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The DICOM files right in a folder, in order."""
    files = (path for path in sorted(folder.iterdir()) if not is_stray(path.name))
    return [path for path in files if not problem_of(path) and is_dicom_file(path)]


def open_channels(paths: Sequence[pathlib.Path], mode: ReadMode) -> Volume:
    """Opens an image, whose channels may be in several files.

    Args:
        paths: The files, in the order of the channels.
        mode: How they are read.

    Raises:
        UserError: As `open_file` and `join_channels`.
    """
    first = open_file(paths[0], mode)
    plane = getattr(first.geometry, "plane", None) or mode.plane
    return join_channels(
        [first, *(open_file(path, mode._replace(plane=plane)) for path in paths[1:])]
    )


def plane_of_masks(image: Volume | None, config: FolderConfig) -> str:
    """The plane in which masks are cut: that of their image, if it has one."""
    plane = None if image is None else getattr(image.geometry, "plane", None)
    return plane or config.plane
