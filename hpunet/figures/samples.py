"""Samples beside graders, one row an image."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from hpunet.figures.frames import as_masks, image_axes, std_bar
from hpunet.figures.style import STD, STD_COLOURS

_SAMPLES = 8


def sample_grid(
    images: ArrayLike,
    annotations: ArrayLike,
    samples: ArrayLike,
    *,
    title: str | None = None,
    reconstructions: ArrayLike | None = None,
) -> Figure:
    """Images, graders' masks and a model's samples side by side, one row an image.

    Columns are the image, every grader's mask, the reconstructions if there are any, the first
    8 samples, and the pixelwise standard deviation of the foreground over all graders and over all
    samples. Masks are white on black, with more than two classes in shades of grey.

    Args:
        images: `[B, H, W]`, any range; each is shown from its least to its largest value.
        annotations: Class labels `[G, B, H, W]`.
        samples: Class labels `[S, B, H, W]`.
        title: A line above it all.
        reconstructions: Class labels `[R, B, H, W]`, of the first R graders in order.

    Raises:
        ValueError: If the shapes do not fit.
    """
    images, masks = np.asarray(images), {"grader": annotations, "sample": samples}
    if reconstructions is not None:
        masks = {"grader": annotations, "rebuilt": reconstructions, "sample": samples}
    sets = {name: as_masks(name, labels, images.shape) for name, labels in masks.items()}
    shown = {name: labels[:_SAMPLES] for name, labels in sets.items()}
    titles = ["image"] + [f"{name}\n{n + 1}" for name in shown for n in range(len(shown[name]))]
    deviations = [(sets[name] > 0).std(axis=0) for name in ("grader", "sample")]
    figure, axes = image_axes(
        len(images),
        [*titles, "std of\ngraders", "std of\nsamples"],
        images.shape,
        title,
        right=0.42,
    )
    classes = max(1, *(int(labels.max()) for labels in sets.values()))
    for b, row in enumerate(axes):
        row[0].imshow(images[b], cmap="gray")
        for axis, mask in zip(row[1:-2], np.concatenate(list(shown.values()))[:, b], strict=True):
            axis.imshow(mask, cmap="gray", vmin=0, vmax=classes, interpolation="nearest")
        for axis, deviation in zip(row[-2:], deviations, strict=True):
            axis.imshow(deviation[b], cmap=STD_COLOURS, norm=STD)
    std_bar(figure, axes[0, -1])
    return figure
