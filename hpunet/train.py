"""Trains a network: `python -m hpunet.train --config=configs/synthetic.py --workdir=DIR`."""

import functools
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
from absl import flags

from hpunet.cli import command
from hpunet.config import settings as config
from hpunet.data.dataset import Dataset
from hpunet.data.pipeline import Share, spread, training_batches
from hpunet.io.errors import UserError
from hpunet.models.hierarchical.network import build_network
from hpunet.models.initialization import Params
from hpunet.models.model import Model, build_model
from hpunet.open_data import open_data
from hpunet.runtime import compilation_cache
from hpunet.runtime import memory as host_memory
from hpunet.training import summary
from hpunet.training import workdir as folder
from hpunet.training.devices import Devices
from hpunet.training.loop import Outcome, Run
from hpunet.training.memory import explain_exhaustion
from hpunet.training.optimizer import build_optimizer, build_schedule
from hpunet.training.task import Task, build_hierarchical_task
from hpunet.training.validation import Cropped, Scorer, at_window, crop_examples
from hpunet.weights.file import check_params
from hpunet.weights.header import preprocessing_of
from hpunet.weights.published import load

# Not absl's common ones: two commands may be imported side by side.
FLAGS = flags.FlagValues()
text_flag = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
number_flag = functools.partial(flags.DEFINE_integer, flag_values=FLAGS)
GET_CONFIG = command.ConfigFlag(FLAGS)
WORKDIR = text_flag("workdir", None, "Folder of the run; the same one goes on.")
INIT_WEIGHTS = text_flag("init_weights", None, "Weights file to start from, or lidc.")
COORDINATOR = text_flag(
    "coordinator", None, "HOST:PORT of process 0, or auto to ask the cluster; one host needs none."
)
NUM_PROCESSES = number_flag("num_processes", None, "Number of processes.", lower_bound=1)
PROCESS_ID = number_flag("process_id", None, "Which process this is.", lower_bound=0)


class Setup(NamedTuple):
    """All that a run is made of."""

    settings: config.Settings
    dataset: Dataset
    model: Model
    task: Task
    devices: Devices
    scorer: Scorer
    val_images: Cropped | None


def main() -> int:
    """Trains, or goes on with training, and leaves weights, figures and, if known, the truth."""
    values = GET_CONFIG()
    settings = config.settings_of(values)
    if WORKDIR.value is None:
        raise UserError("--workdir is missing: allowed is a folder, made if it does not exist")
    _connect()
    compilation_cache.use()
    host_memory.keep_freed()
    devices = Devices()
    devices.check_batch_size(settings.batch_size)
    workdir, flat = folder.of(WORKDIR.value), config.flatten(values)
    folder.check(workdir, flat, config.changed_keys)
    setup = _set_up(settings, devices)
    init_params = _init_params(setup.model)
    if devices.is_main:
        _describe_data(setup.dataset, workdir, flat)
    run = _run(setup, workdir, init_params)
    batches = training_batches(
        setup.dataset.splits["train"],
        settings.batch_size,
        settings.seed,
        run.step,
        Share(devices.host, devices.num_hosts),
        settings.num_workers,
        setup.dataset.window,
    )
    if init_params is not None and run.step and devices.is_main:
        print(f"--init_weights is left aside: the run goes on at step {run.step}", file=sys.stderr)
    if settings.augmentation is not None and not run.step and devices.is_main:
        shown = spread(setup.dataset.splits["train"], summary.AUGMENTED_ROWS)
        if setup.dataset.window is not None:
            shown = [at_window(example, setup.dataset.window) for example in shown]
        crop = (settings.crop, settings.crop)
        summary.write_augmented(workdir, shown, crop, settings.augmentation)
    with explain_exhaustion(settings.batch_size, settings.precision, settings.remat):
        outcome = run.train(batches)
    if outcome.signal is not None:
        if devices.is_main:
            _say_stopped(outcome, settings, workdir)
        return 128 + outcome.signal
    _finish(setup, run, workdir)
    return 0


def _describe_data(dataset: Dataset, workdir: Path, flat: dict[str, Any]) -> None:
    """Writes down which data the run is on, and says what is to be known of them."""
    folder.claim(workdir, flat, dataset.checksum, dataset.intensities)
    if dataset.split_table:
        folder.write_whole(workdir / folder.SPLITS, dataset.split_table.encode())
    for note in dataset.notes:
        print(f"note: {note}", file=sys.stderr)


