"""Published scores, and on which images of how many samples each was measured."""

from typing import NamedTuple

LIDC_V1, LIDC_V2 = "lidc_v1", "lidc_v2"

BENCHMARKS = {
    LIDC_V1: "LIDC v1, 15,096 crops of 128 x 128",
    LIDC_V2: "LIDC v2, the crops published with the HPU-Net, 180 x 180 at 0.5 mm",
}
# The test split of LIDC v2.
LIDC_V2_IMAGES, LIDC_V2_PATIENTS = 1980, 103

# GED^2 by number of samples, read off the figure of Kohl et al. 2018, on that paper's own crops.
PU_NET_PAPER = "Kohl et al. 2018, its own LIDC crops"
PU_NET_PAPER_GED = {
    "Dropout U-Net": {1: 1.16, 4: 0.61, 8: 0.52, 16: 0.47},
    "U-Net ensemble": {1: 0.69, 4: 0.53, 8: 0.50, 16: 0.48},
    "M-Heads": {1: 0.87, 4: 0.41, 8: 0.39, 16: 0.34},
    "Image2Image VAE": {1: 1.03, 4: 0.53, 8: 0.45, 16: 0.41},
    "Probabilistic U-Net": {1: 0.81, 4: 0.39, 8: 0.33, 16: 0.29},
}


class Published(NamedTuple):
    """Scores of one method on LIDC v2's test split at 16 samples.

    Attributes:
        method: Its name.
        source: Who measured it.
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
LIDC_V2_SCORES = (
    Published("PU-Net", "Kohl et al. 2019", "0.32 ±0.03", "0.50 ±0.03", "0.37 ±0.07", "0.75 ±0.04"),
    Published(
        "HPU-Net", "Kohl et al. 2019", "0.27 ±0.01", "0.53 ±0.01", "0.47 ±0.01", "0.97 ±0.00"
    ),
    Published("CAR", "reported later", "0.264", "0.592"),
    Published("JProb", "reported later", "0.262", "0.585"),
    Published("PixelSeg", "reported later", "0.260", "0.587"),
    Published("CCDM", "reported later", "0.239", "0.598"),
)


class Comparison(NamedTuple):
    """What a result may be set beside.

    Attributes:
        benchmark: What the images are said to be, or None.
        rows: Published scores it may be compared with.
        warnings: Why it may not be compared with others, a line each.
    """

    benchmark: str | None
    rows: tuple[Published, ...]
    warnings: tuple[str, ...]


def compare(
    benchmark: str | None,
    data_name: str,
    num_images: int,
    num_patients: int,
    num_samples: tuple[int, ...],
    plain: bool,
) -> Comparison:
    """What a result may be compared with, and why not with more.

    Args:
        benchmark: What the images are said to be, a key of `BENCHMARKS`, or None.
        data_name: Name of the data set, for what is said when there is no benchmark.
        num_images: Images that were scored.
        num_patients: Their patients, as far as they are known.
        num_samples: The numbers of samples that were scored with.
        plain: Whether foreground was scored and all pixels and graders counted alike.
    """
    if benchmark is None and not data_name.startswith("lidc"):
        return Comparison(benchmark, (), ())
    problems = _problems(benchmark, num_images, num_patients)
    if PUBLISHED_SAMPLES not in num_samples:
        listed = ", ".join(map(str, num_samples))
        problems += (
            f"published scores are of {PUBLISHED_SAMPLES} samples, these of {listed}: GED² falls "
            "as the number of samples grows",
        )
    if not plain:
        problems += (
            "published scores are of the foreground, all pixels and graders alike: these are not",
        )
    return Comparison(benchmark, () if problems else LIDC_V2_SCORES, problems)


def _problems(benchmark: str | None, num_images: int, num_patients: int) -> tuple[str, ...]:
    if benchmark == LIDC_V1:
        return (
            "these images are LIDC v1 (15,096 crops of 128 x 128), the published scores known here "
            "are of LIDC v2: the two must not be mixed",
        )
    if (num_images, num_patients) != (LIDC_V2_IMAGES, LIDC_V2_PATIENTS):
        return (
            f"not the published test split of LIDC v2: {num_images:,} images of {num_patients} "
            f"patients were scored, it has {LIDC_V2_IMAGES:,} of {LIDC_V2_PATIENTS}; the published "
            "scores are no measure for these",
        )
    return ()
