"""Contact sheets: images of any sizes with the outlines of each annotator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import ndimage

from hpunet.figures.gallery import Caption, gallery
from hpunet.io.listing import natural_key

# Light colours; a dark edge makes them visible on white.
COLOURS = ("#56B4E9", "#F0E442", "#FF7F50", "#33CC99", "#FF99DD", "#FFFFFF", "#B2A1FF", "#C8A165")
# Dashes of the foreground classes in turn: lengths of dashes and gaps in points.
STYLES: tuple[tuple[float, ...], ...] = ((), (4.0, 1.6), (1.5, 1.5), (6.0, 1.5, 1.5, 1.5))
# Points. Coinciding outlines remain visible if each is thinner than the one below.
_THINNEST, _THICKEST, _THINNER = 0.7, 2.2, 0.8
_ALONE, _EDGE = 1.3, 0.8
_BLACK = "#202020"
# Share of the spectrum's colour in a line; the rest is white.
_LIGHT = 0.75


class Thumbnail(NamedTuple):
    """An image of a contact sheet with its masks.

    Attributes:
        name: Name below the image.
        size: Text on the size of the image.
        image: Values in [0, 1], `[h, w, 1]` or `[h, w, 3]`.
        masks: Class labels `[h, w]` by the name of the annotator, of those who annotated the image.
    """

    name: str
    size: str
    image: NDArray
    masks: Mapping[str, NDArray]


def contact_sheet(pictures: Sequence[Thumbnail], classes: Sequence[str] = ()) -> Figure:
    """Page of images with the outlines of each annotator in a colour of their own.

    The caption of an image names annotators whose mask is empty. Several foreground classes differ
    in their dashes: the outline of a class encloses it and the later classes that touch it.

    Args:
        pictures: Images, row by row.
        classes: Names of all classes, background first; more than two classes have a legend.

    Raises:
        ValueError: If there is no image, or a mask does not match its image.

    Example:
        >>> import numpy as np
        >>> from hpunet import figures
        >>> from hpunet.figures.contact_sheet import Thumbnail
        >>> masks = {"anna": np.eye(8, dtype=int), "ben": np.zeros((8, 8), int)}
        >>> thumbnail = Thumbnail("scan", "8 x 8 px", np.ones((8, 8, 1)), masks)
        >>> figure = figures.contact_sheet([thumbnail])
        >>> [text.get_text() for text in figure.texts]
        ['scan', '8 x 8 px', 'ben: empty']
    """
    _check(pictures)
    annotators = sorted({name for picture in pictures for name in picture.masks}, key=natural_key)
    colours = dict(zip(annotators, _colours(len(annotators)), strict=True))
    lines = [Line2D([], [], color=colours[n], linewidth=2.5, label=n) for n in annotators]
    for line in lines:
        line.set_path_effects(_edged(2.5))
    figure, axes = gallery(
        shapes=[picture.image.shape[:2] for picture in pictures],
        captions=[_caption(picture) for picture in pictures],
        legends=[lines, _class_lines(classes)],
    )
    for axis, picture in zip(axes, pictures, strict=True):
        _draw(axis, picture, colours)
    return figure


def _check(pictures: Sequence[Thumbnail]) -> None:
    if not pictures:
        raise ValueError("no images; allowed is one or more")
    for picture in pictures:
        shape = picture.image.shape
        if len(shape) != 3 or shape[-1] not in (1, 3):
            raise ValueError(f"{picture.name}: image {shape}; allowed are [h, w, 1] and [h, w, 3]")
        for annotator, labels in picture.masks.items():
            if labels.shape != shape[:2]:
                raise ValueError(
                    f"{picture.name}: mask {labels.shape} by {annotator}; allowed is {shape[:2]}"
                )


def _colours(count: int) -> list[str]:
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    spectrum = colormaps["turbo"](np.linspace(0.08, 0.95, count))[:, :3]
    return [to_hex(colour) for colour in 1 - _LIGHT * (1 - spectrum)]


def _dashes(label: int, width: float) -> Any:
    """Dashes of a class for a line of a width, by which matplotlib multiplies them."""
    style = STYLES[(label - 1) % len(STYLES)]
    return (0, [length / width for length in style]) if style else "-"


def _class_lines(classes: Sequence[str]) -> list[Line2D]:
    if len(classes) <= 2:
        return []
    return [
        Line2D([], [], color=_BLACK, linewidth=1.2, linestyle=_dashes(label, 1.2), label=name)
        for label, name in enumerate(classes[1:], start=1)
    ]


def _edged(width: float) -> list[patheffects.AbstractPathEffect]:
    return [patheffects.withStroke(linewidth=width + _EDGE, foreground=_BLACK)]


def _caption(picture: Thumbnail) -> Caption:
    empty = [name for name, labels in picture.masks.items() if not (labels > 0).any()]
    return Caption(picture.name, picture.size, sorted(empty, key=natural_key), "empty")


def _draw(axis: Axes, picture: Thumbnail, colours: Mapping[str, str]) -> None:
    image = picture.image if picture.image.shape[-1] == 3 else picture.image[..., 0]
    axis.imshow(image.clip(0, 1), cmap="gray", vmin=0, vmax=1, aspect="auto")
    drawn = [name for name in colours if name in picture.masks and picture.masks[name].any()]
    thickest = min(_THICKEST, _THINNEST + _THINNER * (len(drawn) - 1))
    widths = np.linspace(thickest, _THINNEST, len(drawn)) if len(drawn) != 1 else [_ALONE]
    # All edges first: those of thin outlines would hide the thick outlines below.
    for edge in (_EDGE, 0.0):
        for name, width in zip(drawn, widths, strict=True):
            _outline(axis, picture.masks[name], _BLACK if edge else colours[name], width + edge)
    height, width = image.shape[:2]
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _outline(axis: Axes, labels: NDArray, colour: str, width: float) -> None:
    height, wide = labels.shape
    for label in np.unique(labels[labels > 0]):
        # A margin of background closes the outlines at the border of the image.
        region = np.pad(_with_inner(labels, label), 1)
        axis.contour(
            np.arange(-1, wide + 1),
            np.arange(-1, height + 1),
            region,
            levels=[0.5],
            colors=colour,
            linewidths=width,
            linestyles=[_dashes(int(label), width)],
        )


def _with_inner(labels: NDArray, label: int) -> NDArray[np.bool_]:
    """Pixels of a class, and of later classes that touch it."""
    parts, _ = ndimage.label(labels >= label)
    return np.isin(parts, np.unique(parts[labels == label]))
