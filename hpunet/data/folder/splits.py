"""Assigns patients to training, validation and test: as given, or drawn by seed."""

import csv
import io
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from hpunet.config.data import FolderConfig
from hpunet.data.folder.faults import Faults
from hpunet.data.folder.files import ImageFiles, stem_of
from hpunet.data.folder.patients import SPLITS
from hpunet.data.folder.table import read_table
from hpunet.data.folder.walk import IMAGES

COLUMNS = ("image", "patient", "split", "sha256")


def assign(
    entries: Sequence[ImageFiles],
    config: FolderConfig,
    checksums: Mapping[str, str],
    faults: Faults,
) -> list[ImageFiles]:
    """Assigns splits; without faults, each patient is in one split only.

    Splits are taken from `config.splits`, otherwise as the entries have them from the table or
    from folders. If neither gives any, patients are drawn by seed.

    Args:
        entries: All images.
        config: How to split.
        checksums: The checksum of each entry's files, by its name.
        faults: Faults are added to this list.
    """
    if config.splits is not None:
        entries = _from_file(entries, pathlib.Path(config.splits).expanduser(), checksums, faults)
    elif any(entry.split for entry in entries):
        faulty = {fault.file for fault in faults}
        for entry in entries:
            if not entry.split and str(entry.image) not in faulty:
                faults.add(entry.image, "has no split, but others have; allowed are all or none")
    else:
        drawn = draw_splits({entry.group for entry in entries if entry.masks}, config)
        # The split of patients without annotations does not matter.
        entries = [entry._replace(split=drawn.get(entry.group, SPLITS[0])) for entry in entries]
    _check(entries, faults)
    return list(entries)


def draw_splits(groups: set[str], config: FolderConfig) -> dict[str, str]:
    """Draws a split for each patient by seed.

    With three or more patients, no split with a share above 0 is empty.

    Args:
        groups: Names of the patients.
        config: Seed and shares.
    """
    ordered = sorted(groups)
    order = np.random.default_rng(config.split_seed).permutation(len(ordered))
    counts = [round(share * len(ordered)) for share in config.split_shares[1:]]
    if len(ordered) >= len(SPLITS):
        shares = config.split_shares[1:]
        counts = [max(n, int(share > 0)) for n, share in zip(counts, shares, strict=True)]
    counts = [min(n, len(ordered) - 1) for n in counts]
    names = ["val"] * counts[0] + ["test"] * counts[1]
    names = names[: len(ordered) - 1]
    names += ["train"] * (len(ordered) - len(names))
    return {ordered[place]: name for place, name in zip(order, names, strict=True)}


def as_csv(entries: Sequence[ImageFiles], checksums: Mapping[str, str]) -> str:
    """The splits as a CSV table that `data.folder.splits` accepts, with a checksum of each image.

    Args:
        entries: Images with their splits.
        checksums: The checksum of each entry's files, by its name.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow([entry.name, entry.patient or "", entry.split, checksums[entry.name]])
    return file.getvalue()


def _from_file(
    entries: Sequence[ImageFiles], path: pathlib.Path, checksums: Mapping[str, str], faults: Faults
) -> list[ImageFiles]:
    images = {entry.name: entry for entry in entries}
    given: dict[tuple[str, str], str] = {}
    for number, row in read_table(path, ("split",), ("image", "patient", "sha256")):
        place = f"{path}, line {number}"
        row["image"] = _name_of(row["image"], images)
        there = {"image": images, "patient": {entry.group for entry in entries}}
        for what, names in there.items():
            name = row[what]
            if name and name not in names:
                faults.add(place, f"names the {what} {name!r}, which is not there")
            elif name and given.setdefault((what, name), row["split"]) != row["split"]:
                other = given[what, name]
                faults.add(place, f"puts {name!r} in {row['split']}, a line before it in {other}")
        entry = images.get(row["image"])
        if entry is not None and row["sha256"] not in ("", checksums[entry.name]):
            faults.add(
                entry.image,
                f"it or its masks changed since {path} was written; allowed are the same files, "
                "or a table without the column sha256",
            )
    result = []
    for entry in entries:
        split = given.get(("image", entry.name), given.get(("patient", entry.group)))
        if split is None:
            faults.add(entry.image, f"is in no split of {path}, nor is its patient {entry.group}")
        result.append(entry._replace(split=split))
    return result


def _name_of(text: str, known: Mapping[str, ImageFiles]) -> str:
    """The name of an image that may be given with folder and suffix."""
    posix = text.replace("\\", "/")
    top, _, below = posix.partition("/")
    short = below if top.casefold() == IMAGES else posix
    return next((name for name in (text, short, stem_of(short)) if name in known), text)


def _check(entries: Sequence[ImageFiles], faults: Faults) -> None:
    homes: dict[str, ImageFiles] = {}
    for entry in entries:
        if entry.split is None:
            continue
        if entry.split not in SPLITS:
            listed = ", ".join(SPLITS)
            faults.add(entry.image, f"has the split {entry.split!r}; allowed are {listed}")
            continue
        other = homes.setdefault(entry.group, entry)
        if other.split != entry.split:
            faults.add(
                entry.image,
                f"patient {entry.group!r} is in two splits, {other.split} ({other.image}) and "
                f"{entry.split}; data.folder.patient or a table says which images are of a patient",
            )
