"""Scores a network, or any other tool's predictions.

python -m hpunet.evaluate --workdir=DIR
python -m hpunet.evaluate --weights=FILE --config=configs/lidc.py --out=FILE.json
python -m hpunet.evaluate --predictions=DIR --annotations=DIR
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from hpunet.cli import command
from hpunet.evaluation.published import BENCHMARKS
from hpunet.io.errors import UserError
from hpunet.models.fields import LARGEST

if TYPE_CHECKING:
    from hpunet.config.data import FolderConfig
    from hpunet.config.settings import Settings
    from hpunet.evaluation.scoring_set import ScoringSet
    from hpunet.inference.trained import TrainedNetwork

SPLITS = ("train", "val", "test")
# Keys that say how --annotations are read.
FOLDER_KEYS = ("data.folder.", "data.dir", "data.prepared_dir")
# Separate from absl's global flags: two commands may be imported in one process.
FLAGS = flags.FlagValues()
text_flag = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
number_flag = functools.partial(flags.DEFINE_integer, flag_values=FLAGS)
choice_flag = functools.partial(flags.DEFINE_enum, flag_values=FLAGS)
GET_CONFIG = command.ConfigFlag(FLAGS, changeable="data.")
WORKDIR = text_flag("workdir", None, "Folder of the run whose network is scored.")
WEIGHTS = text_flag("weights", None, "Weights file, or lidc; --config names the data.")
PREDICTIONS = text_flag(
    "predictions",
    None,
    "Folder of another tool's samples, <name>_s<k>.png or <name>.npz, or one that hpunet.sample "
    "wrote.",
)
ANNOTATIONS = text_flag(
    "annotations",
    None,
    "Annotated folder as for training, or folder of the annotators' masks: <name>_a<k>.png, "
    "_l<k>.png, <annotator>/<name>.png or <name>.npz. --config.data.folder.KEY=VALUE says how it "
    "is read; with --config, its data.dir if not given.",
)
IMAGES = text_flag("images", None, "Folder of the images, <name>.png, for the figures.")
CHECKPOINT = text_flag("checkpoint", "best", "Checkpoint of the run: best, last or a step.")
SPLIT = text_flag("split", "test", "Split to score: train, val or test.")
NUM_SAMPLES = text_flag(
    "num_samples", None, "Numbers of samples per image to score with; 1,4,8,16 if not given."
)
NUM_IMAGES = number_flag(
    "num_images",
    None,
    "Number of images to score, spread evenly over the split; all if not given.",
    lower_bound=1,
)
WINDOWS = flags.DEFINE_bool(
    "windows",
    False,
    "Draws images larger than the training crop in overlapping windows of the crop's size.",
    flag_values=FLAGS,
)
SEED = number_flag("seed", 0, "Seed of the samples and of the bootstrap.", lower_bound=0)
OUT = text_flag(
    "out",
    None,
    "JSON file for the result; a CSV file of the images is written next to it. With --workdir, "
    "scores_<split>.json in the workdir if not given.",
)
FIGURES = text_flag("figures", None, "Folder for the figures, as PNG and PDF.")
SAVE_PREDICTIONS = text_flag(
    "save_predictions", None, "Folder to save the samples in, in the format of --predictions."
)
BENCHMARK = choice_flag(
    "benchmark",
    None,
    sorted(BENCHMARKS),
    "Benchmark of the images, to list published scores: "
    + "; ".join(f"{name}, {meaning}" for name, meaning in BENCHMARKS.items())
    + ".",
)
CLASSES = text_flag(
    "classes",
    None,
    "Classes to score and average, such as 1,2; if not given, all but 0 are one foreground.",
)
NUM_CLASSES = number_flag(
    "num_classes",
    2,
    "Number of classes in --predictions, with the background; with --config or "
    "--config.data.folder.classes, theirs if not given.",
    lower_bound=2,
)
CROP = number_flag(
    "crop",
    None,
    "Height and width of the central part of --predictions to score, in pixels.",
    lower_bound=1,
)
IGNORE_LABEL = number_flag(
    "ignore_label", None, "Value of pixels in --annotations that are ignored."
)


def main() -> int:
    """Draws missing samples, scores them, and writes a result, a table and figures.

    Returns:
        The exit code: 0, or 1 if an image could not be scored.
    """
    # Imported late: `--help` must not wait for JAX.
    from hpunet.evaluation.evaluate import Outputs, evaluate
    from hpunet.evaluation.scoring import Conventions
    from hpunet.training.metrics_log import log_of_run

    _check_flags()
    conventions = Conventions(classes=_numbers(CLASSES, 0), seed=SEED.value)
    figures = None if FIGURES.value is None else Path(FIGURES.value)
    log = None if WORKDIR.value is None or figures is None else log_of_run(Path(WORKDIR.value))
    outputs = Outputs(_out(), figures, log)
    of_folders = PREDICTIONS.value is not None
    scoring_set = _of_folders() if of_folders else _of_network(outputs.result)
    not_scored = evaluate(scoring_set, conventions, BENCHMARK.value, outputs)
    if scoring_set.store is not None and SAVE_PREDICTIONS.value is None:
        scoring_set.store.remove()
    return int(not_scored > 0)


def _check_flags() -> None:
    """Checks the flags before any file is read."""
    from hpunet.io.atomic import check_writable
    from hpunet.training.workdir import check_which

    source = _source()
    only = {
        "--predictions": (ANNOTATIONS, IMAGES, NUM_CLASSES, IGNORE_LABEL, CROP),
        "--workdir": (CHECKPOINT,),
    }
    for owner, owned in only.items():
        for flag in owned:
            if flag.present and source != owner:
                raise UserError(f"--{flag.name}: allowed with {owner} only, here is {source}")
    if source == "--predictions":
        if ANNOTATIONS.value is None and not GET_CONFIG.given:
            raise UserError("--annotations is missing: allowed is a folder of annotators' masks")
        refused = [
            flag.name for flag in (SPLIT, NUM_IMAGES, SAVE_PREDICTIONS, WINDOWS) if flag.present
        ]
        keys = (key for key in GET_CONFIG.changed_keys if not key.startswith(FOLDER_KEYS))
        refused += [f"config.{key}" for key in keys]
        if refused:
            raise UserError(f"--{refused[0]}: not allowed with --predictions")
    if source == "--weights" and OUT.value is None:
        raise UserError("--out is missing: allowed is the name of the JSON file for the result")
    if SPLIT.value not in SPLITS:
        raise UserError(f"--split={SPLIT.value}: allowed are {', '.join(SPLITS)}")
    check_which(CHECKPOINT.value)
    if SEED.value > LARGEST:
        raise UserError(f"--seed={SEED.value}: allowed is 0 to {LARGEST}")
    _numbers(NUM_SAMPLES, 1)
    for flag in (FIGURES, SAVE_PREDICTIONS):
        if flag.value is not None:
            check_writable(Path(flag.value), f"--{flag.name}")


def _source() -> str:
    """Returns the one of three flags that selects the samples to score."""
    flags_of = {"--workdir": WORKDIR, "--weights": WEIGHTS, "--predictions": PREDICTIONS}
    given = [name for name, flag in flags_of.items() if flag.value is not None]
    if len(given) != 1:
        raise UserError(
            f"{' and '.join(given) or 'no samples to score'}: allowed is exactly one of "
            "--workdir, --weights and --predictions"
        )
    return given[0]


def _numbers(flag: flags.FlagHolder, least: int) -> tuple[int, ...] | None:
    if flag.value is None:
        return None
    words = [word.strip() for word in flag.value.split(",")]
    if not all(word.isdecimal() and least <= int(word) <= LARGEST for word in words):
        raise UserError(
            f"--{flag.name}={flag.value}: allowed are whole numbers from {least} up, separated by "
            "commas"
        )
    return tuple(sorted({int(word) for word in words}))


def _out() -> Path | None:
    """Returns the path of the result's file, or None to write none."""
    from hpunet.evaluation import result
    from hpunet.io.atomic import check_writable

    if OUT.value is not None:
        path = Path(OUT.value)
        if path.suffix != ".json" or path.is_dir():
            raise UserError(f"--out={path}: allowed is the name of a file that ends in .json")
    elif WORKDIR.value is not None:
        choices = {
            "": SPLIT.value,
            "checkpoint": CHECKPOINT.value if CHECKPOINT.present else None,
            "num_images": NUM_IMAGES.value,
            "num_samples": NUM_SAMPLES.value,
            "classes": CLASSES.value,
            "seed": SEED.value if SEED.present else None,
            "windows": "on" if WINDOWS.value else None,
        }
        path = Path(WORKDIR.value) / result.own_name(choices)
    else:
        return None
    check_writable(path.parent, "--out" if OUT.value else "--workdir")
    result.check_replaceable(path)
    return path


