"""Published scores, with the images and the number of samples of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hpunet.evaluation.scoring import ImageScores

LIDC_V1, LIDC_V2 = "lidc_v1", "lidc_v2"

BENCHMARKS = {
    LIDC_V1: "LIDC v1, 15,096 crops of 128 x 128",
    LIDC_V2: "LIDC v2, the crops published with the HPU-Net, 180 x 180 at 0.5 mm",
}
# The test split of LIDC v2, and how it is scored: at the centre, by all annotators.
LIDC_V2_IMAGES, LIDC_V2_PATIENTS = 1980, 103
LIDC_V2_SIZE, LIDC_V2_ANNOTATORS = (128, 128), 4

# GED^2 by number of samples, read off the figure of Kohl et al. 2018, on that paper's own crops.
PU_NET_PAPER = "Kohl et al. 2018, other images"
PU_NET_PAPER_GED = {
    "Dropout U-Net": {1: 1.16, 4: 0.61, 8: 0.52, 16: 0.47},
    "U-Net ensemble": {1: 0.69, 4: 0.53, 8: 0.50, 16: 0.48},
    "M-Heads": {1: 0.87, 4: 0.41, 8: 0.39, 16: 0.34},
    "Image2Image VAE": {1: 1.03, 4: 0.53, 8: 0.45, 16: 0.41},
    "Probabilistic U-Net": {1: 0.81, 4: 0.39, 8: 0.33, 16: 0.29},
}


class PublishedScores(NamedTuple):
    """Scores of one method on LIDC v2's test split at 16 samples.

    Attributes:
        method: Name of the method.
        source: Origin of the scores.
        ged: GED^2 and its spread over trainings, as printed.
        hungarian_iou: Hungarian-matched IoU.
        hungarian_iou_b: The same on subset B.
        reconstruction_iou: IoU_rec.
    """

    method: str
    source: str
    ged: str = ""
    hungarian_iou: str = ""
    hungarian_iou_b: str = ""
    reconstruction_iou: str = ""


PUBLISHED_SAMPLES = 16
PU_NET = "PU-Net, re-trained"
OF_2019 = "Kohl et al. 2019; GED² by others"
LIDC_V2_SCORES = (
    PublishedScores(PU_NET, OF_2019, "0.32 ±0.03", "0.50 ±0.03", "0.37 ±0.07", "0.75 ±0.04"),
    PublishedScores("HPU-Net", OF_2019, "0.27 ±0.01", "0.53 ±0.01", "0.47 ±0.01", "0.97 ±0.00"),
    PublishedScores("CAR", "reported later", "0.264", "0.592"),
    PublishedScores("JProb", "reported later", "0.262", "0.585"),
    PublishedScores("PixelSeg", "reported later", "0.260", "0.587"),
    PublishedScores("CCDM", "reported later", "0.239", "0.598"),
)


class Comparison(NamedTuple):
    """Published scores that are comparable with a result.

    Attributes:
        benchmark: Benchmark of the images, as the user specifies it, or None.
        rows: Published scores that are comparable.
        warnings: Reasons why others are not comparable, one per line.
    """

    benchmark: str | None
    rows: tuple[PublishedScores, ...]
    warnings: tuple[str, ...]


def compare(
    benchmark: str | None,
    data_name: str,
    scores: ImageScores,
    classes: tuple[int, ...] | None,
) -> Comparison:
    """Selects published scores that are comparable with a result; warns about the others.

    Args:
        benchmark: Benchmark of the images, a key of `BENCHMARKS`, or None.
        data_name: Name of the data set; without a benchmark only LIDC is compared.
        scores: Scores of all images.
        classes: Classes that were scored, or None for the foreground.
    """
    if benchmark is None and not data_name.startswith("lidc"):
        return Comparison(benchmark, (), ())
    if benchmark == LIDC_V1:
        problems = [
            f"these images are {BENCHMARKS[LIDC_V1]}; the published scores known here are of "
            f"{BENCHMARKS[LIDC_V2]}, and the two must not be mixed"
        ]
    else:
        problems = [*_unlike_test_split(scores), *_unlike_conventions(scores, classes)]
    return Comparison(benchmark, () if problems else LIDC_V2_SCORES, tuple(problems))


def _unlike_test_split(scores: ImageScores) -> Iterator[str]:
    images, patients = len(scores.names), len(set(scores.patients))
    if (images, patients) != (LIDC_V2_IMAGES, LIDC_V2_PATIENTS):
        yield (
            f"not the published test split of LIDC v2: {images:,} images of {patients:,} patients "
            f"were scored, it has {LIDC_V2_IMAGES:,} of {LIDC_V2_PATIENTS}"
        )
    if odd := {size for size in scores.sizes if size != LIDC_V2_SIZE}:
        height, width = min(odd)
        yield (
            f"images of {height} x {width} pixels (height x width) were scored; published scores "
            f"are of the central {LIDC_V2_SIZE[0]} x {LIDC_V2_SIZE[1]}"
        )
    if odd_annotators := set(scores.num_annotators.tolist()) - {LIDC_V2_ANNOTATORS}:
        annotators = min(odd_annotators)
        yield f"images have {annotators} annotators; published scores are of {LIDC_V2_ANNOTATORS}"


def _unlike_conventions(scores: ImageScores, classes: tuple[int, ...] | None) -> Iterator[str]:
    if PUBLISHED_SAMPLES not in scores.by_num_samples:
        listed = ", ".join(map(str, scores.by_num_samples))
        yield (
            f"published scores are of {PUBLISHED_SAMPLES} samples, these of {listed}: GED² falls "
            "as the number of samples grows"
        )
    if classes is not None or not scores.is_plain.all():
        yield (
            "published scores count the foreground, all pixels and all annotators equally; "
            "these do not"
        )
