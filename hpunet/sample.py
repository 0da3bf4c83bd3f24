"""Draws segmentations of a user's own images.

python -m hpunet.sample --weights=FILE|lidc --out=DIR IMAGE [IMAGE ...]
python -m hpunet.sample --workdir=DIR --out=DIR IMAGE [IMAGE ...]

IMAGE is a PNG, TIFF, JPEG, BMP, GIF, .npy or .npz file, a folder, or, with hpunet[medical], NIfTI
or DICOM. Images that cannot be drawn do not stop the others; the exit code is then 1.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

import hpunet
from hpunet.cli import command
from hpunet.config.data import PLANES
from hpunet.io.errors import UserError
from hpunet.models.fields import LARGEST

NAN_ALLOWED = "--nan gives the replacement: a number, or min for the least value of the image"

if TYPE_CHECKING:
    from hpunet.imaging.volume import Volume
    from hpunet.inference.network_input import ImageOptions
    from hpunet.inference.sampling import SamplingOptions
    from hpunet.inference.trained import TrainedNetwork
    from hpunet.report.exclusions import Exclusions

# The time for grouping is quadratic in this number; several commands can draw more samples.
MOST_SAMPLES = 1000
# Separate from absl's global flags: two commands may be imported in one process.
FLAGS = flags.FlagValues()
WORDS = command.Words(FLAGS)
text_flag = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
number_flag = functools.partial(flags.DEFINE_integer, flag_values=FLAGS)
WEIGHTS = text_flag("weights", None, "Weights file, or lidc for the published weights.")
WORKDIR = text_flag("workdir", None, "Folder of a run, instead of --weights.")
CHECKPOINT = text_flag("checkpoint", "best", "With --workdir: best, last or a step.")
OUT = text_flag("out", None, "Folder for the results, created when they are complete.")
OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace existing results in --out.", flag_values=FLAGS
)
NUM_SAMPLES = number_flag(
    "num_samples", 16, "Samples per image.", lower_bound=1, upper_bound=MOST_SAMPLES
)
SEED = number_flag("seed", 0, "Seed of the samples.", lower_bound=0, upper_bound=LARGEST)
MEAN_SCALES = text_flag(
    "mean_scales",
    None,
    "Scales fixed to the prior's mean, such as 1,2,3, or all; 0 is the coarsest.",
)
TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "Factor on the prior's standard deviations.", flag_values=FLAGS
)
SLICES = text_flag(
    "slices",
    None,
    "Slices of a volume or series, counted from 0: all, 12, 3,5,8, 10:20 (20 excluded) or 10:20:2.",
)
CENTER = text_flag("center", None, "Central pixel x,y (column and row, counted from 0) of a crop.")
CROP = number_flag(
    "crop",
    None,
    "With --center: height and width of the crop in the network's pixels; default: as in training.",
    lower_bound=1,
)
SPACING = text_flag(
    "spacing", None, "Pixel size in mm, or height,width, for files that do not state it."
)
RESAMPLE = flags.DEFINE_bool(
    "resample",
    True,
    "Resample images to the pixel size of the training images, if both are known.",
    flag_values=FLAGS,
)
PLANE = flags.DEFINE_enum(
    "plane",
    "auto",
    PLANES,
    "Plane of the slices of NIfTI volumes; auto: across their thick slices, else axial.",
    flag_values=FLAGS,
)
WINDOW = text_flag(
    "window",
    None,
    "Intensity window LOW,HIGH: the values of black and white; default for CT: -1000,400 HU.",
)
NAN = text_flag(
    "nan",
    None,
    "Replacement of NaN in images: a number, or min for the least value of the image; default: as "
    "in training.",
)
WINDOWS = flags.DEFINE_bool(
    "windows",
    False,
    "Draws images larger than the training crop in overlapping windows of the crop's size.",
    flag_values=FLAGS,
)
FORMAT = text_flag(
    "format",
    None,
    "png, npy, nifti, dicom or several; default: nifti for NIfTI, dicom for DICOM, else png.",
)
SAME_IOU = flags.DEFINE_float(
    "same_iou",
    0.5,
    "Least IoU of any two samples of a hypothesis.",
    flag_values=FLAGS,
)


def main() -> int:
    """Draws samples of each image and writes them with their maps and hypotheses.

    Returns:
        1 if an image cannot be read or drawn, otherwise 0.
    """
    # Imported late: `--help` must not wait for JAX.
    from hpunet.imaging.naming import PAGE
    from hpunet.imaging.read import find_volumes
    from hpunet.inference.network_input import ImageOptions
    from hpunet.inference.sampling import ImageSampler
    from hpunet.io.atomic import whole_folder
    from hpunet.io.progress import Progress
    from hpunet.report.exclusions import Exclusions, note_lines
    from hpunet.report.results import ResultsContext, check_replaceable, write_results
    from hpunet.runtime import compilation_cache
    from hpunet.runtime import memory as host_memory

    out = _check_flags()
    crop = None if CROP.value is None else (CROP.value, CROP.value)
    image_options = ImageOptions(_window(), _spacing(), _center(), crop, RESAMPLE.value)
    found = find_volumes(WORDS.given, SLICES.value, PLANE.value)
    exclusions = Exclusions(found.left_out, found.failed)
    for volume in found.volumes:
        _check_place(volume, out)
    writable = _writable(found.volumes, exclusions)
    compilation_cache.use()
    host_memory.keep_freed()
    network = _network()
    options = _sampling_options(network)
    prepared = _prepared(writable, network, exclusions)
    volumes = _usable(prepared, network, image_options, exclusions)
    for line in (*note_lines(volumes), *exclusions.lines()):
        print(line, file=sys.stderr)
    told = len(exclusions.failed)
    sampler = ImageSampler(network.model, network.params, options, network.prior_range)
    total = sum(len(volume.pictures) for volume in volumes) * options.num_samples
    with (
        whole_folder(out, lambda: check_replaceable(out, OVERWRITE.value)) as part,
        Progress("drawing", total, "samples") as progress,
    ):
        described = _described(network, options)
        context = ResultsContext(
            network, sampler, image_options, SAME_IOU.value, described, progress, progress.say
        )
        formats = [_formats(volume) for volume in volumes]
        lines = write_results(part, volumes, formats, context, exclusions)
    print("\n".join(lines))
    for line in Exclusions([], exclusions.failed[told:]).lines():
        print(line, file=sys.stderr)
    print(f"results: {out}, page: {out / PAGE}")
    return 1 if exclusions.failed else 0


def _writable(volumes: Sequence[Volume], exclusions: Exclusions) -> list[Volume]:
    """The volumes whose results can be written in the formats asked for."""
    from hpunet.imaging.write import FORMATS, check_formats

    known = sorted({name for names in FORMATS.values() for name in names})
    for name in _words(FORMAT):
        if name not in known:
            raise UserError(f"--format={name}: allowed are {', '.join(known)}")

    def check(volume: Volume) -> Volume:
        notes = check_formats(volume, _formats(volume))
        return volume._replace(notes=(*volume.notes, *notes))

    return exclusions.keep(volumes, check)


def _prepared(
    volumes: Sequence[Volume], network: TrainedNetwork, exclusions: Exclusions
) -> list[Volume]:
    """The images without NaN; those whose channels are in several files are joined."""
    from hpunet.imaging.channels import join_numbered
    from hpunet.imaging.missing import fill_volume
    from hpunet.imaging.read import refuse_if_none
    from hpunet.imaging.volume import Excluded

    def fail(volume: Volume, error: UserError) -> None:
        exclusions.failed.append(Excluded.by_error(volume.shown_place, error))

    nan = network.preprocessing.nan if NAN.value is None else _nan()
    filled = [fill_volume(volume, nan, NAN_ALLOWED) for volume in volumes]
    joined = join_numbered(filled, network.image_channels, fail)
    refuse_if_none(joined, exclusions.failed)
    return joined


def _usable(
    volumes: Sequence[Volume],
    network: TrainedNetwork,
    options: ImageOptions,
    exclusions: Exclusions,
) -> list[Volume]:
    """The volumes, with those of their slices that the network can take."""
    from hpunet.inference.network_input import check_inputs, check_options

    check_options(network, options)

    def check(volume: Volume) -> Volume:
        return check_inputs(volume, network, options, exclusions.failed)

    return exclusions.keep(volumes, check)


def _check_place(volume: Volume, out: Path) -> None:
    place = volume.place.resolve()
    if place.is_relative_to(out):
        raise UserError(f"--out={out}: contains the image {place}; choose a folder without images")


def _check_flags() -> Path:
    """Checks the flags before any file is read, and returns the folder for the results."""
    from hpunet.io.atomic import check_writable
    from hpunet.report.results import check_replaceable
    from hpunet.training.workdir import check_which

    if not WORDS.given:
        raise UserError("no image is given; name files or folders after the flags")
    if (WEIGHTS.value is None) == (WORKDIR.value is None):
        raise UserError("give exactly one of --weights and --workdir")
    if CHECKPOINT.present and WORKDIR.value is None:
        raise UserError("--checkpoint: allowed only with --workdir")
    check_which(CHECKPOINT.value)
    if not 0 <= TEMPERATURE.value < math.inf:
        raise UserError(
            f"--temperature={TEMPERATURE.value:g}: allowed are finite numbers of at least 0"
        )
    if not 0 < SAME_IOU.value <= 1:
        raise UserError(f"--same_iou={SAME_IOU.value:g}: allowed are numbers above 0 and at most 1")
    if CROP.value is not None and CENTER.value is None:
        raise UserError("--crop: allowed only with --center")
    if not OUT.value or "\0" in OUT.value:
        raise UserError("--out is missing; name a new or an empty folder")
    # Links are resolved, because the folder itself is replaced.
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
            f"--mean_scales={MEAN_SCALES.value}: a {config.title} has no latents; leave it out"
        )
    words = [] if MEAN_SCALES.value is None else MEAN_SCALES.value.split(",")
    fixed = scales if words == ["all"] else [_whole(word) for word in words]
    if not all(scale in scales for scale in fixed):
        raise UserError(
            f"--mean_scales={MEAN_SCALES.value}: allowed are all and scales from 0 to "
            f"{len(scales) - 1}, separated by commas"
        )
    mean = tuple(scale in fixed for scale in scales)
    window = network.window() if WINDOWS.value else None
    return SamplingOptions(NUM_SAMPLES.value, SEED.value, mean, TEMPERATURE.value, window)


def _formats(volume: Volume) -> tuple[str, ...]:
    from hpunet.imaging.write import formats_of

    if FORMAT.value is None:
        return formats_of(volume.kind)
    return tuple(dict.fromkeys(_words(FORMAT)))


def _words(flag: flags.FlagHolder) -> list[str]:
    return [] if flag.value is None else flag.value.split(",")


def _described(network: TrainedNetwork, options: SamplingOptions) -> dict[str, str]:
    """Weights, seed and other settings, for files and page."""
    from hpunet.inference.trained import crop_text

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
    } | ({} if options.window is None else {"windows": crop_text(options.window)})


def _window() -> tuple[float, float] | None:
    found = _numbers(WINDOW)
    if found is not None and (len(found) != 2 or found[0] >= found[1]):
        raise UserError(f"--window={WINDOW.value}: allowed are two numbers, the lower one first")
    return None if found is None else (found[0], found[1])


def _nan() -> float | str | None:
    if NAN.value in (None, "min"):
        return NAN.value
    found = _numbers(NAN)
    if found is None or len(found) != 1:
        raise UserError(f"--nan={NAN.value}: allowed are a number and min")
    return found[0]


def _spacing() -> tuple[float, float] | None:
    found = _numbers(SPACING)
    if found is not None and (len(found) > 2 or min(found) <= 0):
        raise UserError(
            f"--spacing={SPACING.value}: allowed are positive numbers in mm: size or height,width"
        )
    return None if found is None else (found[0], found[-1])


def _center() -> tuple[int, int] | None:
    if CENTER.value is None:
        return None
    match [_whole(word) for word in CENTER.value.split(",")]:
        case [int(column), int(row)]:
            return row, column
    raise UserError(f"--center={CENTER.value}: allowed are two whole numbers x,y, counted from 0")


def _whole(word: str) -> int | None:
    """Parses a whole number of at most 9 digits; None for other words."""
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
