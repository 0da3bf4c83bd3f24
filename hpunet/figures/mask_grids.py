"""Grids of the masks of annotators and samples, with their standard deviations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hpunet.figures.masks import Part, Window, checked_sets, find_windows
from hpunet.figures.panels import Panel, Row, mask_panel, panel_page
from hpunet.figures.style import (
    Colouring,
    class_colouring,
    deviation,
    grey_colouring,
    std_colouring,
)

_COLUMNS = 8
_ANNOTATORS = 4
_SAMPLES = 16
# A single line would be wider than a panel.
_RECONSTRUCTION = "reconstruction\nof annotator 1"


def hypothesis_grid(
    images: ArrayLike | None,
    annotations: ArrayLike,
    samples: ArrayLike,
    *,
    reconstructions: ArrayLike | None = None,
    captions: Sequence[str] | None = None,
    window: Window = "auto",
) -> Figure:
    """Grid of annotators' masks and samples of each image, 8 panels per row, as in the reference.

    The first row of an image shows the image, the masks of the first 4 annotators, the first
    reconstruction, and the pixelwise standard deviations over all annotators and over all samples.
    The rows below show the first 16 samples. Masks of a single foreground class are white on black;
    several classes have colours. Three images fill a page 7 inches wide.

    Args:
        images: `[B, H, W]`, any range, or None. The window of each image is shown from black at its
            smallest value to white at its largest.
        annotations: Class labels `[G, B, H, W]`.
        samples: Class labels `[S, B, H, W]`.
        reconstructions: Class labels `[R, B, H, W]` in the order of the annotators, or None.
        captions: Text above each image, or None. Titles of the panels follow the first caption and
            each caption that is not empty.
        window: Part of an image to show. None shows all of it. A number of pixels shows a square of
            that side centred on all masks. "auto" shows a square of at least 48 pixels that
            contains all masks of annotators, samples and reconstructions with a margin, or all of
            the image if there is no such square or no foreground.

    Raises:
        ValueError: If shapes, captions or window are invalid.

    Example:
        >>> import numpy as np
        >>> from hpunet import figures
        >>> masks = np.eye(8, dtype=int)[None, None]
        >>> figure = figures.hypothesis_grid(np.zeros((1, 8, 8)), masks, masks)
        >>> print(figure.get_figwidth(), "inches")
        7.0 inches

    Reference: Kohl et al. 2019, notebook of the reference implementation.
    """
    sets = {"annotations": annotations, "samples": samples}
    if reconstructions is not None:
        sets["reconstructions"] = reconstructions
    pictures, masks = checked_sets(images, sets)
    _check_captions(captions, masks["samples"].shape[1])
    everything = np.concatenate(list(masks.values()))
    colouring, classes = class_colouring(everything)
    std = std_colouring(everything)
    rows = []
    for b, part in enumerate(find_windows(everything, window)):
        cut = {name: labels[:, b, *part] for name, labels in masks.items()}
        first = _image_and_annotators(pictures, b, part, cut["annotations"], colouring)
        if "reconstructions" in cut:
            first.append(mask_panel(cut["reconstructions"][0], colouring, _RECONSTRUCTION))
        first += [
            Panel(deviation(cut["annotations"]), std, "std of annotators"),
            Panel(deviation(cut["samples"]), std, "std of samples"),
        ]
        head = Row(first, caption=captions[b] if captions else "")
        rows += [head.without_titles() if b and not head.caption else head]
        rows += _sample_rows(cut["samples"], colouring)
    return panel_page(rows, classes=classes, std=std)


def scale_grid(
    images: ArrayLike | None,
    annotations: ArrayLike,
    samples_by_label: Mapping[str, ArrayLike],
    *,
    captions: Sequence[str] | None = None,
    window: Window = "auto",
) -> Figure:
    """Grid of samples of several settings, such as all latents or those of a single scale.

    The first row of an image shows the image, the masks of the first 4 annotators and the standard
    deviation over all annotators. Below, each setting has a row of its first 7 samples and the
    standard deviation over all of its samples. Two images with three settings fill a page 7 inches
    wide.

    Args:
        images: `[B, H, W]`, any range, shown as in `hypothesis_grid`, or None.
        annotations: Class labels `[G, B, H, W]`.
        samples_by_label: Class labels `[S, B, H, W]` of each setting by its name, such as "full
            hierarchy".
        captions: Text above each image, or None.
        window: Part of an image to show, as in `hypothesis_grid`.

    Raises:
        ValueError: If shapes, captions or window are invalid, or `samples_by_label` is empty.

    Example:
        >>> import numpy as np
        >>> from hpunet import figures
        >>> masks = np.eye(8, dtype=int)[None, None]
        >>> samples = {"full hierarchy": masks, "most local latent only": masks}
        >>> figure = figures.scale_grid(np.zeros((1, 8, 8)), masks, samples)
        >>> print(figure.get_figwidth(), "inches")
        7.0 inches
    """
    if not samples_by_label:
        raise ValueError("samples_by_label is empty; it must hold at least one name and samples")
    named = {f"samples {label!r}": samples for label, samples in samples_by_label.items()}
    pictures, masks = checked_sets(images, {"annotations": annotations, **named})
    annotators, *settings = masks.values()
    _check_captions(captions, annotators.shape[1])
    everything = np.concatenate([annotators, *settings])
    colouring, classes = class_colouring(everything)
    std = std_colouring(everything)
    rows = []
    for b, part in enumerate(find_windows(everything, window)):
        cut = annotators[:, b, *part]
        panels = _image_and_annotators(pictures, b, part, cut, colouring)
        last = Panel(deviation(cut), std, "std of annotators")
        rows.append(Row(_padded(panels, last), caption=captions[b] if captions else ""))
        for n, (label, samples) in enumerate(zip(samples_by_label, settings, strict=True)):
            row = _setting_row(label, samples[:, b, *part], colouring, std)
            same_titles = n > 0 and len(samples) == len(settings[n - 1])
            rows.append(row.without_titles() if same_titles else row)
    return panel_page(rows, classes=classes, std=std)


def _check_captions(captions: Sequence[str] | None, images: int) -> None:
    if captions is not None and len(captions) != images:
        raise ValueError(f"{len(captions)} captions; allowed is one for each of {images} images")


def _image_and_annotators(
    pictures: NDArray | None, b: int, part: Part, annotations: NDArray, colouring: Colouring
) -> list[Panel]:
    """Panels of the window of an image and the first 4 annotators; the first notes its size."""
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
    for start in range(0, min(_SAMPLES, len(samples)), _COLUMNS):
        part = samples[start : min(start + _COLUMNS, _SAMPLES)]
        last = start + len(part)
        label = f"samples {start + 1}–{last}" if len(part) > 1 else f"sample {last}"
        rows.append(Row([mask_panel(labels, colouring) for labels in part], label))
    return rows


def _setting_row(label: str, samples: NDArray, colouring: Colouring, std: Colouring) -> Row:
    """Row of the first samples `[S, h, w]` of a setting and their standard deviation."""
    panels = [
        mask_panel(labels, colouring, f"sample {s + 1}")
        for s, labels in enumerate(samples[: _COLUMNS - 1])
    ]
    of = "samples" if len(samples) < _COLUMNS else f"all {len(samples)}"
    last = Panel(deviation(samples), std, f"std of {of}")
    return Row(_padded(panels, last), label)


def _padded(panels: list[Panel], last: Panel) -> list[Panel | None]:
    """Panels from the left, and one at the right end of the row."""
    return [*panels, *[None] * (_COLUMNS - 1 - len(panels)), last]
