"""What a person looks at: samples beside graders, augmented pairs, the course of a training.

Every function returns a matplotlib `Figure` of its own, bound to no display and no global state;
`save` writes it. Colours are told apart by colour-blind readers and in grey print.
"""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

# Inches, dots an inch, points.
_WIDTH = 10.0
_RESOLUTION = 160
_GAP = 0.02
_FONT = 8
_SAMPLES = 8
# The largest standard deviation of zeros and ones.
_STD = Normalize(0.0, 0.5)
_STD_COLOURS = "viridis"
# Okabe and Ito's colours; the contour is the one that stands out most on grey.
_CONTOUR = "#E69F00"
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


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
    sets = {name: _as_masks(name, labels, images.shape) for name, labels in masks.items()}
    shown = {name: labels[:_SAMPLES] for name, labels in sets.items()}
    titles = ["image"] + [f"{name}\n{n + 1}" for name in shown for n in range(len(shown[name]))]
    deviations = [(sets[name] > 0).std(axis=0) for name in ("grader", "sample")]
    figure, axes = _image_axes(
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
            axis.imshow(deviation[b], cmap=_STD_COLOURS, norm=_STD)
    _std_bar(figure, axes[0, -1])
    return figure


def augmentation_grid(
    images: ArrayLike,
    labels: ArrayLike,
    augmented_images: ArrayLike,
    augmented_labels: ArrayLike,
    *,
    title: str | None = None,
) -> Figure:
    """Images and what augmentation made of them, the outline of the mask drawn on each.

    Args:
        images: `[B, H, W]`, any range.
        labels: Class labels `[B, H, W]`.
        augmented_images: `[N, B, h, w]`, the N augmentations of each image.
        augmented_labels: Class labels `[N, B, h, w]`.
        title: A line above it all.

    Raises:
        ValueError: If the shapes do not fit.
    """
    images, results = np.asarray(images), np.asarray(augmented_images)
    masks = _as_masks("labels", np.asarray(labels)[None], images.shape)[0]
    outcomes = _as_masks("augmented_labels", augmented_labels, results.shape[1:])
    if results.shape[:2] != (len(outcomes), len(images)):
        raise ValueError(f"augmented_images {results.shape}; allowed is {outcomes.shape}")
    titles = ["original"] + [f"augmented {n + 1}" for n in range(len(results))]
    figure, axes = _image_axes(len(images), titles, images.shape, title)
    for b, row in enumerate(axes):
        limits = Normalize(images[b].min(), images[b].max())
        _outlined(row[0], images[b], masks[b], limits)
        for axis, image, mask in zip(row[1:], results[:, b], outcomes[:, b], strict=True):
            _outlined(axis, image, mask, limits)
    return figure


def training_course(metrics: Sequence[Mapping[str, Any]], *, kappa: float | None = None) -> Figure:
    """The course of a training, from the lines of its `metrics.jsonl`.

    One panel each for the reconstruction loss per kept pixel, the multiplier, the KL in all, the KL
    of each scale and the validation scores, as far as the lines hold them.

    Args:
        metrics: The lines, each with `step`; what is None or missing leaves no point.
        kappa: The reconstruction loss per kept pixel that GECO aims at, in nats, drawn as a line.

    Raises:
        ValueError: If no line holds any of these values.
    """
    keys = {key for line in metrics for key in line}
    scales = sorted(
        (key for key in keys if key[:3] == "kl_" and key[3:].isdecimal()), key=lambda k: int(k[3:])
    )
    panels = {
        "reconstruction per kept pixel (nats)": ["rec_loss_mean"],
        "multiplier": ["lagrange_multiplier"],
        "KL in all (nats)": ["kl_sum"],
        "KL of each scale, 0 the coarsest (nats)": scales,
        "validation GED²": ["val/ged"],
        "validation IoU": ["val/hungarian_iou", "val/reconstruction_iou"],
    }
    series = {
        name: {key: _series(metrics, key) for key in wanted if key in keys}
        for name, wanted in panels.items()
    }
    series = {name: curves for name, curves in series.items() if curves}
    if not series:
        wanted = sorted({key for names in panels.values() for key in names} | {"kl_0"})
        raise ValueError(f"metrics has {sorted(keys)}; at least one of {wanted} must be there")
    figure, axes = _plot_axes(list(series))
    for axis, curves in zip(axes, series.values(), strict=True):
        _curves(axis, curves)
        # The scales' KL differ by orders of magnitude, and a collapse is seen near 0.
        if "kl_0" in curves and max(max(values, default=0) for _, values in curves.values()) > 0:
            axis.set_yscale("log")
    if kappa is not None and "rec_loss_mean" in keys:
        axes[0].axhline(kappa, color="#000000", linestyle="--", linewidth=1, label=f"κ = {kappa:g}")
        axes[0].legend(framealpha=0.8, edgecolor="none", fontsize=_FONT)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure, in the format of the path's suffix, as a whole or not at all.

    Raises:
        ValueError: If matplotlib knows no format of that suffix.
        OSError: If the folder is missing or the disk full.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}{path.suffix}")
    try:
        # Not by tempfile, whose files nobody else may read.
        with part.open("xb") as file:
            figure.savefig(file, format=path.suffix.lstrip(".") or None, dpi=_RESOLUTION)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _as_masks(name: str, labels: ArrayLike, images: tuple[int, ...]) -> NDArray:
    """Labels `[N, B, H, W]` as an array that fits images `[B, H, W]`."""
    array = np.asarray(labels)
    if len(images) != 3 or array.ndim != 4 or array.shape[1:] != images or not array.size:
        raise ValueError(
            f"{name} {array.shape} and images {images}; they must be [N, B, H, W] and [B, H, W]"
        )
    return array


