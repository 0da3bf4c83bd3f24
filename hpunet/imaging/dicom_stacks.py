"""Sorts the images of a DICOM series into stacks of parallel slices.

A series may hold more than one volume: echoes, points in time, several orientations. It may also
hold single images that do not belong to its volume, such as planning images and projections.
"""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hpunet.imaging.dicom_header import TRAITS, DicomImage
from hpunet.imaging.volume import Excluded
from hpunet.io.errors import UserError

# Scanners write direction cosines with six digits, and spacings with a few more.
ALIKE = 1e-4
# In mm. Slices are never thinner, and positions are rounded.
SAME_POSITION = 1e-2
# What all images of a stack share, with its name in messages.
SHARED = {
    "size": "size",
    "orientation": "orientation",
    "spacing": "spacing",
    "is_hu": "quantity in HU",
    "frame_of_reference": "frame of reference",
}
# A group of images is a stack of its own if it has more than this share of the largest group's.
LEAST_SHARE = 1 / 2


class ImageStack(NamedTuple):
    """Parallel slices of one volume, from inferior to superior.

    Attributes:
        label: What tells it from the other stacks of its series, usable as the name of a folder;
            empty if there is only one.
        images: The slices.
    """

    label: str
    images: list[DicomImage]


class SortedSeries(NamedTuple):
    """The stacks of a series, and the images that belong to none of them."""

    stacks: list[ImageStack]
    left_out: list[Excluded]


def sort_series(images: Sequence[DicomImage]) -> SortedSeries:
    """Sorts the images of a series into stacks.

    Images belong together if they share size, orientation, spacing, quantity and frame of
    reference. The largest such group is a stack, and so is every group of more than `LEAST_SHARE`
    of its size; smaller ones are left out. Images of which no two are parallel, as three-plane
    localizers and radial projections, are all left out. A group with several images at one position
    is split by the element of the header that tells these apart, such as the echo time. Copies are
    left out.

    Sagittal images are ordered to the patient's left and coronal ones to the back. Images without a
    position are ordered by instance number.

    Args:
        images: At least one, in any order.

    Raises:
        UserError: If most images share their positions with others, and nothing in the header tells
            them apart.
    """
    left_out: list[Excluded] = []
    groups = _groups(_without_copies(images, left_out))
    if len(groups) > 1 and all(map(_is_alone, groups)):
        reason = f"is one of {len(groups)} images of its series, no two of which are parallel"
        return SortedSeries([], [*left_out, *(Excluded(str(one), reason) for (one,) in groups)])
    largest = max(groups, key=len)
    kept = [group for group in groups if len(group) > LEAST_SHARE * len(largest)]
    for group in groups:
        if group not in kept:
            left_out += [Excluded(str(image), _unlike(image, largest)) for image in group]
    stacks: list[ImageStack] = []
    for number, group in enumerate(kept, start=1):
        own = f"stack-{number}" if len(kept) > 1 else ""
        for label, members in _split(_in_order(group), left_out):
            stacks.append(ImageStack("-".join(filter(None, (own, label))), members))
    return SortedSeries(stacks, left_out)


def _is_alone(group: Sequence[DicomImage]) -> bool:
    """Whether a group is a single image with a known orientation."""
    return len(group) == 1 and group[0].orientation is not None


def _without_copies(images: Sequence[DicomImage], left_out: list[Excluded]) -> list[DicomImage]:
    """One of each image; the same files often lie in a study twice."""
    found: dict[tuple[str, int], list[DicomImage]] = {}
    for image in images:
        same = found.setdefault((image.uid, image.frame), [])
        first = next((other for other in same if image.uid and _is_copy(image, other)), None)
        if first is None:
            same.append(image)
        else:
            left_out.append(Excluded(str(image), f"is a copy of {_file(first)}"))
    return [image for same in found.values() for image in same]


def _file(image: DicomImage) -> str:
    return str(image).replace(str(image.path), image.path.name)


def _is_copy(image: DicomImage, other: DicomImage) -> bool:
    return image.path.read_bytes() == other.path.read_bytes()


def _groups(images: Sequence[DicomImage]) -> list[list[DicomImage]]:
    groups: list[list[DicomImage]] = []
    for image in images:
        group = next((group for group in groups if not _differences(image, group[0])), None)
        if group is None:
            groups.append([image])
        else:
            group.append(image)
    return groups


def _differences(image: DicomImage, other: DicomImage) -> list[str]:
    found = [what for what in SHARED if not _is_close(getattr(image, what), getattr(other, what))]
    return [*found, *(["position"] if (image.position is None) != (other.position is None) else [])]


def _is_close(one: Any, other: Any) -> bool:
    if one is None or other is None or isinstance(one, str):
        return one == other
    return bool(np.allclose(one, other, rtol=0, atol=ALIKE))


def _unlike(image: DicomImage, group: Sequence[DicomImage]) -> str:
    """Why an image does not belong to a group."""
    what = _differences(image, group[0])[0]
    number = f"{len(group)} other images" if len(group) > 1 else "another image"
    if what == "position":
        lacks, has = ("lacks", "have") if image.position is None else ("has", "lack")
        return f"{lacks} ImagePositionPatient, which {number} of its series {has}"
    one, other = (_shown(getattr(each, what)) for each in (image, group[0]))
    return f"its {SHARED[what]} is {one}, and that of {number} of its series is {other}"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{number:g}" for number in value)
    return "unknown" if value is None else str(value)


