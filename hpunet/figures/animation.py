"""Animations of samples of several settings side by side."""

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

from hpunet.figures.masks import Window, checked_sets, find_windows
from hpunet.figures.page import fitted, writable
from hpunet.figures.panels import EMPTY, write_note
from hpunet.figures.style import CONTOUR, class_colouring, grey_colouring
from hpunet.io.atomic import written_whole

# Inches, dots per inch, points, most and least letters per line above a panel.
_PANEL = 1.7
_GAP = 0.04
_LINE, _FOOT = 0.15, 0.24
_RESOLUTION = 100
_FONT = 9
_MOST_LETTERS, _LEAST_LETTERS = 26, 12
_GREYS = 64
# Factors that combine the three bytes of a pixel to one number.
_BYTES = np.array([65536, 256, 1], np.int32)


def scale_animation(
    images: ArrayLike,
    samples_by_label: Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
    *,
    window: Window = "auto",
    seconds: float = 0.5,
) -> Path:
    """Writes an animated GIF of samples of several settings, atomically.

    Each frame shows one sample of every setting and image as an outline on the image: rows are
    images; columns are the image and the settings. A sample without foreground has the note
    "empty"; a sample that covers the whole window has no outline. The animation loops.

    Args:
        images: `[B, H, W]`, any range. The window of each image is shown from black at its smallest
            value to white at its largest.
        samples_by_label: Class labels `[S, B, H, W]` of each setting by its name, such as "full
            hierarchy", with the same number of samples for all.
        path: The file to write.
        window: Part of an image to show, as in `hypothesis_grid`.
        seconds: Duration of a frame in seconds, from 0.02 to 60.

    Returns:
        The path.

    Raises:
        ValueError: If shapes, numbers of samples, window or seconds are invalid.
        OSError: If the folder is missing or the disk is full.

    Example:
        >>> import numpy as np
        >>> from hpunet import figures
        >>> masks = np.eye(8, dtype=int)[None, None]
        >>> figures.scale_animation(np.zeros((1, 8, 8)), {"samples": masks}, "scales.gif").name
        'scales.gif'
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
    images: NDArray, labels: Sequence[str], settings: Sequence[NDArray], window: Window
) -> list[Image.Image]:
    """Frame of each sample, all with the same palette."""
    everything = np.concatenate(settings)
    parts = find_windows(everything, window)
    colours = _outline_colours(everything)
    figure, axes = _background(
        [images[b][part] for b, part in enumerate(parts)], ["image", *labels]
    )
    canvas = FigureCanvasAgg(figure)
    palette = _palette(list(colours.values()))
    frames = []
    for s in range(len(settings[0])):
        drawn: list[Artist] = [_footer(figure, f"sample {s + 1} of {len(settings[0])}")]
        for b, part in enumerate(parts):
            for axis, samples in zip(axes[b, 1:], settings, strict=True):
                drawn += _outline(axis, samples[s, b][part], colours)
        canvas.draw()
        frames.append(_quantised(np.asarray(canvas.buffer_rgba())[..., :3], palette))
        for artist in drawn:
            artist.remove()
    return frames


def _background(images: Sequence[NDArray], titles: Sequence[str]) -> tuple[Figure, NDArray]:
    """Common background of all frames: a row of panels for each image, with titles."""
    rows, columns = len(images), len(titles)
    height, width = images[0].shape
    tall = _PANEL * height / width
    titles = [fitted(_wrapped(title), _PANEL, fontsize=_FONT) for title in titles]
    head = _LINE * (1 + max(title.count("\n") for title in titles)) + 0.08
    size = (columns * (_PANEL + _GAP) - _GAP, rows * (tall + _GAP) + head + _FOOT)
    figure = Figure(figsize=size, dpi=_RESOLUTION)
    edges = {"left": 0.0, "right": 1.0, "bottom": _FOOT / size[1], "top": 1 - head / size[1]}
    gaps = {"wspace": _GAP / _PANEL, "hspace": _GAP / tall}
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=edges | gaps)
    for row, image in zip(axes, images, strict=True):
        colours, norm = grey_colouring(image)
        for axis in row:
            axis.set_axis_off()
            axis.imshow(image, cmap=colours, norm=norm, interpolation="nearest", aspect="auto")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=_FONT, pad=4, parse_math=False)
    return figure, axes


def _wrapped(title: str) -> list[str]:
    """A title in ever shorter lines, as letters differ in width."""
    return [
        textwrap.fill(writable(title), letters)
        for letters in range(_MOST_LETTERS, _LEAST_LETTERS - 1, -1)
    ]


def _footer(figure: Figure, text: str) -> Artist:
    height = 0.5 * _FOOT / figure.get_figheight()
    return figure.text(0.5, height, text, fontsize=_FONT, ha="center", va="center")


def _outline_colours(labels: NDArray) -> dict[int, str]:
    """Outline colour of each foreground class; a single class has the colour of all contours."""
    classes = [int(label) for label in np.unique(labels) if label > 0]
    if len(classes) == 1:
        return {classes[0]: CONTOUR}
    colours, norm = class_colouring(labels)[0]
    return {label: to_hex(colours(norm(label))) for label in classes}


def _outline(axis: Axes, mask: NDArray, colours: Mapping[int, str]) -> list[Artist]:
    """Draws the outlines of the classes of a mask, or the note that it is empty."""
    if not (mask > 0).any():
        return [write_note(axis, EMPTY, _FONT)]
    outlines: list[Artist] = []
    for label, colour in colours.items():
        marked = mask == label
        # matplotlib warns of masks that have a single value and therefore no contour.
        if marked.any() and not marked.all():
            outline = axis.contour(marked, levels=[0.5], colors=colour, linewidths=1.5)
            # The dark edge makes the outline visible on white.
            outline.set(path_effects=[patheffects.withStroke(linewidth=2.5, foreground="black")])
            outlines.append(outline)
    return outlines


def _palette(colours: Sequence[str]) -> NDArray[np.uint8]:
    """Palette `[N, 3]` of greys, and of the colours with their transitions to grey."""
    greys = np.linspace(0, 255, _GREYS)[:, None].repeat(3, axis=1)
    pure = 255 * np.array([to_rgb(colour) for colour in colours]).reshape(-1, 1, 1, 3)
    towards = np.array([0.0, 128.0, 255.0]).reshape(1, -1, 1, 1)
    share = np.array([0.0, 0.35, 0.65]).reshape(1, 1, -1, 1)
    mixed = ((1 - share) * pure + share * towards).reshape(-1, 3)
    # A GIF has at most 256 colours.
    return np.concatenate([greys, mixed])[:256].round().astype(np.uint8)


def _quantised(pixels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> Image.Image:
    """Maps pixels `[h, w, 3]` to the nearest colours of a palette; Pillow's search is not exact.

    A single palette for all frames avoids flickering greys.
    """
    distinct, index = np.unique(pixels.astype(np.int32) @ _BYTES, return_inverse=True)
    colours = distinct[:, None] // _BYTES % 256
    distance = ((colours[:, None] - palette.astype(np.int32)) ** 2).sum(axis=-1)
    nearest = distance.argmin(axis=1).astype(np.uint8)
    image = Image.fromarray(nearest[index].reshape(pixels.shape[:2]))
    image.putpalette(palette.tobytes())
    return image
