"""Samples one after the other, drawn in several ways side by side."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from hpunet.figures.colouring import class_colouring, grey_colouring
from hpunet.figures.hypotheses import checked_sets
from hpunet.figures.lettering import writable
from hpunet.figures.sheet import EMPTY, write_note
from hpunet.figures.style import CONTOUR
from hpunet.figures.window import Window, find_windows
from hpunet.io.atomic import written_whole

# Inches, dots an inch, points, letters above a panel.
_PANEL = 1.7
_GAP = 0.04
_LINE, _FOOT = 0.15, 0.24
_RESOLUTION = 100
_FONT = 9
_LETTERS = 26
_GREYS = 64
# A pixel's three bytes as one number.
_BYTES = np.array([65536, 256, 1], np.int32)


def scale_animation(
    images: ArrayLike,
    samples_by_label: Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
    *,
    window: Window = "auto",
    seconds: float = 0.5,
) -> Path:
    """Writes an animated GIF of samples drawn in several ways, whole or not at all.

    Each frame shows one sample of every way and image, outlined on the image: rows are images,
    columns the image and the ways. A sample that marks nothing says "empty"; one that marks the
    whole window has no outline either. It begins again after the last sample.

    Args:
        images: `[B, H, W]`, any range; what is shown of each goes from black at its least value to
            white at its largest.
        samples_by_label: For each way its name, such as "full hierarchy", and class labels
            `[S, B, H, W]`, as many samples for all.
        path: The file to write.
        window: What is shown of an image, as for `hypothesis_grid`.
        seconds: How long each sample is shown.

    Returns:
        The path.

    Raises:
        ValueError: If shapes, numbers of samples, window or seconds do not fit.
        OSError: If the folder is missing or the disk full.
    """
    if not samples_by_label:
        raise ValueError("samples_by_label is empty; it must hold at least one name and samples")
    if not 0.02 <= seconds <= 60:
        raise ValueError(f"seconds {seconds}; allowed are 0.02 to 60")
    named = {f"samples {label!r}": samples for label, samples in samples_by_label.items()}
    pictures, masks = checked_sets(images, named)
    counts = {name: len(samples) for name, samples in masks.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"numbers of samples {counts}; allowed is one number for all")
    frames = _frames(np.asarray(pictures), list(samples_by_label), list(masks.values()), window)
    with written_whole(path) as file:
        frames[0].save(
            file,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=round(1000 * seconds),
            loop=0,
            disposal=1,
        )
    return Path(path)


def _frames(
    images: NDArray, labels: Sequence[str], ways: Sequence[NDArray], window: Window
) -> list[Image.Image]:
    """A picture for each sample, all of the same colours."""
    everything = np.concatenate(ways)
    parts = find_windows(everything, window)
    colours = _outline_colours(everything)
    figure, axes = _still([images[b][part] for b, part in enumerate(parts)], ["image", *labels])
    canvas = FigureCanvasAgg(figure)
    palette = _palette(list(colours.values()))
    frames = []
    for s in range(len(ways[0])):
        drawn: list[Artist] = [_number(figure, f"sample {s + 1} of {len(ways[0])}")]
        for b, part in enumerate(parts):
            for axis, way in zip(axes[b, 1:], ways, strict=True):
                drawn += _outline(axis, way[s, b][part], colours)
        canvas.draw()
        frames.append(_paletted(np.asarray(canvas.buffer_rgba())[..., :3], palette))
        for artist in drawn:
            artist.remove()
    return frames


def _still(shown: Sequence[NDArray], titles: Sequence[str]) -> tuple[Figure, NDArray]:
    """What is the same in all frames: a row of panels for each image, titles above."""
    rows, columns = len(shown), len(titles)
    height, width = shown[0].shape
    tall = _PANEL * height / width
    titles = [textwrap.fill(writable(title), _LETTERS) for title in titles]
    head = _LINE * (1 + max(title.count("\n") for title in titles)) + 0.08
    size = (columns * (_PANEL + _GAP) - _GAP, rows * (tall + _GAP) + head + _FOOT)
    figure = Figure(figsize=size, dpi=_RESOLUTION)
    edges = {"left": 0.0, "right": 1.0, "bottom": _FOOT / size[1], "top": 1 - head / size[1]}
    gaps = {"wspace": _GAP / _PANEL, "hspace": _GAP / tall}
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=edges | gaps)
    for row, picture in zip(axes, shown, strict=True):
        colours, norm = grey_colouring(picture)
        for axis in row:
            axis.set_axis_off()
            axis.imshow(picture, cmap=colours, norm=norm, interpolation="nearest", aspect="auto")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=_FONT, pad=4, parse_math=False)
    return figure, axes


def _number(figure: Figure, text: str) -> Artist:
    """A line at the foot."""
    place = 0.5 * _FOOT / figure.get_figheight()
    return figure.text(0.5, place, text, fontsize=_FONT, ha="center", va="center")


def _outline_colours(labels: NDArray) -> dict[int, str]:
    """A colour for each class above the background; one class has the colour of all outlines."""
    found = [int(label) for label in np.unique(labels) if label > 0]
    if len(found) == 1:
        return {found[0]: CONTOUR}
    colours, norm = class_colouring(labels)[0]
    return {label: to_hex(colours(norm(label))) for label in found}


def _outline(axis: Axes, mask: NDArray, colours: Mapping[int, str]) -> list[Artist]:
    """Outlines of a mask's classes, or that it is empty; what fills the whole panel has none."""
    if not (mask > 0).any():
        return [write_note(axis, EMPTY, _FONT)]
    outlines: list[Artist] = []
    for label, colour in colours.items():
        marked = mask == label
        # matplotlib warns of a contour that a mask of one value cannot have.
        if marked.any() and not marked.all():
            outline = axis.contour(marked, levels=[0.5], colors=colour, linewidths=1.5)
            # Seen on white, too.
            outline.set(path_effects=[patheffects.withStroke(linewidth=2.5, foreground="black")])
            outlines.append(outline)
    return outlines


def _palette(colours: Sequence[str]) -> NDArray[np.uint8]:
    """Greys, and the colours with their transitions to grey, `[N, 3]`; few make a small file."""
    greys = np.linspace(0, 255, _GREYS)[:, None].repeat(3, axis=1)
    pure = 255 * np.array([to_rgb(colour) for colour in colours]).reshape(-1, 1, 1, 3)
    towards = np.array([0.0, 128.0, 255.0]).reshape(1, -1, 1, 1)
    share = np.array([0.0, 0.35, 0.65]).reshape(1, 1, -1, 1)
    mixed = ((1 - share) * pure + share * towards).reshape(-1, 3)
    # A GIF has no more.
    return np.concatenate([greys, mixed])[:256].round().astype(np.uint8)


def _paletted(pixels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> Image.Image:
    """Pixels `[h, w, 3]` by the nearest colours of a palette; Pillow's own search is not exact.

    One palette for all frames keeps the greys from flickering.
    """
    found, places = np.unique(pixels.astype(np.int32) @ _BYTES, return_inverse=True)
    colours = found[:, None] // _BYTES % 256
    distance = ((colours[:, None] - palette.astype(np.int32)) ** 2).sum(axis=-1)
    nearest = distance.argmin(axis=1).astype(np.uint8)
    image = Image.fromarray(nearest[places].reshape(pixels.shape[:2]))
    image.putpalette(palette.tobytes())
    return image