def _in_order(images: Sequence[DicomImage]) -> list[tuple[float | None, DicomImage]]:
    """Images with their position along the normal in mm, or None if it is unknown, in order."""
    by_number = sorted(images, key=lambda image: (image.instance_number, image.path, image.frame))
    orientation = images[0].orientation
    if orientation is None or images[0].position is None:
        return [(None, image) for image in by_number]
    normal = normal_of(orientation)
    placed = [(float(np.dot(image.position or (), normal)), image) for image in by_number]
    return sorted(placed, key=lambda one: one[0])  # type: ignore[arg-type, return-value]


def normal_of(orientation: Sequence[float]) -> np.ndarray:
    """The direction across the slices, mainly to the head, or else to the left or back."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal * np.sign(normal[np.abs(normal).argmax()])


def _split(
    placed: list[tuple[float | None, DicomImage]], left_out: list[Excluded]
) -> list[tuple[str, list[DicomImage]]]:
    """Splits images into stacks with one image per position."""
    if placed[0][0] is None:
        return [("", [image for _, image in placed])]
    positions = _positions([height for height, _ in placed if height is not None])
    images = [image for _, image in placed]
    most = max(Counter(positions).values())
    if most == 1:
        return [("", images)]
    for keys in itertools.chain(
        *(itertools.combinations(range(len(TRAITS) + 1), n) for n in (1, 2))
    ):
        parts = _parts(images, positions, keys, most)
        if parts:
            return _large(parts, left_out)
    parts = _blocks(images, positions, most)
    return list(parts.items()) or [("", _first_of_each(images, positions, left_out))]


def _positions(heights: Sequence[float]) -> list[int]:
    """Numbers the positions; the heights are in ascending order."""
    steps = np.diff(heights, prepend=heights[0]) >= SAME_POSITION
    return np.cumsum(steps).tolist()


def _parts(
    images: Sequence[DicomImage], positions: Sequence[int], keys: Sequence[int], most: int
) -> dict[str, list[DicomImage]] | None:
    """Images by the values of some traits, if that gives `most` parts without a double position."""
    parts: dict[str, list[DicomImage]] = {}
    taken: set[tuple[str, int]] = set()
    for image, position in zip(images, positions, strict=True):
        label = "-".join(_trait(image, key) for key in keys)
        if (label, position) in taken:
            return None
        taken.add((label, position))
        parts.setdefault(label, []).append(image)
    return parts if len(parts) == most else None


def _blocks(
    images: Sequence[DicomImage], positions: Sequence[int], most: int
) -> dict[str, list[DicomImage]]:
    """Complete volumes that follow each other by instance number, or take turns at each position.

    Returns:
        The volumes by label; none if the instance numbers have another order.
    """
    count = len(images) // most
    numbers = {image.instance_number for image in images}
    if count < 2 or len(images) != most * count or len(numbers) < len(images):
        return {}
    placed = sorted(zip(images, positions, strict=True), key=lambda one: one[0].instance_number)
    following = [placed[start : start + count] for start in range(0, len(placed), count)]
    in_turn = [placed[start::most] for start in range(most)]
    for parts in (following, in_turn):
        if all([position for _, position in part] in _whole_runs(count) for part in parts):
            ordered = [sorted(part, key=lambda one: one[1]) for part in parts]
            return {
                f"part-{number}": [image for image, _ in part]
                for number, part in enumerate(ordered, start=1)
            }
    return {}


def _whole_runs(count: int) -> tuple[list[int], list[int]]:
    """All positions, upwards and downwards."""
    return list(range(count)), list(range(count))[::-1]


def _trait(image: DicomImage, key: int) -> str:
    """Name and value of an element; behind the last one, the folder of the file."""
    if key == len(TRAITS):
        return _as_name(image.path.parent.name)
    return _as_name(f"{TRAITS[key]}-{image.traits[key] or 'none'}")


def _as_name(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", text).strip(".-") or "none"


def _large(
    parts: dict[str, list[DicomImage]], left_out: list[Excluded]
) -> list[tuple[str, list[DicomImage]]]:
    """The parts of a group, without the small ones, such as a slice that was repeated."""
    most = max(map(len, parts.values()))
    kept = {label: part for label, part in parts.items() if len(part) > LEAST_SHARE * most}
    for label, part in parts.items():
        if label not in kept:
            reason = f"is one of {len(part)} images with {label} at positions of {most} others"
            left_out += [Excluded(str(image), reason) for image in part]
    if len(kept) == 1:
        return [("", part) for part in kept.values()]
    return list(kept.items())


def _first_of_each(
    images: Sequence[DicomImage], positions: Sequence[int], left_out: list[Excluded]
) -> list[DicomImage]:
    """The first image of each position by instance number; the others are left out.

    Raises:
        UserError: If these are too many to be single repetitions.
    """
    first: dict[int, DicomImage] = {}
    others = []
    for image, position in zip(images, positions, strict=True):
        if first.setdefault(position, image) is not image:
            others.append((image, first[position]))
    if len(others) > LEAST_SHARE * len(first):
        image, other = others[0]
        raise UserError(
            f"{image}: lies at {_shown(image.position)} mm, as {other} in the same series does, "
            "and nothing in its header tells them apart; allowed is one image per position"
        )
    left_out += [
        Excluded(str(image), f"lies at the position of {_file(other)}") for image, other in others
    ]
    return list(first.values())
