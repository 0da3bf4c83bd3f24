"""Finds the image and the annotator in the names of masks."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from hpunet.data.folder.affixes import (
    NEARLY_ALL,
    Affix,
    annotator_affixes,
    common_affix,
    common_words,
)
from hpunet.data.folder.faults import TABLE_HELPS
from hpunet.data.folder.walk import IMAGES

NUMBERED = re.compile(r"(?P<name>.+)_(?P<annotator>a\d+)", re.DOTALL)


class MaskName(NamedTuple):
    """What the name of a mask says.

    Attributes:
        image: The name of its image.
        annotator: The annotator.
    """

    image: str
    annotator: str


class Matches(NamedTuple):
    """The masks whose names say the image and the annotator.

    Attributes:
        found: Image and annotator by the name of the mask.
        notes: Notes for the user on affixes that were recognised.
    """

    found: dict[str, MaskName]
    notes: tuple[str, ...] = ()


def names_in(stem: str) -> Iterator[MaskName]:
    """What the name of a mask, without suffix, may say; each image may be missing."""
    numbered = NUMBERED.fullmatch(stem)
    if numbered:
        yield MaskName(numbered["name"], numbered["annotator"])
    annotator, _, name = stem.partition("/")
    if name:
        yield MaskName(name, annotator)


def match_masks(stems: Sequence[str], images: Collection[str]) -> Matches:
    """Finds the image and the annotator of masks.

    If none of an annotator's masks fits an image, what their names have in common around the names
    of images is left out, and so are folders that only images or only masks have. If masks are in
    no folder of an annotator, affixes or another folder may name the annotator.

    Args:
        stems: Paths of the masks below `annotations`, without suffix.
        images: Names of the images.
    """
    found = {
        stem: name
        for stem in stems
        if (name := next((n for n in names_in(stem) if n.image in images), None)) is not None
    }
    known = {name.annotator for name in found.values()}
    left: defaultdict[str, list[str]] = defaultdict(list)
    for stem in stems:
        if stem not in found and stem not in images:
            annotator, slash, _ = stem.partition("/")
            left[annotator if slash else ""].append(stem)
    views = _views(images)
    used: defaultdict[str, dict[str, _Fit]] = defaultdict(dict)
    for annotator, own in left.items():
        if annotator and annotator not in known:
            rests = [stem.removeprefix(f"{annotator}/") for stem in own]
            fits = (fit for view in views if (fit := view.fit(rests)) is not None)
            if (best := next(fits, None)) is not None:
                used[best.text][annotator] = best
                for rest, image in best.images.items():
                    found[f"{annotator}/{rest}"] = MaskName(image, annotator)
    notes = [_fit_note(text, fits, known | set(left)) for text, fits in used.items()]
    flat = [stem for own in left.values() for stem in own if stem not in found]
    named, more = _name_annotators(flat, images)
    return Matches(found | named, (*notes, *more))


class _Fit(NamedTuple):
    """The images of the masks of an annotator by a view of their names.

    Attributes:
        images: The name of the image by the path of the mask below the annotator's folder.
        total: Number of the annotator's masks.
        like_this: Number of these that have the affix which is left out.
        text: What is left out of the names.
        pronoun: What stands for it in a sentence.
    """

    images: dict[str, str]
    total: int
    like_this: int
    text: str
    pronoun: str


class _View(NamedTuple):
    """A way to compare names of masks with those of images.

    Attributes:
        names: The names of images by what is compared.
        text: What is left out besides an affix of masks, or `""`.
        pronoun: What stands for it in a sentence.
        flat: Whether folders are left out of the names of masks.
    """

    names: dict[str, str]
    text: str = ""
    pronoun: str = "it"
    flat: bool = False

    def fit(self, rests: Sequence[str]) -> _Fit | None:
        """The images of masks if nearly all fit without the same affix, and no two the same."""
        compared = {rest: rest.rpartition("/")[2] if self.flat else rest for rest in rests}
        affix = Affix()
        if sum(name in self.names for name in compared.values()) < NEARLY_ALL * len(rests):
            clear = common_affix(list(compared.values()), self.names)
            if clear is None:
                return None
            affix = clear
        images = {
            rest: self.names[core]
            for rest, name in compared.items()
            if (core := affix.image_of(name)) is not None and core in self.names
        }
        if len(set(images.values())) < len(images):
            return None
        like_this = sum(affix.image_of(name) is not None for name in compared.values())
        parts = [text for text in (affix.text, self.text) if text]
        pronoun = "both" if len(parts) > 1 else self.pronoun
        return _Fit(images, len(rests), like_this, " and ".join(parts), pronoun)


def _views(images: Collection[str]) -> list[_View]:
    """Ways to compare names, the plainest first."""
    views = [_View({name: name for name in images})]
    affix = common_words(images)
    if affix.text:
        cores = {str(affix.image_of(name)): name for name in images}
        views.append(_View(cores, f"belong to images that {affix.text}"))
    bases = {name.rpartition("/")[2]: name for name in images}
    if len(bases) == len(images):
        if any("/" in name for name in images):
            views.append(_View(bases, "lack the folders of their images", "these"))
        else:
            views.append(_View(bases, "are in folders that their images lack", "these", flat=True))
    return views


def _fit_note(text: str, fits: Mapping[str, _Fit], annotators: Collection[str]) -> str:
    total, fitting, like_this = (
        sum(numbers)
        for numbers in zip(
            *((fit.total, len(fit.images), fit.like_this) for fit in fits.values()), strict=True
        )
    )
    of = "" if len(fits) == len(annotators) else f" of {', '.join(sorted(fits))}"
    count = f"all {total}" if like_this == total else f"{like_this} of {total}"
    pronoun = next(iter(fits.values())).pronoun
    verb = "is" if pronoun == "it" else "are"
    return (
        f"{count} masks{of} {text}; without {pronoun} {fitting} of {total} fit an image, so "
        f"{pronoun} {verb} left out"
    )


def _name_annotators(
    stems: Sequence[str], images: Collection[str]
) -> tuple[dict[str, MaskName], list[str]]:
    """The annotators of masks that are in no folder of an annotator, and notes on them."""
    inner = {
        stem: name
        for stem in stems
        if len(names := [n for n in _inner_folders(stem) if n.image in images]) == 1
        for name in names
    }
    if inner and len(inner) >= NEARLY_ALL * len(stems):
        listed = ", ".join(sorted({name.annotator for name in inner.values()}))
        return inner, [f"the folders {listed} below other folders are taken to name annotators"]
    affixes = annotator_affixes(stems, images)
    named = {stem: MaskName(image, affix.annotator) for stem, (image, affix) in affixes.items()}
    return named, [_annotators_note([affix for _, affix in affixes.values()])] if named else []


def _inner_folders(stem: str) -> Iterator[MaskName]:
    """What the name of a mask may say if a folder other than the first names the annotator."""
    parts = stem.split("/")
    for place in range(1, len(parts) - 1):
        yield MaskName("/".join(parts[:place] + parts[place + 1 :]), parts[place])


def _annotators_note(affixes: Sequence[Affix]) -> str:
    listed = ", ".join(
        f"{affix.annotator} ({affixes.count(affix)} masks, which {affix.text})"
        for affix in sorted(set(affixes))
    )
    return f"the names of masks in no folder of an annotator are taken to name annotators: {listed}"


def unmatched_text(stem: str, images: Collection[str]) -> str:
    """What is wrong with a mask whose name fits no image."""
    names = {name.image for name in names_in(stem)}
    lowered = {name.casefold(): name for name in images}
    for name in sorted(names):
        if name.casefold() in lowered:
            other = f"{IMAGES}/{lowered[name.casefold()]}"
            return f"differs from {other} in case only; allowed is the same name; {TABLE_HELPS}"
    named = " or ".join(sorted(f"{IMAGES}/{name}" for name in names))
    missing = f": there is no {named}" if named else ""
    return (
        f"belongs to no image{missing}; allowed are <annotator>/<name> and <name>_a<k> with "
        f"the name of an image; {TABLE_HELPS}"
    )