def _check_classes(num_classes: int) -> None:
    classes = _numbers(CLASSES, 0) or (0,)
    if max(classes) >= num_classes:
        raise UserError(
            f"--classes={CLASSES.value}: there are {num_classes} classes, allowed are 0 to "
            f"{num_classes - 1}"
        )


def _of_folders() -> ScoringSet:
    from hpunet.evaluation.folders import open_folders
    from hpunet.evaluation.scoring_set import folder_scoring_set

    assert PREDICTIONS.value is not None
    config, data_dir = _folder_config() if GET_CONFIG.given else (None, None)
    if ANNOTATIONS.value is None and data_dir is None:
        raise UserError(
            "--annotations is missing: allowed is a folder of annotators' masks, or --config with "
            "data.dir"
        )
    num_classes = NUM_CLASSES.value if config is None else config.num_classes
    predictions = Path(PREDICTIONS.value)
    annotations = Path(ANNOTATIONS.value or data_dir or "")
    images = open_folders(
        predictions,
        annotations,
        None if IMAGES.value is None else Path(IMAGES.value),
        num_classes=num_classes,
        ignore_label=IGNORE_LABEL.value,
        crop=CROP.value,
        config=config,
    )
    reading = {
        "predictions": predictions.name,
        "annotations": annotations.name,
        "num_classes": num_classes,
        "ignore_label": IGNORE_LABEL.value,
        "crop": CROP.value,
    }
    if config is not None:
        reading |= {"classes": config.classes, "ignore": config.ignore}
    _check_classes(num_classes)
    return folder_scoring_set(images, reading, _numbers(NUM_SAMPLES, 1))


