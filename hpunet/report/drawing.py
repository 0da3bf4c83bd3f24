"""What is drawn once and used again: an image, and every sample's outlines, as SVG."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from hpunet.report.markup import Markup, join, tag
from hpunet.report.outline import num_edges, outline_path
from hpunet.report.png import image_uri, mask_uri, reduction
from hpunet.report.shown import Shown
from hpunet.report.view import View, close_view, frame_ratio, whole_view

# Okabe and Ito's colours that can be told from grey and from each other by everyone.
COLOURS = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00")
# An untrained network marks noise, of which a picture is smaller than the outline.
_MOST_EDGES = 6000


class Case(NamedTuple):
    """An image on its way into the page.

    Attributes:
        number: On the page, from 1.
        shown: What is shown of it.
        close: Its close-up, or None.
    """

    number: int
    shown: Shown
    close: View | None

    @property
    def view(self) -> View:
        """What is seen at first."""
        return self.close or whole_view(self.shown)

    @property
    def ratio(self) -> float:
        """Width over height of its frames."""
        return frame_ratio(self.shown)

    @property
    def multiclass(self) -> bool:
        """Whether colours tell classes; else they tell hypotheses."""
        return self.shown.classes > 1

    def key(self, kind: str, index: int | str = "") -> str:
        """The page's name of something that belongs to this image."""
        return f"{kind}{self.number}-{index}" if index != "" else f"{kind}{self.number}"


def open_case(number: int, shown: Shown) -> Case:
    """An image with its views."""
    return Case(number, shown, close_view(shown))


def hypothesis_of(shown: Shown) -> dict[int, int]:
    """Index of the hypothesis that a sample belongs to, by the sample's index."""
    return {s: h for h, found in enumerate(shown.hypotheses) for s in found.samples}


def colour_class(case: Case, hypothesis: int) -> str:
    """The CSS class that colours what belongs to a hypothesis."""
    return "k" if case.multiclass else f"k{hypothesis % len(COLOURS)}"


def definitions_of(case: Case) -> Markup:
    """The image and the outlines of all samples, for `use` elsewhere."""
    height, width = case.shown.image.shape[:2]
    factor = reduction((height, width))
    image = tag(
        "image",
        id=case.key("i"),
        href=image_uri(case.shown.image),
        width=-(-width // factor) * factor,
        height=-(-height // factor) * factor,
        preserveAspectRatio="none",
    )
    samples = [
        tag("g", *_outlines(labels), id=case.key("s", s))
        for s, labels in enumerate(case.shown.samples)
    ]
    return tag("defs", image, *samples)


def _outlines(labels: UInt8[ndarray, "H W"]) -> list[Markup]:
    present = np.unique(labels)
    return [_outline(labels == label, int(label)) for label in present[present > 0]]


def _outline(mask: ndarray, label: int) -> Markup:
    colour = (label - 1) % len(COLOURS)
    if not is_noise(mask):
        return tag("path", class_=f"c{colour}", d=outline_path(mask))
    height, width = mask.shape
    uri = mask_uri(mask, COLOURS[colour])
    return tag("image", class_="noise", href=uri, width=width, height=height)


def is_noise(mask: Bool[ndarray, "H W"]) -> bool:
    """Whether a mask is so ragged that a picture of it is smaller than its outline."""
    return num_edges(mask) > _MOST_EDGES


def use(key: str, class_: str | None = None) -> Markup:
    """Draws again what has been drawn under a key."""
    return tag("use", href=f"#{key}", class_=class_)


def cased(key: str) -> Markup:
    """An outline with a dark rim, so that it stands out on white as well."""
    return join([use(key, "rim"), use(key)])


def panel(case: Case, *layers: str, label: str | None = None) -> Markup:
    """A frame that shows the part of the image that is looked at.

    Args:
        case: The image.
        layers: What is drawn, in pixels, from below.
        label: What one sees, for those who do not; None where words stand beside it.
    """
    pixels = tag("g", *layers, transform=_stretch(case.shown.aspect))
    spoken = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return tag("svg", pixels, class_="view", viewBox=case.view.box, **spoken)


def _stretch(aspect: float) -> str | None:
    return None if aspect == 1 else f"scale(1 {aspect:.6g})"
