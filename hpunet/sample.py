"""Draws segmentations of a user's own images.

python -m hpunet.sample --weights=FILE|lidc --out=DIR IMAGE [IMAGE ...]
python -m hpunet.sample --workdir=DIR --out=DIR IMAGE [IMAGE ...]

IMAGE is a PNG, TIFF, JPEG, .npy or .npz file, a folder, or NIfTI or DICOM with hpunet[medical].
"""

from __future__ import annotations

import functools
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

import hpunet
from hpunet.cli import command
from hpunet.io.errors import UserError
from hpunet.models.fields import LARGEST

if TYPE_CHECKING:
    from hpunet.imaging.volume import Volume
    from hpunet.inference.sampling import SamplingOptions
    from hpunet.inference.trained import TrainedNetwork

# Draw more in several commands: grouping takes time in proportion to the square of their number.
MOST_SAMPLES = 1000
# Not absl's common ones: two commands may be imported side by side.
FLAGS = flags.FlagValues()
WORDS = command.Words(FLAGS)
text_flag = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
number_flag = functools.partial(flags.DEFINE_integer, flag_values=FLAGS)
WEIGHTS = text_flag("weights", None, "Weights file, or lidc for the published ones.")
WORKDIR = text_flag("workdir", None, "Folder of a run, in place of --weights.")
CHECKPOINT = text_flag("checkpoint", "best", "With --workdir: best, last or a step.")
OUT = text_flag("out", None, "Folder for the results; it appears when all are there.")
OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replaces the results that --out holds.", flag_values=FLAGS
)
NUM_SAMPLES = number_flag(
    "num_samples", 16, "Samples of an image.", lower_bound=1, upper_bound=MOST_SAMPLES
)
SEED = number_flag("seed", 0, "Decides the samples.", lower_bound=0, upper_bound=LARGEST)
MEAN_SCALES = text_flag(
    "mean_scales",
    None,
    "Scales fixed to the prior's mean, such as 1,2,3; 0 is the coarsest. Also: all.",
)
TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "Factor on the prior's standard deviations.", flag_values=FLAGS
)
SLICES = text_flag(
    "slices",
    None,
    "Slices of a volume or series: all, 12, 10:20 (without 20), 10:20:2 or 3,5,8; from 0.",
)
CENTER = text_flag(
    "center", None, "x,y: column and row of the pixel around which a crop is taken, from 0."
)
CROP = number_flag(
    "crop",
    None,
    "With --center: height and width of the crop in the network's pixels; else as in training.",
    lower_bound=1,
)
SPACING = text_flag(
    "spacing", None, "Size of a pixel in mm, or height,width, where the file does not say it."
)
RESAMPLE = flags.DEFINE_bool(
    "resample",
    True,
    "Brings images to the pixel size that the network learned from, where both are known.",
    flag_values=FLAGS,
)
WINDOW = text_flag(
    "window",
    None,
    "LOW,HIGH: the values that black and white stand for; of CT it is -1000,400 HU if not given.",
)
FORMAT = text_flag(
    "format",
    None,
    "png, npy, nifti, dicom or several; if not given, NIfTI and DICOM as they came, others as png.",
)
SAME_IOU = flags.DEFINE_float(
    "same_iou",
    0.5,
    "IoU that any two samples of one hypothesis have at least.",
    flag_values=FLAGS,
)


def main() -> None:
    """Reads images, draws samples of each, and writes them with their maps and hypotheses."""
    # Here, because `--help` must not wait for JAX.
    from hpunet.imaging.read import find_volumes
    from hpunet.imaging.write import check_formats
    from hpunet.inference.network_input import ImageOptions, check_inputs
    from hpunet.inference.sampling import ImageSampler
    from hpunet.io.atomic import whole_folder
    from hpunet.io.progress import Progress
    from hpunet.report.results import PAGE, ResultsContext, check_replaceable, write_results
    from hpunet.runtime import compilation_cache
    from hpunet.runtime import memory as host_memory

    out = _check_flags()
    crop = None if CROP.value is None else (CROP.value, CROP.value)
    image_options = ImageOptions(_window(), _spacing(), _center(), crop, RESAMPLE.value)
    volumes, left_out = find_volumes(WORDS.given, SLICES.value)
    formats = [_formats(volume) for volume in volumes]
    for volume, of_volume in zip(volumes, formats, strict=True):
        _check_place(volume, out)
        check_formats(volume, of_volume)
    compilation_cache.use()
    host_memory.keep_freed()
    network = _network()
    options = _sampling_options(network)
    for volume in volumes:
        check_inputs(volume, network, image_options)
    if left_out:
        more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
        print(f"left out, it holds no image: {left_out[0]}{more}", file=sys.stderr)
    sampler = ImageSampler(network.model, network.params, options)
    total = sum(len(volume.pictures) for volume in volumes) * options.num_samples
    with (
        whole_folder(out, lambda: check_replaceable(out, OVERWRITE.value)) as part,
        Progress("drawing", total, "samples") as progress,
    ):
        described = _described(network, options)
        context = ResultsContext(
            network, sampler, image_options, SAME_IOU.value, described, progress
        )
        lines = write_results(part, volumes, formats, context)
    print("\n".join(lines))
    print(f"results: {out}, page: {out / PAGE}")


def _check_place(volume: Volume, out: Path) -> None:
    place = volume.place.resolve()
    if place.is_relative_to(out):
        raise UserError(f"--out={out}: {place} lies in it; allowed is a folder without the images")


