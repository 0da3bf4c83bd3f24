"""What each scale of the hierarchy adds: samples with the others held at their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hpunet.figures.colouring import Colouring, class_colouring, deviation, std_colouring
from hpunet.figures.hypotheses import COLUMNS, check_captions, checked_sets, image_and_annotators
from hpunet.figures.sheet import Panel, Row, mask_panel, sheet
from hpunet.figures.window import Window, find_windows


def scale_grid(
    images: ArrayLike | None,
    annotations: ArrayLike,
    samples_by_label: Mapping[str, ArrayLike],
    *,
    captions: Sequence[str] | None = None,
    window: Window = "auto",
) -> Figure:
    """Samples drawn in several ways, such as from all latents and from those of one scale alone.

    The first row of an image holds the image, the masks of the first 4 annotators and the standard
    deviation over all annotators. Below, each way has a row of its first 7 samples and the standard
    deviation over all of them. Two images of three ways fill a page 7 inches wide.

    Args:
        images: `[B, H, W]`, any range, shown as by `hypothesis_grid`, or None.
        annotations: Class labels `[G, B, H, W]`.
        samples_by_label: For each way its name, such as "full hierarchy", and class labels
            `[S, B, H, W]`.
        captions: A line above each image, or None.
        window: What is shown of an image, as for `hypothesis_grid`.

    Raises:
        ValueError: If shapes, captions or window do not fit, or there is no way.
    """
    if not samples_by_label:
        raise ValueError("samples_by_label is empty; it must hold at least one name and samples")
    named = {f"samples {label!r}": samples for label, samples in samples_by_label.items()}
    pictures, masks = checked_sets(images, {"annotations": annotations, **named})
    annotators, *ways = masks.values()
    check_captions(captions, annotators.shape[1])
    everything = np.concatenate([annotators, *ways])
    colouring, classes = class_colouring(everything)
    std = std_colouring(everything)
    rows = []
    for b, part in enumerate(find_windows(everything, window)):
        cut = annotators[:, b, *part]
        shown = image_and_annotators(pictures, b, part, cut, colouring)
        last = Panel(deviation(cut), std, "std of annotators")
        rows.append(Row(_filled(shown, last), caption=captions[b] if captions else ""))
        for n, (label, way) in enumerate(zip(samples_by_label, ways, strict=True)):
            row = _ways_row(label, way[:, b, *part], colouring, std)
            alike = n > 0 and len(way) == len(ways[n - 1])
            rows.append(row.untitled() if alike else row)
    return sheet(rows, classes=classes, std=std)


def _ways_row(label: str, samples: NDArray, colouring: Colouring, std: Colouring) -> Row:
    """The first samples `[S, h, w]` of one way, and the standard deviation over all."""
    shown = [
        mask_panel(labels, colouring, f"sample {s + 1}")
        for s, labels in enumerate(samples[: COLUMNS - 1])
    ]
    of = "samples" if len(samples) < COLUMNS else f"all {len(samples)}"
    last = Panel(deviation(samples), std, f"std of {of}")
    return Row(_filled(shown, last), label)


def _filled(panels: list[Panel], last: Panel) -> list[Panel | None]:
    """Panels from the left, and one at the right end of the row."""
    return [*panels, *[None] * (COLUMNS - 1 - len(panels)), last]
