"""The patient of an image, folders that name a split, and warnings about patients and splits."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from hpunet.config.data import FolderConfig

SPLITS = ("train", "val", "test")
USUAL = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "validating", "dev", "development"),
    "test": ("test", "testing", "tst"),
    # Validation for some, test for others.
    "": ("eval", "evaluation"),
}
_SPLIT_OF = {word: split for split, words in USUAL.items() for word in words}
_NAME = re.compile(
    rf"(?:\d+[_\-. ]*)?(?P<word>{'|'.join(sorted(_SPLIT_OF, key=len, reverse=True))})"
    r"(?:[_\-. ]*(?:(?:data|sub)?sets?|data|splits?|images?|imgs?|cases?|scans?|patients?))*"
    r"(?P<number>[_\-. ]*\d+)?"
)
# Fewer patients than this are suspicious with as many images each: they may be sites.
SUSPICIOUS = ((4, 5), (6, 8), (20, 50))
MOST_LISTED = 4
UNKNOWN = (
    "the patients of the images are unknown, so each image counts as its own patient: if several "
    "images show one patient, splits that are drawn share patients and scores are too good; "
    "data.folder.patient specifies the patients, as an expression such as ^(\\w+)_ or as the "
    "number of a folder below images, and so do subfolders of images or a table with the column "
    "patient"
)


def patient_of(name: str, config: FolderConfig) -> str | None:
    """The patient in the name of an image by `data.folder.patient`, or None.

    Args:
        name: The path below `images`, without suffix.
        config: Has the expression or the number of the folder.
    """
    if config.patient_level is not None:
        folders = name.split("/")[:-1]
        number = config.patient_level - 1
        return folders[number] if number < len(folders) else None
    found = None if config.patient is None else re.search(str(config.patient), name)
    return found[1] or None if found else None


def split_named(folder: str) -> str | None:
    """The split that a folder names, in any case of letters; `""` if unclear, None if none is.

    Numbers at the end, as in Training400, are accepted; `split_folders` looks at them.
    """
    found = _NAME.fullmatch(folder.strip("_-. ").casefold())
    return _SPLIT_OF[found["word"]] if found else None


def _is_numbered(folder: str) -> bool:
    found = _NAME.fullmatch(folder.strip("_-. ").casefold())
    return bool(found and found["number"])


class SplitFolders:
    """The folders that name the splits of images.

    Attributes:
        level: The number of these folders below `images`, from 1, or None if there are none.
        splits: The split of each folder; `""` if unclear.
        others: Images that are in none of these folders, although others are.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Takes the names of all images."""
        self.level: int | None = None
        self.splits: Mapping[str, str] = {}
        self.others: list[str] = []
        folders = [name.split("/")[:-1] for name in names]
        for level in range(max(map(len, folders), default=0)):
            found = {parts[level] for parts in folders if len(parts) > level}
            splits = _splits_of(found)
            outside = [
                name
                for name, parts in zip(names, folders, strict=True)
                if len(parts) <= level or parts[level] not in splits
            ]
            # Folders of a patient may be called anything: of these only complete levels count.
            if splits and (not outside or level == 0):
                self.level, self.splits, self.others = level + 1, splits, outside
                return

    @property
    def text(self) -> str:
        """A note on what the folders are taken for."""
        named = [(name, split) for name, split in self.splits.items() if split]
        ordered = sorted(named, key=lambda item: (SPLITS.index(item[1]), item[0]))
        listed = ", ".join(f"{name} as {split}" for name, split in ordered)
        return f"folders below images give the splits: {listed}"

    def split_of(self, name: str) -> str | None:
        """The split of an image; `""` if unclear, None if its folder names none."""
        if self.level is None:
            return None
        folders = name.split("/")[:-1]
        return self.splits.get(folders[self.level - 1]) if self.level <= len(folders) else None


def folder_patient(name: str, folders: SplitFolders) -> str | None:
    """The first folder of the name of an image as its patient, unless it names a split."""
    folder, slash, _ = name.partition("/")
    return folder if slash and folders.level != 1 else None


def names_like_splits(names: Sequence[str]) -> Iterator[str]:
    """A note on names of images, such as train_01, that all begin with a split."""
    first = {re.split(r"[_\-. ]", name.rpartition("/")[2], maxsplit=1)[0] for name in names}
    splits = {split_named(word) for word in first}
    if len(splits) > 1 and None not in splits:
        yield (
            f"the names of images begin with {', '.join(sorted(first))}, which look like splits, "
            "but only folders count and splits are drawn; data.folder.splits or a table gives them"
        )


def _splits_of(folders: set[str]) -> dict[str, str]:
    """The splits of those folders that name one.

    Numbered names such as test1 and test2 are of patients if several would be of one split.
    """
    named = {f: split for f in sorted(folders) if (split := split_named(f)) is not None}
    counts = Counter(named.values())
    return {f: split for f, split in named.items() if counts[split] == 1 or not _is_numbered(f)}


def warnings_of(
    placed: Sequence[tuple[str, str | None]],
    shares: Sequence[float | int],
    known: bool,
    drawn: bool,
) -> Iterator[str]:
    """Warnings about patients and splits.

    Args:
        placed: The patient and the split of each annotated image. An image of an unknown patient is
            a patient of its own.
        shares: Shares of the splits that are asked for.
        known: Whether the patient of every image is known.
        drawn: Whether the splits are drawn by seed.
    """
    groups: dict[str, int] = Counter(patient for patient, _ in placed)
    asked = [split for split, share in zip(SPLITS, shares, strict=True) if share > 0]
    if known and groups:
        yield from _suspicious(groups)
    filled = {split for _, split in placed}
    empty = [split for split in asked if split not in filled]
    if not empty:
        return
    listed = " and ".join(empty)
    if drawn:
        what = "patient" if known else "image"
        plural = "s" if len(groups) > 1 else ""
        why = f"{len(groups)} {what}{plural} cannot fill {len(asked)} splits"
    else:
        why = f"no annotated image is given {'this split' if len(empty) == 1 else 'these splits'}"
    what_helps = "data.folder.splits or the column split of a table can fill it"
    which = f"the split {listed} is" if len(empty) == 1 else f"the splits {listed} are"
    yield f"{which} empty: {why}{_consequence(empty)}; {what_helps}"


def _consequence(empty: Sequence[str]) -> str:
    scored = "train" if "val" in empty else "val"
    parts = [
        *(["training does not validate"] if "val" in empty else []),
        *([f"the final report of training scores the split {scored}"] if "test" in empty else []),
    ]
    return f", so {' and '.join(parts)}" if parts else ""


def _suspicious(groups: Mapping[str, int]) -> Iterator[str]:
    count, images = len(groups), sum(groups.values())
    largest = sorted(groups, key=lambda name: (-groups[name], name))
    listed = ", ".join(f"{name} ({groups[name]:,})" for name in largest[:MOST_LISTED])
    listed += ", ..." if count > MOST_LISTED else ""
    mend = (
        "data.folder.patient says what the patient is, as an expression for names such as ^(\\w+)_ "
        "or as the number of a folder below images, such as 2"
    )
    if count == 1 and images > 1:
        yield f"all {images:,} images are of one patient, {largest[0]}; if that is wrong, {mend}"
    elif any(count < few and images >= many * count for few, many in SUSPICIOUS):
        yield (
            f"only {count} patients with {images / count:.0f} images each: {listed}; if these are "
            f"sites, scanners or other groups, {mend}"
        )


def unclear(folders: SplitFolders, shown: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Faults of folders that do not give each image a split, by file.

    Args:
        folders: The folders.
        shown: The file of each image.
    """
    mend = "data.folder.splits or a table with the column split says what belongs where"
    listed = ", ".join(folders.splits)
    for name in folders.others:
        yield (
            shown[name],
            f"is in no folder of a split, but the folders {listed} look like splits; {mend}; "
            "data.folder.patient=1 takes all of these folders for patients",
        )
    for name, file in shown.items():
        if folders.split_of(name) == "":
            folder = name.split("/")[(folders.level or 1) - 1]
            problem = f"is in a folder {folder!r}, which may mean val or test; rename the folder"
            yield file, f"{problem}, or {mend}"
