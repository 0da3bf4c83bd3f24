"""Everything that a model and the annotators say about an image: the reference's grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hpunet.figures.colouring import (
    Colouring,
    class_colouring,
    deviation,
    grey_colouring,
    std_colouring,
)
from hpunet.figures.frames import as_masks
from hpunet.figures.sheet import Panel, Row, mask_panel, sheet
from hpunet.figures.window import Part, Window, find_windows

COLUMNS = 8
_ANNOTATORS = 4
_SAMPLES = 16
# Wider than a panel in one line.
_REBUILT = "reconstruction\nof annotator 1"


def hypothesis_grid(
    images: ArrayLike | None,
    annotations: ArrayLike,
    samples: ArrayLike,
    *,
    reconstructions: ArrayLike | None = None,
    captions: Sequence[str] | None = None,
    window: Window = "auto",
) -> Figure:
    """The reference's grid: for each image the annotators' masks and samples, 8 panels a row.

    The first row of an image holds the image, the masks of the first 4 annotators, the first
    reconstruction and the pixelwise standard deviation over all annotators and over all samples;
    the rows below it hold the first 16 samples. Masks are white on black, with several classes in
    colours. Three images fill a page 7 inches wide.

    Args:
        images: `[B, H, W]`, any range; what is shown of each goes from black at its least value to
            white at its largest. None where there are none.
        annotations: Class labels `[G, B, H, W]`.
        samples: Class labels `[S, B, H, W]`.
        reconstructions: Class labels `[R, B, H, W]`, of the annotators in order, or None.
        captions: A line above each image, or None. Titles of the panels stand under the first line
            and under each that is not empty.
        window: What is shown of an image. None: all of it. A number: a square of that side, in
            pixels, about the middle of all masks. "auto": a square that holds all masks of
            annotators, samples and reconstructions with a margin, of at least 48 pixels; all of the
            image if there is no such square or no mask.

    Raises:
        ValueError: If shapes, captions or window do not fit.

    Reference: Kohl et al. 2019, the notebook of the reference.
    """
    sets = {"annotations": annotations, "samples": samples}
    if reconstructions is not None:
        sets["reconstructions"] = reconstructions
    pictures, masks = checked_sets(images, sets)
    check_captions(captions, masks["samples"].shape[1])
    everything = np.concatenate(list(masks.values()))
    colouring, classes = class_colouring(everything)
    std = std_colouring(everything)
    rows = []
    for b, part in enumerate(find_windows(everything, window)):
        cut = {name: labels[:, b, *part] for name, labels in masks.items()}
        first = image_and_annotators(pictures, b, part, cut["annotations"], colouring)
        if "reconstructions" in cut:
            first.append(mask_panel(cut["reconstructions"][0], colouring, _REBUILT))
        first += [
            Panel(deviation(cut["annotations"]), std, "std of annotators"),
            Panel(deviation(cut["samples"]), std, "std of samples"),
        ]
        head = Row(first, caption=captions[b] if captions else "")
        rows += [head.untitled() if b and not head.caption else head]
        rows += _sample_rows(cut["samples"], colouring)
    return sheet(rows, classes=classes, std=std)


def checked_sets(
    images: ArrayLike | None, sets: dict[str, ArrayLike]
) -> tuple[NDArray | None, dict[str, NDArray]]:
    """Images `[B, H, W]` or None and sets of masks `[N, B, H, W]` as arrays that fit each other.

    Raises:
        ValueError: If they do not fit.
    """
    pictures = None if images is None else np.asarray(images)
    shape = np.shape(next(iter(sets.values())))[1:] if pictures is None else pictures.shape
    masks = {name: as_masks(name, labels, shape) for name, labels in sets.items()}
    for name, labels in masks.items():
        if labels.dtype.kind not in "biu":
            raise ValueError(f"{name} of {labels.dtype}; allowed are integer and boolean labels")
    return pictures, masks


def check_captions(captions: Sequence[str] | None, images: int) -> None:
    """Raises a ValueError unless there is one caption an image, or None."""
    if captions is not None and len(captions) != images:
        raise ValueError(f"{len(captions)} captions; allowed is one for each of {images} images")


def image_and_annotators(
    pictures: NDArray | None, b: int, part: Part, annotations: NDArray, colouring: Colouring
) -> list[Panel]:
    """The panels of an image's part, with its size on the first, and of the first 4 annotators."""
    panels = [
        mask_panel(labels, colouring, f"annotator {g + 1}")
        for g, labels in enumerate(annotations[:_ANNOTATORS])
    ]
    if pictures is not None:
        image = pictures[b][part]
        panels.insert(0, Panel(image, grey_colouring(image), "image"))
    height, width = annotations.shape[-2:]
    panels[0] = panels[0]._replace(note=f"{height} × {width} px")
    return panels


def _sample_rows(samples: NDArray, colouring: Colouring) -> list[Row]:
    """Rows of the first samples `[S, h, w]`, labelled with their numbers."""
    rows = []
    for start in range(0, min(_SAMPLES, len(samples)), COLUMNS):
        shown = samples[start : min(start + COLUMNS, _SAMPLES)]
        last = start + len(shown)
        label = f"samples {start + 1}–{last}" if len(shown) > 1 else f"sample {last}"
        rows.append(Row([mask_panel(labels, colouring) for labels in shown], label))
    return rows