def _image_axes(
    rows: int, titles: list[str], size: tuple[int, ...], title: str | None, *, right: float = 0.0
) -> tuple[Figure, NDArray]:
    """A figure of frames `[rows, columns]` for pictures, `right` inches left free beside them."""
    columns = len(titles)
    width = (_WIDTH - right - _GAP * (columns - 1)) / columns
    tall = width * size[-2] / size[-1]
    top = 0.15 * (1 + max(text.count("\n") for text in titles)) + (0.22 if title else 0.05)
    height = rows * (tall + _GAP) - _GAP + top
    figure = Figure(figsize=(_WIDTH, height), dpi=_RESOLUTION)
    edges = {"left": 0.0, "right": 1 - right / _WIDTH, "bottom": 0.0, "top": 1 - top / height}
    gaps = {"wspace": _GAP / width, "hspace": _GAP / tall}
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=edges | gaps)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, text in zip(axes[0], titles, strict=True):
        axis.set_title(text, fontsize=_FONT, pad=3)
    if title:
        figure.suptitle(title, fontsize=_FONT + 2, y=1 - 0.04 / height, va="top")
    return figure, axes


def _std_bar(figure: Figure, beside: Axes) -> None:
    """A colour bar of the standard deviations at the right of a frame."""
    frame = beside.get_position()
    # A little shorter than the frame, so that the outermost numbers stay beside it.
    low, tall = frame.y0 + 0.06 * frame.height, 0.88 * frame.height
    place = (frame.x1 + 0.05 / _WIDTH, low, 0.09 / _WIDTH, tall)
    bar = figure.colorbar(
        ScalarMappable(_STD, _STD_COLOURS), cax=figure.add_axes(place), ticks=[0, 0.25, 0.5]
    )
    bar.ax.tick_params(labelsize=_FONT - 1, length=2, pad=2)


def _outlined(axis: Axes, image: NDArray, mask: NDArray, limits: Normalize) -> None:
    """A picture with the outline of the mask's foreground."""
    axis.imshow(image, cmap="gray", norm=limits)
    # matplotlib warns of a contour that a mask of one value cannot have.
    if (mask > 0).any() and not (mask > 0).all():
        axis.contour(mask > 0, levels=[0.5], colors=_CONTOUR, linewidths=1.0)


def _series(metrics: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Steps and values of a key, where there is one."""
    points = [(line["step"], line[key]) for line in metrics if line.get(key) is not None]
    return [step for step, _ in points], [value for _, value in points]


def _plot_axes(titles: list[str]) -> tuple[Figure, list[Axes]]:
    """A figure of one plot a title, at most three in a row."""
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(_WIDTH, 2.6 * rows), dpi=_RESOLUTION, layout="constrained")
    axes = [figure.add_subplot(rows, columns, n + 1) for n in range(len(titles))]
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=_FONT + 1)
        axis.set_xlabel("step", fontsize=_FONT)
        axis.tick_params(labelsize=_FONT)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _curves(axis: Axes, curves: Mapping[str, tuple[list[float], list[float]]]) -> None:
    """Draws the curves of a panel, with a legend where there are several."""
    for n, (key, (steps, values)) in enumerate(curves.items()):
        marker = "o" if key.startswith("val/") else None
        colour = _LINES[n % len(_LINES)]
        axis.plot(
            steps, values, color=colour, marker=marker, markersize=3, linewidth=1.2, label=key
        )
    if len(curves) > 1:
        axis.legend(framealpha=0.8, edgecolor="none", fontsize=_FONT)
