"""The selection of slices by `--slices`."""

import re

from hpunet.imaging.volume import Volume
from hpunet.io.errors import UserError

PART = re.compile(r"(\d+)|(\d*):(\d*)(?::(\d+))?", re.ASCII)
ALLOWED = "allowed are all, numbers such as 12 or 3,5,8, and ranges such as 10:20 or 10:20:2"
# Python refuses to read numbers of thousands of digits.
MOST_DIGITS = 9


def parse_slices(text: str | None) -> tuple[int | slice, ...] | None:
    """Parses the value of `--slices`.

    Args:
        text: None, `all`, or numbers and ranges with their end excluded, separated by commas.

    Returns:
        Numbers and ranges in the order given, or None if the flag is not given.

    Raises:
        UserError: If the text has another form.
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


def choose(volume: Volume, wanted: tuple[int | slice, ...] | None, text: str | None) -> Volume:
    """Selects slices of a volume.

    Args:
        volume: All slices of a file. A single slice needs no selection.
        wanted: The slices, from `parse_slices`.
        text: The value of `--slices`, for messages.

    Raises:
        UserError: If `wanted` is None for several slices, or names a slice that does not exist.
    """
    count = len(volume.pictures)
    if count == 1:
        return volume
    if wanted is None:
        raise UserError(
            f"{volume.place}: is a volume of {count} slices: select some "
            f"with --slices={count // 2}, --slices={_example(count)} or --slices=all"
        )
    return volume.select(_numbers(wanted, volume, text))


def _example(count: int) -> str:
    return f"{count // 3}:{max(2 * count // 3, count // 3 + 1)}"


def _numbers(wanted: tuple[int | slice, ...], volume: Volume, text: str | None) -> tuple[int, ...]:
    count = len(volume.pictures)
    numbers: list[int] = []
    for part in wanted:
        last = part if isinstance(part, int) else (part.stop or 1) - 1
        if last >= count:
            raise UserError(
                f"{volume.place}: has no slice {last} (--slices={text}); allowed are 0 to "
                f"{count - 1}"
            )
        numbers += [part] if isinstance(part, int) else range(*part.indices(count))
    if not numbers or len(set(numbers)) < len(numbers):
        fault = "names a slice twice" if numbers else "selects no slice"
        raise UserError(f"{volume.place}: --slices={text} {fault}; allowed are 0 to {count - 1}")
    return tuple(numbers)
