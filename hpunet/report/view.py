"""Which part of an image is seen, and how long its scale bar is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from hpunet.report.shown import Shown
from hpunet.report.wording import plain, round_step

# Around what any sample marks, as a part of its longer side; what lies around a lesion matters.
_MARGIN = 0.3
# The least side of a close-up in pixels, or a lesion of two pixels would fill the frame.
_LEAST = 40
# A close-up that shows more of the image than this is not worth a second view.
_ALMOST_ALL = 0.75
# Frames are neither flatter nor taller than this; the rest of a longer image's frame stays black.
_FLATTEST, _TALLEST = 3 / 2, 4 / 5
_BAR = 0.25


class View(NamedTuple):
    """A part of an image in units of a pixel's width."""

    left: float
    top: float
    width: float
    height: float

    @property
    def box(self) -> str:
        """As SVG's `viewBox`."""
        return " ".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in self)


class ScaleBar(NamedTuple):
    """A bar of a round length: in units of a pixel's width, and what to write at it."""

    length: float
    label: str


def whole_view(shown: Shown) -> View:
    """All of an image."""
    height, width = shown.image.shape[:2]
    return View(0.0, 0.0, float(width), height * shown.aspect)


def frame_ratio(shown: Shown) -> float:
    """Width over height of the frames that an image is shown in."""
    whole = whole_view(shown)
    return min(_FLATTEST, max(_TALLEST, whole.width / whole.height))


def close_view(shown: Shown) -> View | None:
    """The part around what any sample marks, or else the part that the network saw.

    None if nothing is marked and the network saw everything, or if it would be almost all.
    """
    part = _marked(shown) or _seen(shown)
    if part is None:
        return None
    whole, ratio = whole_view(shown), frame_ratio(shown)
    height = min(whole.height, max(part.height, part.width / ratio))
    width = min(whole.width, max(part.width, part.height * ratio))
    if width > _ALMOST_ALL * whole.width and height > _ALMOST_ALL * whole.height:
        return None
    left = part.left + (part.width - width) / 2
    top = part.top + (part.height - height) / 2
    return View(
        min(max(left, 0.0), whole.width - width),
        min(max(top, 0.0), whole.height - height),
        width,
        height,
    )


def scale_bar(shown: Shown, view: View) -> ScaleBar:
    """A bar of a round number of mm, or of pixels where the spacing is not known."""
    unit, pixel = ("px", 1.0) if shown.spacing is None else ("mm", shown.spacing[1])
    length = round_step(_BAR * view.width * pixel)
    return ScaleBar(length / pixel, f"{plain(length)} {unit}")


def _marked(shown: Shown) -> View | None:
    marked: Bool[ndarray, "H W"] = np.any(shown.samples, axis=0)
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    if not rows.size:
        return None
    left, width = float(columns[0]), float(np.ptp(columns) + 1)
    top, height = rows[0] * shown.aspect, (np.ptp(rows) + 1) * shown.aspect
    margin = max(_MARGIN * max(width, height), (_LEAST - max(width, height)) / 2)
    return View(left - margin, top - margin, width + 2 * margin, height + 2 * margin)


def _seen(shown: Shown) -> View | None:
    if shown.region is None:
        return None
    top, left, bottom, right = shown.region
    return View(left, top * shown.aspect, right - left, (bottom - top) * shown.aspect)
