"""The part of an image in a frame, and the length of its scale bar."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from hpunet.report.page_image import PageImage
from hpunet.report.wording import plain, round_step

# Margin around all marks, as a fraction of their longer side.
_MARGIN = 0.3
# The least side of a close-up in pixels; otherwise a lesion of two pixels would fill the frame.
_LEAST_SIDE = 40
# A close-up of a larger share of the image is omitted.
_ALMOST_ALL = 0.75
# Limits of width over height of a frame; more elongated images leave a part of it black.
_FLATTEST, _TALLEST = 3 / 2, 4 / 5
# The largest share of the width for a scale bar.
_BAR = 0.25


class Viewport(NamedTuple):
    """A part of an image in units of a pixel's width."""

    left: float
    top: float
    width: float
    height: float

    @property
    def box(self) -> str:
        """The value of SVG's `viewBox`."""
        return " ".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in self)


class ScaleBar(NamedTuple):
    """A bar of a round length, in units of a pixel's width, and its label."""

    length: float
    label: str


def whole_view(page_image: PageImage) -> Viewport:
    """The whole image."""
    height, width = page_image.image.shape[:2]
    return Viewport(0.0, 0.0, float(width), height * page_image.aspect)


def frame_ratio(page_image: PageImage) -> float:
    """Width over height of the frames that show an image."""
    whole = whole_view(page_image)
    return min(_FLATTEST, max(_TALLEST, whole.width / whole.height))


def close_view(page_image: PageImage) -> Viewport | None:
    """The part around the marks of all samples, or else the region that the network saw.

    None if nothing is marked and the network saw everything, or if the part is almost the image.
    """
    part = _marked(page_image) or _seen(page_image)
    if part is None:
        return None
    whole, ratio = whole_view(page_image), frame_ratio(page_image)
    height = min(whole.height, max(part.height, part.width / ratio))
    width = min(whole.width, max(part.width, part.height * ratio))
    if width > _ALMOST_ALL * whole.width and height > _ALMOST_ALL * whole.height:
        return None
    left = part.left + (part.width - width) / 2
    top = part.top + (part.height - height) / 2
    return Viewport(
        min(max(left, 0.0), whole.width - width),
        min(max(top, 0.0), whole.height - height),
        width,
        height,
    )


def scale_bar(page_image: PageImage, view: Viewport) -> ScaleBar:
    """A bar of a round number of mm, or of pixels where the spacing is unknown."""
    spacing = page_image.spacing
    unit, pixel = ("px", 1.0) if spacing is None else ("mm", spacing[1])
    length = round_step(_BAR * view.width * pixel)
    return ScaleBar(length / pixel, f"{plain(length)} {unit}")


def _marked(page_image: PageImage) -> Viewport | None:
    marked: Bool[ndarray, "H W"] = np.any(page_image.samples, axis=0)
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    if not rows.size:
        return None
    aspect = page_image.aspect
    left, width = float(columns[0]), float(np.ptp(columns) + 1)
    top, height = rows[0] * aspect, (np.ptp(rows) + 1) * aspect
    margin = max(_MARGIN * max(width, height), (_LEAST_SIDE - max(width, height)) / 2)
    return Viewport(left - margin, top - margin, width + 2 * margin, height + 2 * margin)


def _seen(page_image: PageImage) -> Viewport | None:
    if page_image.region is None:
        return None
    top, left, bottom, right = page_image.region
    aspect = page_image.aspect
    return Viewport(left, top * aspect, right - left, (bottom - top) * aspect)
