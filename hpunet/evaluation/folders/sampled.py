"""Finds the samples in the folder that `python -m hpunet.sample` writes."""

import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from hpunet.config.data import PLANES
from hpunet.imaging.formats import MASK_SUFFIXES, suffix_of
from hpunet.imaging.naming import RESULTS, RESULTS_FORMAT

# A file for each sample, or one file for all. The best first: it is the fastest to read.
_SAMPLE = re.compile(r"sample_(?P<number>[0-9]+)")
_WHOLE = ("samples.npy", "samples.dcm")
_PREFERRED = (".npy", ".nii.gz", ".dcm", ".png")


class SampledFiles(NamedTuple):
    """The samples of an image or volume.

    Attributes:
        name: Its name.
        files: The files of one format, relative to the folder.
        slices: Numbers of the slices that were drawn; None for a single image.
        plane: The plane in which a NIfTI volume was cut, or None.
    """

    name: str
    files: tuple[str, ...]
    slices: tuple[int, ...] | None
    plane: str | None = None


def sampled_place(name: str) -> tuple[str, int | None] | None:
    """The image and the number of the sample in the path of a file; the number is None for all.

    Args:
        name: The path relative to the folder, such as `p0/scan1/sample_001.png`.

    Returns:
        None for other files.
    """
    image, _, base = name.rpartition("/")
    if base in _WHOLE:
        return image, None
    suffix = suffix_of(pathlib.Path(base))
    found = _SAMPLE.fullmatch(base[: len(base) - len(suffix)])
    if found is None or suffix not in MASK_SUFFIXES:
        return None
    return image, int(found["number"])


def read_results(folder: pathlib.Path) -> dict[str, SampledFiles]:
    """Reads the record that `sample` writes; empty if there is none.

    Of samples in several formats, one format is chosen.
    """
    try:
        content = json.loads((folder / RESULTS).read_bytes())
        if content["format"] != RESULTS_FORMAT:
            return {}
        images = [_image(record) for record in content["images"] if record.get("files")]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return {image.name: image for image in images}


def _image(record: Mapping[str, Any]) -> SampledFiles:
    by_suffix: dict[str, list[str]] = {}
    for name in record["files"]:
        if ".." not in pathlib.PurePath(name).parts and sampled_place(name):
            by_suffix.setdefault(suffix_of(pathlib.Path(name)), []).append(name)
    chosen = next((by_suffix[suffix] for suffix in _PREFERRED if suffix in by_suffix), [])
    slices = [picture["slice"] for picture in record["pictures"]]
    numbers = None if None in slices else tuple(slices)
    # Earlier versions do not record the plane.
    plane = record.get("plane")
    return SampledFiles(record["name"], tuple(chosen), numbers, plane if plane in PLANES else None)
