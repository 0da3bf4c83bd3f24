"""The figures of an evaluation."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from matplotlib.figure import Figure

from hpunet import figures, metrics
from hpunet.evaluation.estimates import ALL, Estimates
from hpunet.evaluation.published import PU_NET_PAPER, PU_NET_PAPER_GED
from hpunet.evaluation.scoring import ImageScores, SampledImage, SampledImages
from hpunet.evaluation.scoring_set import DrawScales, ScoringSet
from hpunet.inference.predictor import LOGITS_NOT_FINITE
from hpunet.io.errors import UserError

NUM_GRID_IMAGES = 3
# With three rows per image, these fill a page.
NUM_SCALE_IMAGES = 2

Log = tuple[Sequence[Mapping[str, Any]], float | None]


def write_figures(
    folder: Path,
    scoring_set: ScoringSet,
    scores: ImageScores,
    estimates: Estimates,
    show_published: bool = False,
    log: Log | None = None,
) -> None:
    """Writes all figures for which there are data, as PNG and PDF.

    The images shown are spread evenly over those that an annotator marked. Their scores do not
    matter, except in the figure of the best, the median and the worst image.

    Args:
        folder: Folder of the figures; created if it is missing.
        scoring_set: The images and samples that were scored.
        scores: Scores of all images.
        estimates: Means and intervals.
        show_published: Whether to plot the GED^2 on LIDC of the PU-Net paper.
        log: Lines of a run's `metrics.jsonl`, and kappa.

    Raises:
        UserError: If the figures cannot be written.
    """
    images = scoring_set.images
    chosen = spread_over(_of_common_shape(scores, scores.num_drawn > 0), NUM_GRID_IMAGES)
    made: dict[str, Callable[[], Figure]] = {
        "samples": lambda: _grid(images, chosen),
        "ranked": lambda: _ranked(images, scores),
        "ged_by_samples": lambda: _ged_by_samples(scores, estimates, show_published),
        "calibration": lambda: _calibration(scores, estimates),
    }
    if log is not None:
        made["course"] = lambda: figures.training_curves(log[0], kappa=log[1])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, make in made.items():
            figures.save_for_print(make(), folder / name)
        if scoring_set.draw_scales is not None:
            _write_scales(folder, images, chosen, scoring_set.draw_scales)
    except OSError as error:
        raise UserError(f"--figures={folder}: {error.strerror or error}") from None


def _of_common_shape(scores: ImageScores, candidates: Bool[np.ndarray, " B"]) -> list[int]:
    """Returns the candidates with the commonest shape; without candidates, of all images.

    Only images of one size and number of annotations fit into one figure.
    """
    places = np.flatnonzero(candidates).tolist() or list(range(len(scores.names)))
    shapes = [(*scores.sizes[place], scores.num_annotations[place]) for place in places]
    (commonest, _), *_ = Counter(shapes).most_common(1)
    return [place for place, shape in zip(places, shapes, strict=True) if shape == commonest]


def spread_over(places: Sequence[int], count: int) -> list[int]:
    """Returns up to `count` of the places, the middles of equal parts."""
    parts = min(count, len(places))
    return [places[int((part + 0.5) * len(places) / parts)] for part in range(parts)]


def _grid(
    images: SampledImages, places: Sequence[int], captions: Sequence[str] | None = None
) -> Figure:
    chosen = [images[place] for place in places]
    rebuilt = [image.reconstructions for image in chosen if image.reconstructions is not None]
    return figures.hypothesis_grid(
        _stack_images(chosen),
        np.stack([image.annotations for image in chosen], axis=1),
        np.stack([image.samples for image in chosen], axis=1),
        reconstructions=np.stack(rebuilt, axis=1) if len(rebuilt) == len(chosen) else None,
        captions=[image.name for image in chosen] if captions is None else captions,
    )


def _stack_images(images: Sequence[SampledImage]) -> np.ndarray | None:
    there = [image.image for image in images if image.image is not None]
    return np.stack(there) if len(there) == len(images) else None


def _ranked(images: SampledImages, scores: ImageScores) -> Figure:
    ged = scores.by_num_samples[max(scores.by_num_samples)].ged
    similar = _of_common_shape(scores, np.ones(len(ged), bool))
    what = "images" if len(similar) == len(ged) else "images of this size and number of annotators"
    captions = ranks([float(ged[place]) for place in similar], what)
    return _grid(
        images,
        [similar[n] for n in captions],
        [f"{caption}, {scores.names[similar[n]]}" for n, caption in captions.items()],
    )


def ranks(ged: Sequence[float], what: str = "images") -> dict[int, str]:
    """Returns the places of the best, the median and the worst image, with their captions.

    Args:
        ged: GED^2 of each image.
        what: Noun for the images in the captions.
    """
    order = sorted(range(len(ged)), key=lambda n: ged[n])
    named = {order[0]: "best", order[(len(order) - 1) // 2]: "median", order[-1]: "worst"}
    if len(order) < 3:
        alone = (
            "the only one"
            if what == "images"
            else "the only one of this size and number of annotators"
        )
        named = {order[0]: "best", order[-1]: "worst" if len(order) > 1 else alone}
    total = f" of {len(order)} {what}" if len(order) > 1 else ""
    return {n: f"{rank}{total}: GED² {ged[n]:.3f}" for n, rank in named.items()}


def _ged_by_samples(scores: ImageScores, estimates: Estimates, show_published: bool) -> Figure:
    by_number = {n: group["ged"] for n, group in estimates.groups[ALL].scores.items()}
    return figures.ged_by_samples(
        {n: values.ged for n, values in scores.by_num_samples.items()},
        PU_NET_PAPER_GED if show_published else None,
        intervals={n: (e.low, e.high) for n, e in by_number.items() if e.is_interval_reliable},
        level=estimates.conventions.level,
        source=f"published means,\n{PU_NET_PAPER}",
    )


def _calibration(scores: ImageScores, estimates: Estimates) -> Figure:
    most = max(scores.by_num_samples)
    values = scores.by_num_samples[most]
    sums = metrics.Calibration(*(part.sum(axis=0) for part in values.calibration))
    return figures.calibration_plot(sums, estimates.modes[most])


def _write_scales(
    folder: Path, images: SampledImages, places: Sequence[int], draw_scales: DrawScales
) -> None:
    chosen, drawn = [images[place] for place in places], draw_scales(places)
    if not drawn:
        print(f"no figure of single scales: {LOGITS_NOT_FINITE}", file=sys.stderr)
        return
    stacked = _stack_images(chosen)
    assert stacked is not None, "a network's images are there"
    some = slice(NUM_SCALE_IMAGES)
    grid = figures.scale_grid(
        stacked[some],
        np.stack([image.annotations for image in chosen[some]], axis=1),
        {name: samples[:, some] for name, samples in drawn.items()},
        captions=[image.name for image in chosen[some]],
    )
    figures.save_for_print(grid, folder / "scales")
    figures.scale_animation(stacked, drawn, folder / "scales.gif")
