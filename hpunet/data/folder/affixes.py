"""Recognises what the names of masks have in common before or after the names of their images."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

# Share of the masks that fit an image without the affix.
NEARLY_ALL = 0.9
# Share of the images that an ending of flat masks annotates, if it stands for an annotator.
MOST_IMAGES = 0.5
# Names that are searched for candidates, spread over all.
SAMPLED = 40
MOST_CANDIDATES = 20
SEPARATORS = "_-. "
# Endings that name annotators. Others may name classes, or several findings of one annotator.
ANNOTATOR = re.compile(
    r"(?:.*[_\-. ])?(?:(?:annotator|annot|ann|reader|rater|expert|observer|obs|grader|radiologist|"
    r"doctor|physician|person|user|student|manual)[_\-. ]*[0-9a-z]{0,2}|[ar]\d+|"
    r"(?:1st|2nd|3rd|[4-9]th)_?(?:ho|manual|observer|reader|rater|expert|annotator))(?:[_\-. ].*)?",
    re.IGNORECASE,
)
# With fewer masks, only affixes that a separator sets off count.
FEW = 3


class Affix(NamedTuple):
    """Text around the name of an image in the name of a mask.

    Attributes:
        prefix: Text before the last part of the path.
        suffix: Text after it.
        folder: First folder of the path, with its slash.
    """

    prefix: str = ""
    suffix: str = ""
    folder: str = ""

    def image_of(self, stem: str) -> str | None:
        """The name of the image in the name of a mask, or None if the mask lacks the affix."""
        if not stem.startswith(self.folder):
            return None
        parent, slash, base = stem.removeprefix(self.folder).rpartition("/")
        long_enough = len(base) > len(self.prefix) + len(self.suffix)
        if not (long_enough and base.startswith(self.prefix) and base.endswith(self.suffix)):
            return None
        return parent + slash + base[len(self.prefix) : len(base) - len(self.suffix)]

    @property
    def text(self) -> str:
        """The affix in words, such as `begin with seg_`."""
        parts = [f"begin with {self.folder}{self.prefix}"] if self.folder or self.prefix else []
        return " and ".join([*parts, *([f"end with {self.suffix}"] if self.suffix else [])])

    @property
    def is_separate(self) -> bool:
        """Whether separators stand between the affix and the name of the image."""
        return self.prefix[-1:] in SEPARATORS and self.suffix[:1] in SEPARATORS

    @property
    def annotator(self) -> str:
        """The annotator that it names if there is no folder for each annotator."""
        return f"{self.prefix.strip(SEPARATORS)} {self.suffix.strip(SEPARATORS)}".strip()


def common_affix(stems: Sequence[str], images: Collection[str]) -> Affix | None:
    """The affix without which nearly all masks of an annotator fit an image, or None.

    None if two affixes are possible that would give a mask different images.

    Args:
        stems: Names of the masks, none of which is the name of an image.
        images: Names of the images.
    """
    fitting = {
        affix: mapping
        for affix in _candidates(stems, images)
        if len(mapping := _mapping(affix, stems, images)) >= NEARLY_ALL * len(stems)
        and (affix.is_separate or len(stems) >= FEW)
    }
    if not fitting:
        return None
    best = max(fitting, key=lambda affix: len(fitting[affix]))
    agreed = all(
        other.get(stem, name) == name
        for other in fitting.values()
        for stem, name in fitting[best].items()
    )
    is_one_to_one = len(set(fitting[best].values())) == len(fitting[best])
    return best if agreed and is_one_to_one else None


def common_words(names: Collection[str]) -> Affix:
    """What all names of images have in common, set off by separators and without digits."""
    bases = [name.rpartition("/")[2] for name in names]
    if len(bases) < FEW:
        return Affix()
    start = _common_start(bases)
    end = _common_start([base[::-1] for base in bases])[::-1]
    prefix = start[: max(start.rfind(separator) for separator in SEPARATORS) + 1]
    places = [place for separator in SEPARATORS if (place := end.find(separator)) >= 0]
    suffix = end[min(places) :] if places else ""
    free = [text if not any(map(str.isdigit, text)) else "" for text in (prefix, suffix)]
    if any(len(base) <= len(free[0]) + len(free[1]) for base in bases):
        return Affix()
    return Affix(*free)


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((n for n, (a, b) in pairs if a != b), min(len(first), len(last)))]


def annotator_affixes(
    stems: Sequence[str], images: Collection[str]
) -> Mapping[str, tuple[str, Affix]]:
    """The image and the affix of masks whose affixes name annotators.

    An affix counts if most images have such a mask. Nothing is recognised if that leaves more than
    a few masks without an image or gives a mask two images, or if there are several affixes of
    which one does not clearly name an annotator: they may name classes.

    Args:
        stems: Names of masks that are not in a folder for each annotator.
        images: Names of the images.
    """
    found: dict[str, tuple[str, Affix]] = {}
    names: set[str] = set()
    for affix in _candidates(stems, images):
        mapping = _mapping(affix, stems, images)
        if not affix.annotator or len(set(mapping.values())) < max(2, MOST_IMAGES * len(images)):
            continue
        if any(stem in found for stem in mapping) or affix.annotator.casefold() in names:
            return {}
        names.add(affix.annotator.casefold())
        found |= {stem: (name, affix) for stem, name in mapping.items()}
    clear = len(names) == 1 or all(map(ANNOTATOR.fullmatch, names))
    return found if clear and len(found) >= NEARLY_ALL * len(stems) else {}


def _candidates(stems: Sequence[str], images: Collection[str]) -> list[Affix]:
    """Affixes of some masks, the most frequent first."""
    step = max(1, len(stems) // SAMPLED)
    counts: Counter[Affix] = Counter()
    for stem in stems[::step]:
        for folder in {"", stem[: stem.find("/") + 1]}:
            counts.update(_affixes_of(stem.removeprefix(folder), folder, images))
    return [affix for affix, _ in counts.most_common(MOST_CANDIDATES)]


def _affixes_of(stem: str, folder: str, images: Collection[str]) -> set[Affix]:
    parent, slash, base = stem.rpartition("/")
    size = len(base)
    return {
        Affix(base[:start], base[stop:], folder)
        for start in range(size)
        for stop in range(start + 1, size + 1)
        if parent + slash + base[start:stop] in images
    }


def _mapping(affix: Affix, stems: Sequence[str], images: Collection[str]) -> dict[str, str]:
    return {
        stem: name
        for stem in stems
        if (name := affix.image_of(stem)) is not None and name in images
    }
