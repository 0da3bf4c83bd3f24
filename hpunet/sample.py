"""Draws segmentations of a user's own images.

python -m hpunet.sample --weights=FILE|lidc --out=DIR IMAGE [IMAGE ...]
python -m hpunet.sample --workdir=DIR --out=DIR IMAGE [IMAGE ...]

IMAGE is a PNG, TIFF, JPEG or .npy file, a folder, or NIfTI or DICOM with hpunet[medical].
"""

import functools
import math
import sys
from pathlib import Path

from absl import flags

import hpunet
from hpunet import command, config
from hpunet.allowed import MOST
from hpunet.config_file import config_of_run
from hpunet.errors import UserError
from hpunet.evaluation.image_count import ImageCount
from hpunet.hypotheses import output, result
from hpunet.hypotheses.draw import Drawer, Wish
from hpunet.hypotheses.look import Wanted, check_looks
from hpunet.imaging.read import find_scans
from hpunet.imaging.scan import Scan
from hpunet.imaging.write import check_formats, formats_of
from hpunet.training import workdir as folder
from hpunet.training.trained import TrainedNetwork, checksum, from_weights, from_workdir

MOST_SAMPLES = 10_000
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
SEED = number_flag("seed", 0, "Decides the samples.", lower_bound=0, upper_bound=MOST)
MEAN_SCALES = text_flag(
    "mean_scales",
    None,
    "Scales fixed to the prior's mean, such as 1,2,3; 0 is the coarsest. Also: all.",
)
TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "Factor on the prior's standard deviations.", flag_values=FLAGS
)
SLICES = text_flag(
    "slices", None, "Slices of a volume or series: all, 12, 10:20 (without 20) or 3,5,8."
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
    """Reads images, draws samples of each, and writes them with what they say together."""
    out = _check_flags()
    network = _network()
    wish = _wish(network)
    scans, left_out = find_scans(WORDS.given, SLICES.value)
    if left_out:
        print(f"left out, for they hold no image: {len(left_out)} files", file=sys.stderr)
    formats = [_formats(scan) for scan in scans]
    wanted = Wanted(_window(), _spacing(), _center(), CROP.value, RESAMPLE.value)
    for scan, of_scan in zip(scans, formats, strict=True):
        check_formats(scan, of_scan)
        check_looks(scan, network, wanted)
    drawer = Drawer(network.model, network.params, wish)
    origin = _origin(network, wish)
    total = sum(len(scan.pictures) for scan in scans) * wish.num_samples
    with (
        output.whole_folder(out) as part,
        ImageCount("drawing", total, "samples") as done,
    ):
        job = result.Job(network, drawer, wanted, SAME_IOU.value, origin, done)
        lines = result.write(part, scans, formats, job)
    print("\n".join(lines))
    print(f"results: {out}, page: {out / output.PAGE}")


def _check_flags() -> Path:
    """Refuses what is wrong with the command line alone, and gives the folder for the results."""
    if not WORDS.given:
        raise UserError("no image is given: allowed are files and folders behind the flags")
    if (WEIGHTS.value is None) == (WORKDIR.value is None):
        raise UserError("allowed is exactly one of --weights and --workdir")
    if CHECKPOINT.present and WORKDIR.value is None:
        raise UserError("--checkpoint: allowed with --workdir only")
    if not (CHECKPOINT.value in ("best", "last") or CHECKPOINT.value.isdecimal()):
        raise UserError(f"--checkpoint={CHECKPOINT.value}: allowed are best, last and a step")
    if not 0 <= TEMPERATURE.value < math.inf:
        raise UserError(f"--temperature={TEMPERATURE.value:g}: allowed are numbers from 0 up")
    if not 0 < SAME_IOU.value <= 1:
        raise UserError(f"--same_iou={SAME_IOU.value:g}: allowed are numbers above 0 to 1")
    if CROP.value is not None and CENTER.value is None:
        raise UserError("--crop: allowed with --center only")
    if not OUT.value or "\0" in OUT.value:
        raise UserError("--out is missing: allowed is a new or an empty folder")
    out = Path(OUT.value).absolute()
    folder.check_writable(out.parent, "--out")
    output.check_replaceable(out, OVERWRITE.value)
    return out


def _network() -> TrainedNetwork:
    if WEIGHTS.value is not None:
        return from_weights(WEIGHTS.value)
    workdir = folder.of(WORKDIR.value or "")
    if not (workdir / folder.CONFIG).is_file():
        raise UserError(f"--workdir={workdir}: it is no run's folder, {folder.CONFIG} is missing")
    settings = config.settings_of(config_of_run(workdir / folder.CONFIG))
    return from_workdir(
        workdir, CHECKPOINT.value, settings.model, settings.crop, settings.pixel_spacing
    )


def _wish(network: TrainedNetwork) -> Wish:
    scales = network.model.config.num_scales
    words = [] if MEAN_SCALES.value is None else MEAN_SCALES.value.split(",")
    if words == ["all"]:
        words = [str(scale) for scale in range(scales)]
    if not all(word.isdecimal() and int(word) < scales for word in words):
        raise UserError(
            f"--mean_scales={MEAN_SCALES.value}: allowed are all, and scales from 0 to "
            f"{scales - 1}, separated by commas"
        )
    mean = tuple(str(scale) in words for scale in range(scales))
    return Wish(NUM_SAMPLES.value, SEED.value, mean, TEMPERATURE.value)


def _formats(scan: Scan) -> tuple[str, ...]:
    if FORMAT.value is None:
        return formats_of(scan.kind)
    return tuple(dict.fromkeys(FORMAT.value.split(",")))


def _origin(network: TrainedNetwork, wish: Wish) -> dict[str, str]:
    """How the samples were drawn, as it stands in files and on the page."""
    fixed = ",".join(str(scale) for scale, mean in enumerate(wish.mean) if mean)
    return {
        "version": hpunet.__version__,
        "weights": Path(network.place).name,
        "checksum": checksum(network.params),
        "num_samples": str(wish.num_samples),
        "seed": str(wish.seed),
        "temperature": f"{wish.temperature:g}",
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
    words = CENTER.value.split(",")
    if len(words) != 2 or not all(word.strip().isdecimal() for word in words):
        raise UserError(f"--center={CENTER.value}: allowed are x,y in whole pixels from 0")
    return int(words[1]), int(words[0])


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