def _folder_config() -> tuple[FolderConfig, str | None]:
    """How annotations are read by --config and its overrides, and the folder of its data."""
    from hpunet.config.files import override
    from hpunet.config.settings import default_config, settings_of

    known = None if GET_CONFIG.file_given else override(default_config(), {"data.name": "folder"})
    values = GET_CONFIG(known)
    if values.data.name != "folder":
        raise UserError(
            f"data.name={values.data.name}: allowed with --predictions is folder, an annotated "
            "folder"
        )
    changes = {}
    if NUM_CLASSES.present:
        changes["model.num_classes"] = str(NUM_CLASSES.value)
    elif known is not None and values.data.folder.classes is not None:
        words = [word.strip() for word in values.data.folder.classes.split(",")]
        # Values of one name are one class.
        names = {word.partition("=")[2] or word for word in words}
        changes["model.num_classes"] = str(len(names))
    if IGNORE_LABEL.present:
        changes["data.folder.ignore"] = str(IGNORE_LABEL.value)
    settings = settings_of(override(values, changes))
    return settings.folder, settings.data.dir


def _of_network(out: Path | None) -> ScoringSet:
    from hpunet.data.open import open_data
    from hpunet.evaluation import scoring_set
    from hpunet.evaluation.compatibility import warn_of_data
    from hpunet.runtime import compilation_cache
    from hpunet.runtime import memory as host_memory
    from hpunet.training.devices import Devices

    assert out is not None  # Only with --predictions.
    compilation_cache.use()
    host_memory.keep_freed()
    network, settings = _network()
    _check_classes(network.model.config.num_classes)
    dataset = open_data(settings)
    warn_of_data(network, dataset.checksum)
    saved = SAVE_PREDICTIONS.value
    choices = scoring_set.SamplingChoices(
        SPLIT.value,
        NUM_IMAGES.value,
        _numbers(NUM_SAMPLES, 1) or scoring_set.NUM_SAMPLES,
        SEED.value,
        network.window() if WINDOWS.value else None,
    )
    return scoring_set.network_scoring_set(
        network,
        dataset,
        choices,
        Devices(),
        out.with_suffix(".partial") if saved is None else Path(saved),
        may_replace=saved is None,
    )


def _network() -> tuple[TrainedNetwork, Settings]:
    from hpunet.config.files import config_of_run
    from hpunet.config.settings import settings_of
    from hpunet.training import workdir as folder
    from hpunet.training.load import open_run

    if WEIGHTS.value is not None:
        return _network_of_weights(WEIGHTS.value)
    workdir = folder.of_run(WORKDIR.value or "")
    settings = settings_of(GET_CONFIG(config_of_run(workdir / folder.CONFIG)))
    return open_run(workdir, CHECKPOINT.value, settings), settings


def _network_of_weights(name_or_path: str) -> tuple[TrainedNetwork, Settings]:
    from hpunet.config.data import DataConfig
    from hpunet.config.files import with_model
    from hpunet.config.settings import settings_of
    from hpunet.evaluation.compatibility import check_config, warn_of_spacing
    from hpunet.inference.trained import from_weights

    values = GET_CONFIG()
    network = from_weights(name_or_path)
    crop = DataConfig(crop=values.data.crop).crop_size
    if network.preprocessing.crop is None:
        network = network._replace(preprocessing=network.preprocessing._replace(crop=crop))
    check_config(network, values.model.num_classes, crop)
    # The data are those of the configuration, but the network is that of the file.
    settings = settings_of(with_model(values, network.model.config))
    warn_of_spacing(network, settings.data.pixel_spacing)
    return network, settings


if __name__ == "__main__":
    command.run(main)
