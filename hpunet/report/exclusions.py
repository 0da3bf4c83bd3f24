"""Images that are left out or fail: in the terminal, in `results.json` and on the page."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hpunet.imaging.read import refuse_if_none
from hpunet.imaging.volume import Excluded, Volume
from hpunet.io.errors import UserError, first_names


class Exclusions(NamedTuple):
    """Files, images and slices of a command that are not drawn.

    Attributes:
        left_out: Those that hold no image to segment, or do not belong to their series.
        failed: Those that cannot be read or drawn; the command then exits with 1.
    """

    left_out: list[Excluded]
    failed: list[Excluded]

    def keep(self, volumes: Sequence[Volume], check: Callable[[Volume], Volume]) -> list[Volume]:
        """What a check gives for each volume; volumes that it refuses are added to `failed`.

        Raises:
            UserError: If it refuses all of them.
        """
        sound = []
        for volume in volumes:
            try:
                sound.append(check(volume))
            except UserError as error:
                self.failed.append(Excluded.by_error(volume.shown_place, error))
        refuse_if_none(sound, self.failed)
        return sound

    def lines(self) -> list[str]:
        """Lines for the terminal, one for each reason."""
        return [
            *_lines("left out", ((each.place, each.reason) for each in self.left_out)),
            *_lines("failed", ((each.place, each.reason) for each in self.failed)),
        ]

    def records(self) -> dict[str, list[dict[str, str]]]:
        """Entries of `results.json`, without the folders that the user named."""
        return {
            "left_out": [_record(each) for each in self.left_out],
            "failed": [_record(each) for each in self.failed],
        }

    def rows(self) -> list[tuple[str, str]]:
        """Names and texts for the page."""
        records = [*self.records()["failed"], *self.records()["left_out"]]
        return [(record["file"], record["reason"]) for record in records]


def note_lines(volumes: Sequence[Volume]) -> list[str]:
    """Lines for the terminal with the notes of the readers, one for each note."""
    return _lines("note", ((one.shown_place, note) for one in volumes for note in one.notes))


def _lines(kind: str, found: Iterable[tuple[str, str]]) -> list[str]:
    places: dict[str, list[str]] = {}
    for place, text in found:
        places.setdefault(text, []).append(place)
    lines = []
    for text, those in places.items():
        if len(those) == 1:
            lines.append(f"{kind}: {Excluded(those[0], text)}")
            continue
        lines.append(f"{kind}, {len(those)} in all: {first_names(those)}: {text}")
    return lines


def _record(each: Excluded) -> dict[str, str]:
    place = Path(each.place)
    return {"file": place.name, "reason": each.reason.replace(f"{place.parent}/", "")}