def _check_flags() -> Path:
    """Refuses mistakes in the command line alone, and gives the folder for the results."""
    from hpunet.io.atomic import check_writable
    from hpunet.report.results import check_replaceable
    from hpunet.training.workdir import check_which

    if not WORDS.given:
        raise UserError("no image is given: allowed are files and folders behind the flags")
    if (WEIGHTS.value is None) == (WORKDIR.value is None):
        raise UserError("allowed is exactly one of --weights and --workdir")
    if CHECKPOINT.present and WORKDIR.value is None:
        raise UserError("--checkpoint: allowed with --workdir only")
    check_which(CHECKPOINT.value)
    if not 0 <= TEMPERATURE.value < math.inf:
        raise UserError(f"--temperature={TEMPERATURE.value:g}: allowed are numbers from 0 up")
    if not 0 < SAME_IOU.value <= 1:
        raise UserError(f"--same_iou={SAME_IOU.value:g}: allowed are numbers above 0 to 1")
    if CROP.value is not None and CENTER.value is None:
        raise UserError("--crop: allowed with --center only")
    if not OUT.value or "\0" in OUT.value:
        raise UserError("--out is missing: allowed is a new or an empty folder")
    # The target of a link: it is the folder itself that is replaced.
    out = Path(OUT.value).resolve()
    check_writable(out.parent, "--out")
    check_replaceable(out, OVERWRITE.value)
    return out


def _network() -> TrainedNetwork:
    from hpunet.config.files import config_of_run
    from hpunet.config.settings import settings_of
    from hpunet.inference.trained import from_weights
    from hpunet.training import workdir as folder
    from hpunet.training.load import open_run

    if WEIGHTS.value is not None:
        return from_weights(WEIGHTS.value)
    workdir = folder.of_run(WORKDIR.value or "")
    settings = settings_of(config_of_run(workdir / folder.CONFIG))
    return open_run(workdir, CHECKPOINT.value, settings)


def _sampling_options(network: TrainedNetwork) -> SamplingOptions:
    from hpunet.inference.sampling import SamplingOptions

    config = network.model.config
    scales = range(config.num_scales)
    if MEAN_SCALES.value is not None and not scales:
        raise UserError(
            f"--mean_scales={MEAN_SCALES.value}: allowed is to leave it out, because a "
            f"{config.title} has no latents"
        )
    words = [] if MEAN_SCALES.value is None else MEAN_SCALES.value.split(",")
    fixed = scales if words == ["all"] else [_whole(word) for word in words]
    if not all(scale in scales for scale in fixed):
        raise UserError(
            f"--mean_scales={MEAN_SCALES.value}: allowed are all, and scales from 0 to "
            f"{len(scales) - 1}, separated by commas"
        )
    mean = tuple(scale in fixed for scale in scales)
    return SamplingOptions(NUM_SAMPLES.value, SEED.value, mean, TEMPERATURE.value)


def _formats(volume: Volume) -> tuple[str, ...]:
    from hpunet.imaging.write import formats_of

    if FORMAT.value is None:
        return formats_of(volume.kind)
    return tuple(dict.fromkeys(FORMAT.value.split(",")))


def _described(network: TrainedNetwork, options: SamplingOptions) -> dict[str, str]:
    """Weights, seed and so on, as files and page state them."""
    fixed = ",".join(str(scale) for scale, mean in enumerate(options.mean) if mean)
    weights = Path(network.place).name
    if "step" in network.origin:
        weights = f"{Path(WORKDIR.value or '').resolve().name}, step {network.origin['step']}"
    return {
        "version": hpunet.__version__,
        "weights": weights,
        "checksum": network.checksum,
        "num_samples": str(options.num_samples),
        "seed": str(options.seed),
        "temperature": f"{options.temperature:g}",
        "mean_scales": fixed or "none",
    }


def _window() -> tuple[float, float] | None:
    found = _numbers(WINDOW)
    if found is not None and (len(found) != 2 or found[0] >= found[1]):
        raise UserError(f"--window={WINDOW.value}: allowed are two numbers, the lower one first")
    return None if found is None else (found[0], found[1])


def _spacing() -> tuple[float, float] | None:
    found = _numbers(SPACING)
    if found is not None and (len(found) > 2 or min(found) <= 0):
        raise UserError(f"--spacing={SPACING.value}: allowed are mm, one number or height,width")
    return None if found is None else (found[0], found[-1])


def _center() -> tuple[int, int] | None:
    if CENTER.value is None:
        return None
    match [_whole(word) for word in CENTER.value.split(",")]:
        case [int(column), int(row)]:
            return row, column
    raise UserError(f"--center={CENTER.value}: allowed are x,y in whole pixels from 0")


def _whole(word: str) -> int | None:
    """The whole number that a word is, or None; a number of many digits is refused, too."""
    return int(word) if re.fullmatch(r"[0-9]{1,9}", word.strip()) else None


def _numbers(flag: flags.FlagHolder) -> list[float] | None:
    if flag.value is None:
        return None
    try:
        found = [float(word) for word in flag.value.split(",")]
    except ValueError:
        found = []
    if not found or not all(map(math.isfinite, found)):
        raise UserError(f"--{flag.name}={flag.value}: allowed are numbers, separated by commas")
    return found


if __name__ == "__main__":
    command.run(main)