def _connect() -> None:
    if COORDINATOR.value is None:
        if NUM_PROCESSES.value is not None or PROCESS_ID.value is not None:
            raise UserError("--num_processes and --process_id need --coordinator=HOST:PORT or auto")
    elif COORDINATOR.value == "auto":
        _initialize(())
    elif NUM_PROCESSES.value is None or PROCESS_ID.value is None:
        raise UserError("--coordinator=HOST:PORT needs --num_processes and --process_id")
    elif PROCESS_ID.value >= NUM_PROCESSES.value:
        raise UserError(
            f"--process_id={PROCESS_ID.value}: allowed is 0 to {NUM_PROCESSES.value - 1}"
        )
    elif not re.fullmatch(r"[^:]+:\d+|\[.+\]:\d+", COORDINATOR.value):
        raise UserError(f"--coordinator={COORDINATOR.value}: allowed are HOST:PORT and auto")
    else:
        _initialize((COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value))


def _initialize(arguments: tuple[Any, ...]) -> None:
    try:
        jax.distributed.initialize(*arguments)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"--coordinator={COORDINATOR.value}: {error}") from None


def _set_up(settings: config.Settings, devices: Devices) -> Setup:
    dataset = open_data(settings)
    if "train" not in dataset.splits:
        raise UserError(f"data.dir={settings.data_dir}: it has no split train to learn from")
    model = build_model(settings.model)
    crop = (settings.crop, settings.crop)
    channels = dataset.splits["train"][0]["image"].shape[-1]
    network = build_network(settings.model, settings.precision, settings.remat)
    how = (settings.augmentation, network, dataset.intensities)
    task = build_hierarchical_task(model, settings.loss, crop, channels, *how)
    scorer = Scorer(task, settings.loop.num_samples, settings.seed, devices)
    val_images = None
    if "val" in dataset.splits:
        val_images = _images(settings, dataset, "val")
    elif devices.is_main:
        print("no split val: validation is off", file=sys.stderr)
    return Setup(settings, dataset, model, task, devices, scorer, val_images)


def _images(settings: config.Settings, dataset: Dataset, split: str) -> Cropped:
    examples = spread(dataset.splits[split], settings.loop.num_images)
    crop = (settings.crop, settings.crop)
    return crop_examples(examples, crop, dataset.intensities, dataset.window)


def _init_params(model: Model) -> Params | None:
    if INIT_WEIGHTS.value is None:
        return None
    _, params = load(INIT_WEIGHTS.value)
    check_params(params, model, INIT_WEIGHTS.value)
    return params


def _run(setup: Setup, workdir: Path, init_params: Params | None) -> Run:
    optimizer = setup.settings.optimizer
    return Run(
        setup.task,
        build_optimizer(optimizer),
        setup.settings.loop,
        workdir,
        setup.devices,
        setup.settings.seed,
        setup.scorer,
        setup.val_images,
        build_schedule(optimizer),
        init_params,
    )


def _say_stopped(outcome: Outcome, settings: config.Settings, workdir: Path) -> None:
    print(
        f"stopped at step {int(outcome.state.step)} of {settings.loop.num_steps}; the same "
        f"command goes on from there ({workdir})",
        file=sys.stderr,
    )


def _finish(setup: Setup, run: Run, workdir: Path) -> None:
    settings, params = setup.settings, run.best_params()
    split = next(s for s in ("test", "val", "train") if s in setup.dataset.splits)
    images = _images(settings, setup.dataset, split)
    scored = setup.scorer(setup.devices.replicate(params), images)
    if not setup.devices.is_main:
        return
    preprocessing = preprocessing_of(
        settings.pixel_spacing,
        settings.crop,
        setup.model.config.num_classes,
        setup.dataset.checksum,
        setup.dataset.intensities,
        settings.resized,
    )
    kappa = getattr(settings.loss.objective, "kappa", None)
    summary.write_summary(workdir, params, setup.model.config, preprocessing, kappa)
    summary.write_samples(workdir, images, scored)
    print(summary.write_report(workdir, setup.dataset, split, images, scored))
    print(f"weights and figures: {workdir}")


if __name__ == "__main__":
    command.run(main)
