"""The figures of an evaluation."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hpunet import figures, metrics
from hpunet.errors import UserError
from hpunet.evaluation.case import Case, Cases
from hpunet.evaluation.estimates import ALL, Group
from hpunet.evaluation.judged import DrawWays
from hpunet.evaluation.published import PU_NET_PAPER, PU_NET_PAPER_GED
from hpunet.evaluation.scoring import ImageScores

GRID_IMAGES = 3
SCALE_IMAGES = 2
ANIMATED_IMAGES = 3


def write_figures(
    folder: Path,
    cases: Cases,
    scores: ImageScores,
    estimated: Mapping[str, Group],
    show_published: bool = False,
    draw_ways: DrawWays | None = None,
    course: tuple[Sequence[Mapping[str, Any]], float | None] | None = None,
) -> list[str]:
    """Writes every figure that there is something for, as PNG and PDF.

    The images shown are spread evenly over those that a grader drew something on: they are not
    chosen by their scores, but for the figure of the best, the median and the worst of them.

    Args:
        folder: Made if missing.
        cases: What was scored.
        scores: Of all images.
        estimated: Means and intervals by group.
        show_published: Whether the PU-Net paper's GED^2 on LIDC is drawn beside.
        draw_ways: Draws samples from all scales and from single ones.
        course: Lines of `metrics.jsonl` and kappa.

    Returns:
        Names of the files.

    Raises:
        UserError: If they cannot be written.
    """
    shown = _shown(cases, scores)
    made: dict[str, Callable[[], Figure]] = {
        "samples": lambda: _grid(cases, _spread(shown, GRID_IMAGES)),
        "ranked": lambda: _ranked(cases, scores, shown),
        "ged_by_samples": lambda: _ged_by_samples(scores, estimated, show_published),
        "calibration": lambda: _calibration(scores),
    }
    if course is not None:
        made["course"] = lambda: figures.training_course(course[0], kappa=course[1])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, make in made.items():
            figures.save_for_print(make(), folder / name)
        names = [f"{name}.{kind}" for name in made for kind in ("png", "pdf")]
        if draw_ways is not None:
            names += _write_scales(folder, cases, shown, draw_ways)
    except OSError as error:
        raise UserError(f"--figures={folder}: {error.strerror or error}") from None
    return names


def _shown(cases: Cases, scores: ImageScores) -> list[int]:
    """Images that may be shown: drawn on by somebody, and alike in size and number of graders."""
    drawn = np.flatnonzero(scores.num_drawn > 0).tolist() or list(range(len(cases)))
    shapes = {index: cases[index].annotations.shape for index in drawn}
    return [index for index in drawn if shapes[index] == shapes[drawn[0]]]


def _spread(shown: Sequence[int], count: int) -> list[int]:
    # From the middle of equal parts, so that not the first and the last are always among them.
    parts = min(count, len(shown))
    return [shown[int((part + 0.5) * len(shown) / parts)] for part in range(parts)]


def _grid(cases: Cases, indices: Sequence[int], captions: Sequence[str] | None = None) -> Figure:
    read = [cases[index] for index in indices]
    rebuilt = [case.reconstructions for case in read if case.reconstructions is not None]
    return figures.hypothesis_grid(
        _images(read),
        np.stack([case.annotations for case in read], axis=1),
        np.stack([case.samples for case in read], axis=1),
        reconstructions=np.stack(rebuilt, axis=1) if len(rebuilt) == len(read) else None,
        captions=[case.name for case in read] if captions is None else captions,
    )


def _images(cases: Sequence[Case]) -> np.ndarray | None:
    there = [case.image for case in cases if case.image is not None]
    return np.stack(there) if len(there) == len(cases) else None


def _ranked(cases: Cases, scores: ImageScores, shown: Sequence[int]) -> Figure:
    num_samples = max(scores.by_num_samples)
    ged = scores.by_num_samples[num_samples].ged
    order = sorted(shown, key=lambda index: ged[index])
    ranks = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    captions = [
        f"{rank} of {len(order)}: GED² {ged[index]:.3f}, {scores.names[index]}"
        for rank, index in ranks.items()
    ]
    return _grid(cases, list(ranks.values()), captions)


def _ged_by_samples(
    scores: ImageScores,
    estimated: Mapping[str, Group],
    show_published: bool,
) -> Figure:
    estimates = {n: group["ged"] for n, group in estimated[ALL].scores.items()}
    return figures.ged_by_samples(
        {n: values.ged for n, values in scores.by_num_samples.items()},
        PU_NET_PAPER_GED if show_published else None,
        source=f"published means,\n{PU_NET_PAPER}",
        intervals={n: (e.low, e.high) for n, e in estimates.items() if np.isfinite(e.low)},
    )


def _calibration(scores: ImageScores) -> Figure:
    values = scores.by_num_samples[max(scores.by_num_samples)]
    there = ~np.isnan(values.modes.chosen)
    sums = metrics.Calibration(*(part.sum(axis=0) for part in values.calibration))
    return figures.calibration_plot(sums, values.modes.chosen[there], values.modes.drawn[there])


def _write_scales(
    folder: Path, cases: Cases, shown: Sequence[int], draw_ways: DrawWays
) -> list[str]:
    few, animated = _spread(shown, SCALE_IMAGES), _spread(shown, ANIMATED_IMAGES)
    read = [cases[index] for index in few]
    grid = figures.scale_grid(
        _images(read),
        np.stack([case.annotations for case in read], axis=1),
        draw_ways(few),
        captions=[case.name for case in read],
    )
    figures.save_for_print(grid, folder / "scales")
    images = _images([cases[index] for index in animated])
    assert images is not None, "a network's cases have images"
    figures.scale_animation(images, draw_ways(animated), folder / "scales.gif")
    return ["scales.png", "scales.pdf", "scales.gif"]
