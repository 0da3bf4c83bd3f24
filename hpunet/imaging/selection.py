"""Which slices of volumes are wanted."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

from hpunet.imaging.scan import Picture, Scan
from hpunet.io.errors import UserError

PART = re.compile(r"(\d+)|(\d*):(\d*)(?::(\d+))?", re.ASCII)
ALLOWED = "allowed are all, numbers such as 12 or 3,5,8, and ranges such as 10:20 or 10:20:2"
# Python refuses to read numbers of thousands of digits.
MOST_DIGITS = 9


class Volume(NamedTuple):
    """A file or series whose slices are read when asked for.

    Attributes:
        place: Its file or folder.
        kind: `picture`, `nifti` or `dicom`.
        names: For its results, the best first, where others already have it.
        size: How many slices it has.
        read: One slice by its number, from 0.
        locate: What a writer needs for the slices of these numbers.
    """

    place: Path
    kind: str
    names: tuple[str, ...]
    size: int
    read: Callable[[int], Picture]
    locate: Callable[[Sequence[int]], Any] = lambda numbers: None


class Slices(Sequence[Picture]):
    """Slices of a volume, each read whenever it is asked for."""

    def __init__(self, read: Callable[[int], Picture], numbers: Sequence[int]) -> None:
        """Keeps what is needed to read the slices of these numbers."""
        self._read = read
        self._numbers = tuple(numbers)

    def __len__(self) -> int:
        """How many slices were chosen."""
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Picture: ...

    @overload
    def __getitem__(self, index: slice) -> "Slices": ...

    def __getitem__(self, index: int | slice) -> "Picture | Slices":
        """Reads one slice; a range of slices is read later."""
        if isinstance(index, slice):
            return Slices(self._read, self._numbers[index])
        return self._read(self._numbers[index])

    def __iter__(self) -> Iterator[Picture]:
        """Reads one slice after the other."""
        return map(self._read, self._numbers)


def parse_slices(text: str | None) -> tuple[int | slice, ...] | None:
    """What `--slices` asks for.

    Args:
        text: None, `all`, or numbers and ranges with their end excluded, separated by commas.

    Returns:
        Numbers and ranges in the order given, or None where nothing is asked for.

    Raises:
        UserError: If the text is none of these.
    """
    if text is None:
        return None
    if text.strip() == "all":
        return (slice(None),)
    return tuple(_parse_part(part.strip(), text) for part in text.split(","))


def _parse_part(part: str, text: str) -> int | slice:
    found = PART.fullmatch(part)
    if found is None or re.search(rf"\d{{{MOST_DIGITS + 1}}}", part) or found[4] == "0":
        raise UserError(f"--slices={text}: {ALLOWED}")
    if found[1]:
        return int(found[1])
    return slice(*(int(word) if word else None for word in found.groups()[1:]))


def choose(volume: Volume, wanted: tuple[int | slice, ...] | None, text: str | None) -> Scan:
    """The slices that are wanted of a volume.

    Args:
        volume: One slice is no volume: `wanted` is not asked then.
        wanted: What `parse_slices` made of `text`.
        text: The value of `--slices`.

    Raises:
        UserError: If a volume comes without `wanted`, or one of these is not in it.
    """
    if volume.size == 1:
        numbers: tuple[int, ...] = (0,)
    elif wanted is None:
        raise UserError(
            f"{volume.place}: is a volume of {volume.size} slices where one is expected: choose "
            f"with --slices={volume.size // 2}, --slices={_example(volume.size)} or --slices=all"
        )
    else:
        numbers = _numbers(wanted, volume, text)
    return Scan(
        name=volume.names[0],
        place=volume.place,
        kind=volume.kind,
        pictures=Slices(volume.read, numbers),
        numbers=None if volume.size == 1 else numbers,
        geometry=volume.locate(numbers),
    )


def _example(count: int) -> str:
    return f"{count // 3}:{max(2 * count // 3, count // 3 + 1)}"


def _numbers(wanted: tuple[int | slice, ...], volume: Volume, text: str | None) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in wanted:
        last = part if isinstance(part, int) else (part.stop or 1) - 1
        if last >= volume.size:
            raise UserError(
                f"--slices={text}: {volume.place} has no slice {last}; "
                f"allowed are 0 to {volume.size - 1}"
            )
        numbers += [part] if isinstance(part, int) else range(*part.indices(volume.size))
    if not numbers or len(set(numbers)) < len(numbers):
        fault = "names a slice twice" if numbers else "chooses no slice"
        raise UserError(
            f"--slices={text}: {fault} of {volume.place}; allowed are 0 to {volume.size - 1}"
        )
    return tuple(numbers)
