"""Images whose channels are in several files, and how the slices of two volumes correspond.

nnU-Net names the channels of the image `<name>` `<name>_0000`, `<name>_0001` and so on.
"""

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from hpunet.imaging.fit import HAIR
from hpunet.imaging.planes import MOST_CHANNELS
from hpunet.imaging.volume import Picture, Slices, Volume
from hpunet.io.errors import UserError

NUMBERED = re.compile(r"(?P<name>.*[^/])_(?P<channel>\d{4})", re.DOTALL)


def numbered_channels(names: Iterable[str]) -> dict[str, dict[int, str]]:
    """The names of the possible channels of each image, by their numbers.

    Args:
        names: Names of files. They are no channels of an image whose own name is among them.
    """
    names = set(names)
    groups: dict[str, dict[int, str]] = {}
    for name in sorted(names):
        numbered = NUMBERED.fullmatch(name)
        if numbered and numbered["name"] not in names:
            groups.setdefault(numbered["name"], {})[int(numbered["channel"])] = name
    return groups


def join_numbered(
    volumes: Sequence[Volume], count: int, failed: Callable[[Volume, UserError], None]
) -> list[Volume]:
    """Joins the volumes that are the channels of an image by their names, if there are all `count`.

    Args:
        volumes: The volumes. None are joined to an image whose name another one has, or has as its
            folder.
        count: Number of channels of images.
        failed: Called with the first volume of each image that cannot be joined.

    Returns:
        Joined images take the place of their first channel.
    """
    by_name = {volume.name: volume for volume in volumes}
    folders = {name[:place] for name in by_name for place, c in enumerate(name) if c == "/"}
    joined: dict[str, Volume | None] = {}
    for name, channels in numbered_channels(by_name).items():
        if count == 1 or sorted(channels) != list(range(count)) or name in folders:
            continue
        those = [by_name[channels[number]] for number in range(count)]
        joined |= dict.fromkeys(channels.values())
        try:
            image = join_channels(those)
        except UserError as error:
            failed(those[0], error)
            continue
        note = f"read from {count} files, one for each channel"
        joined[channels[0]] = image._replace(name=name, notes=(*image.notes, note))
    found = [joined.get(volume.name, volume) for volume in volumes]
    return [volume for volume in found if volume is not None]


def join_channels(volumes: Sequence[Volume]) -> Volume:
    """The image whose channels are in several files; all but its pictures is that of the first.

    Args:
        volumes: The channels in their order.

    Raises:
        UserError: If a volume differs in slices or position from the first. Channels that differ in
            size are found when a slice is read.
    """
    first = volumes[0]
    if len(volumes) == 1:
        return first
    joined = [first]
    for volume in volumes[1:]:
        own, count = len(volume.pictures), len(first.pictures)
        if own != count:
            raise UserError(f"{volume.place}: has {own} slices, but {first.place} has {count}")
        order = slice_order(first, volume)
        if order is None:
            raise UserError(
                f"{volume.place}: has another affine than {first.place} and lies elsewhere in the "
                "patient; allowed is the same position for all channels"
            )
        joined.append(volume.select(range(count)[::order]))

    def read(number: int) -> Picture:
        pictures = [volume.pictures[number] for volume in joined]
        sizes = {picture.values.shape[:2] for picture in pictures}
        if len(sizes) > 1:
            raise UserError(f"{first.place}: its channels differ in size: {sorted(sizes)}")
        values = np.concatenate([picture.values for picture in pictures], axis=-1)
        if values.shape[-1] > MOST_CHANNELS:
            raise UserError(
                f"{first.place}: its files have {values.shape[-1]} channels in all; allowed are 1 "
                f"to {MOST_CHANNELS}"
            )
        filled = sum(picture.filled for picture in pictures)
        return pictures[0]._replace(values=values, window=None, quantity="intensity", filled=filled)

    notes = dict.fromkeys(note for volume in joined for note in volume.notes)
    return first._replace(
        pictures=Slices(read, range(len(first.pictures))),
        notes=tuple(notes),
        more_places=tuple(volume.place for volume in volumes[1:]),
    )


def slice_order(first: Volume, second: Volume) -> int | None:
    """1, or -1 if the slices of two volumes at the same position are in opposite orders.

    Programs store the axes of a volume in different orders; the displayed slices tell whether two
    volumes lie at the same position.

    Returns:
        None if they lie at different positions; these are known for NIfTI and DICOM.
    """
    own, other = (getattr(each.geometry, "shown_affine", None) for each in (first, second))
    if own is None or other is None:
        return 1
    # Headers store affines in float32: differences below a hundredth of a pixel are rounding.
    tolerance = HAIR * np.linalg.norm(own[:3, :3], axis=0).min()
    # Equal affines mean the same position, whatever the sizes, about which there are other faults.
    if first.kind == second.kind == "nifti" and np.allclose(
        first.geometry.affine, second.geometry.affine, rtol=0, atol=tolerance
    ):
        return 1
    count = len(second.pictures)
    # The thickness of a single slice, in the first column, says nothing about its position.
    columns = slice(1 if count == len(first.pictures) == 1 else 0, None)
    for order, start in ((1, 0), (-1, count - 1)):
        turned = other @ np.diag([order, 1, 1, 1])
        turned[:, 3] += start * other[:, 0]
        if np.allclose(own[:, columns], turned[:, columns], rtol=0, atol=tolerance):
            return order
    return None
