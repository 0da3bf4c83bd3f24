"""The figures of an evaluation."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from matplotlib.figure import Figure

from hpunet import figures, metrics
from hpunet.evaluation.case import Case, Cases
from hpunet.evaluation.estimates import ALL, Estimates
from hpunet.evaluation.judged import DrawWays, Judged
from hpunet.evaluation.published import PU_NET_PAPER, PU_NET_PAPER_GED
from hpunet.evaluation.scoring import ImageScores
from hpunet.evaluation.table import has_interval
from hpunet.io.errors import UserError

NUM_SHOWN = 3
# As many as fill a page three rows an image.
NUM_SCALES_SHOWN = 2

Log = tuple[Sequence[Mapping[str, Any]], float | None]


def write_figures(
    folder: Path,
    judged: Judged,
    scores: ImageScores,
    found: Estimates,
    show_published: bool = False,
    log: Log | None = None,
) -> None:
    """Writes every figure that there is something for, as PNG and PDF.

    The images shown are spread evenly over those that an annotator drew something on: they are not
    chosen by their scores, but for the figure of the best, the median and the worst of all.

    Args:
        folder: Made if missing.
        judged: What was scored.
        scores: Of all images.
        found: Means and intervals.
        show_published: Whether the PU-Net paper's GED^2 on LIDC is drawn beside.
        log: Lines of a run's `metrics.jsonl`, and kappa.

    Raises:
        UserError: If they cannot be written.
    """
    cases = judged.cases
    shown = spread_over(_alike(scores, scores.num_drawn > 0), NUM_SHOWN)
    made: dict[str, Callable[[], Figure]] = {
        "samples": lambda: _grid(cases, shown),
        "ranked": lambda: _ranked(cases, scores),
        "ged_by_samples": lambda: _ged_by_samples(scores, found, show_published),
        "calibration": lambda: _calibration(scores, found),
    }
    if log is not None:
        made["course"] = lambda: figures.training_curves(log[0], kappa=log[1])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, make in made.items():
            figures.save_for_print(make(), folder / name)
        if judged.draw_ways is not None:
            _write_scales(folder, cases, shown, judged.draw_ways)
    except OSError as error:
        raise UserError(f"--figures={folder}: {error.strerror or error}") from None


def _alike(scores: ImageScores, wanted: Bool[np.ndarray, " B"]) -> list[int]:
    """Those of the wanted images, or of all if none is, that have the commonest shape.

    Only images of one size and number of annotations fit into one figure.
    """
    places = np.flatnonzero(wanted).tolist() or list(range(len(scores.names)))
    shapes = [(*scores.sizes[place], scores.num_annotations[place]) for place in places]
    (commonest, _), *_ = Counter(shapes).most_common(1)
    return [place for place, shape in zip(places, shapes, strict=True) if shape == commonest]


def spread_over(places: Sequence[int], count: int) -> list[int]:
    """Some of the places, from the middles of equal parts."""
    parts = min(count, len(places))
    return [places[int((part + 0.5) * len(places) / parts)] for part in range(parts)]


def _grid(cases: Cases, places: Sequence[int], captions: Sequence[str] | None = None) -> Figure:
    read = [cases[place] for place in places]
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


def _ranked(cases: Cases, scores: ImageScores) -> Figure:
    ged = scores.by_num_samples[max(scores.by_num_samples)].ged
    alike = _alike(scores, np.ones(len(ged), bool))
    what = "images" if len(alike) == len(ged) else "images alike in size and annotators"
    captions = ranks([float(ged[place]) for place in alike], what)
    return _grid(
        cases,
        [alike[n] for n in captions],
        [f"{caption}, {scores.names[alike[n]]}" for n, caption in captions.items()],
    )


def ranks(ged: Sequence[float], what: str = "images") -> dict[int, str]:
    """Places of the best, the median and the worst of some images, with what a caption says.

    Args:
        ged: GED^2 of each.
        what: They are.
    """
    order = sorted(range(len(ged)), key=lambda n: ged[n])
    named = {order[0]: "best", order[(len(order) - 1) // 2]: "median", order[-1]: "worst"}
    if len(order) < 3:
        alone = "the only one" if what == "images" else "no other is alike in size and annotators"
        named = {order[0]: "best", order[-1]: "worst" if len(order) > 1 else alone}
    total = f" of {len(order)} {what}" if len(order) > 1 else ""
    return {n: f"{rank}{total}: GED² {ged[n]:.3f}" for n, rank in named.items()}


def _ged_by_samples(scores: ImageScores, found: Estimates, show_published: bool) -> Figure:
    estimates = {n: group["ged"] for n, group in found.groups[ALL].scores.items()}
    return figures.ged_by_samples(
        {n: values.ged for n, values in scores.by_num_samples.items()},
        PU_NET_PAPER_GED if show_published else None,
        intervals={n: (e.low, e.high) for n, e in estimates.items() if has_interval(e)},
        level=found.conventions.level,
        source=f"published means,\n{PU_NET_PAPER}",
    )


def _calibration(scores: ImageScores, found: Estimates) -> Figure:
    most = max(scores.by_num_samples)
    values = scores.by_num_samples[most]
    sums = metrics.Calibration(*(part.sum(axis=0) for part in values.calibration))
    return figures.calibration_plot(sums, found.modes[most])


def _write_scales(folder: Path, cases: Cases, shown: Sequence[int], draw_ways: DrawWays) -> None:
    read, drawn = [cases[place] for place in shown], draw_ways(shown)
    images = _images(read)
    assert images is not None, "a network's cases have images"
    some = slice(NUM_SCALES_SHOWN)
    grid = figures.scale_grid(
        images[some],
        np.stack([case.annotations for case in read[some]], axis=1),
        {way: samples[:, some] for way, samples in drawn.items()},
        captions=[case.name for case in read[some]],
    )
    figures.save_for_print(grid, folder / "scales")
    figures.scale_animation(images, drawn, folder / "scales.gif")
