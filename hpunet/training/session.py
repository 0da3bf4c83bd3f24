"""Builds a run from its configuration, trains, and writes the results to the workdir."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree
from ml_collections import ConfigDict

from hpunet.config.settings import Settings, changed_keys, flatten, settings_of
from hpunet.data.dataset import Dataset
from hpunet.data.open import open_data
from hpunet.data.pipeline import Share, spread, spread_positions, training_batches
from hpunet.inference.predictor import UNIT
from hpunet.inference.preprocessing import (
    CroppedImages,
    Preprocessing,
    crop_examples,
    cut_example,
    full_name,
)
from hpunet.inference.prior_range import PriorRange, measure_prior
from hpunet.inference.value_check import scale_warning, value_problem
from hpunet.io.atomic import write_whole
from hpunet.io.errors import UserError, first_names
from hpunet.models.base import build_network
from hpunet.models.initialization import Params
from hpunet.models.model import Model, build_model
from hpunet.runtime import compilation_cache
from hpunet.runtime import memory as host_memory
from hpunet.training import summary
from hpunet.training import workdir as folder
from hpunet.training.devices import Devices
from hpunet.training.failures import explain_exhaustion
from hpunet.training.loop import Outcome, Run
from hpunet.training.optimizer import build_optimizer, build_schedule
from hpunet.training.task import Task, build_task
from hpunet.training.validation import Scorer
from hpunet.weights.file import check_params
from hpunet.weights.published import load

# Most images of the validation split on which the prior is measured, spread evenly over it.
MOST_PRIOR_IMAGES = 1000


class Session(NamedTuple):
    """The parts of a run.

    Attributes:
        settings: Settings of the run.
        dataset: The data set.
        model: The model.
        task: The model and its loss.
        devices: The devices to train on.
        scorer: Scores the weights.
        val_images: Images to score during training, or None without validation.
    """

    settings: Settings
    dataset: Dataset
    model: Model
    task: Task
    devices: Devices
    scorer: Scorer
    val_images: CroppedImages | None


def train(config: ConfigDict, workdir_name: str, init_weights: str | None = None) -> int:
    """Trains a model, or resumes training, and writes weights, figures and a report.

    Args:
        config: The configuration.
        workdir_name: Folder of the run.
        init_weights: Weights file, or name of published weights, to start from; None draws them.

    Returns:
        The exit code: 0; 1 if an image of the final report could not be scored; or 128 + n after
        signal n.

    Raises:
        UserError: If configuration, workdir, weights or data are not valid.
    """
    settings = settings_of(config)
    compilation_cache.use()
    host_memory.keep_freed()
    devices = Devices()
    devices.check_batch_size(settings.batch_size)
    workdir, flat = folder.of(workdir_name), flatten(config)
    folder.check(workdir, flat, changed_keys)
    session = _open(settings, devices)
    init_params = None if init_weights is None else _init_params(session.model, init_weights)
    if devices.is_main:
        _record_data(session.dataset, workdir, flat)
    run = _build_run(session, workdir, init_params)
    if init_params is not None and run.step and devices.is_main:
        print(f"--init_weights is ignored: the run resumes at step {run.step}", file=sys.stderr)
    if settings.augmentation is not None and not run.step and devices.is_main:
        _write_augmented(session, workdir)
    with explain_exhaustion(settings.batch_size, settings.precision, settings.remat):
        outcome = run.train(_batches(session, run.step))
    if outcome.signal is not None:
        if devices.is_main:
            _report_stop(outcome, settings, workdir)
        return 128 + outcome.signal
    return _finish(session, run, workdir)


def connect(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Connects the processes of a distributed run.

    Args:
        coordinator: `HOST:PORT` of process 0, `auto` to detect it from the cluster, or None for a
            single process.
        num_processes: Number of processes.
        process_id: Index of this process, from 0.

    Raises:
        UserError: If the arguments are inconsistent, or the processes cannot be connected.
    """
    if coordinator is None:
        if num_processes is not None or process_id is not None:
            raise UserError("--num_processes and --process_id need --coordinator=HOST:PORT or auto")
    elif coordinator == "auto":
        _initialize(coordinator, ())
    elif num_processes is None or process_id is None:
        raise UserError("--coordinator=HOST:PORT needs --num_processes and --process_id")
    elif process_id >= num_processes:
        raise UserError(f"--process_id={process_id}: allowed is 0 to {num_processes - 1}")
    elif not re.fullmatch(r"[^:]+:\d+|\[.+\]:\d+", coordinator):
        raise UserError(f"--coordinator={coordinator}: allowed are HOST:PORT and auto")
    else:
        _initialize(coordinator, (coordinator, num_processes, process_id))


def _initialize(coordinator: str, arguments: tuple[Any, ...]) -> None:
    try:
        jax.distributed.initialize(*arguments)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"--coordinator={coordinator}: {error}") from None


def _open(settings: Settings, devices: Devices) -> Session:
    dataset = open_data(settings)
    if "train" not in dataset.splits:
        raise UserError(f"data.dir={settings.data.dir}: the data have no split train")
    model = build_model(settings.model)
    channels = dataset.splits["train"][0]["image"].shape[-1]
    task = build_task(
        model,
        settings.loss,
        settings.crop,
        channels,
        settings.augmentation,
        build_network(settings.model, settings.precision, settings.remat),
        dataset.intensities,
    )
    scorer = Scorer(task, settings.evaluation.num_samples, settings.seed, devices)
    val_images = None
    if "val" in dataset.splits:
        val_images = _crops(settings, dataset, "val", devices.is_main)
    elif devices.is_main:
        print("no split val: validation is off", file=sys.stderr)
    return Session(settings, dataset, model, task, devices, scorer, val_images)


def _crops(settings: Settings, dataset: Dataset, split: str, is_main: bool) -> CroppedImages:
    examples = spread(dataset.splits[split], settings.evaluation.num_images)
    found = {full_name(e): value_problem(e["image"], dataset.intensities) for e in examples}
    problems = {name: problem for name, problem in found.items() if problem is not None}
    warning = scale_warning(problems, len(examples))
    if warning is not None and is_main:
        print(warning, file=sys.stderr)
    return crop_examples(examples, settings.crop, dataset.intensities, dataset.crop_sampler)


def _init_params(model: Model, init_weights: str) -> Params:
    _, params = load(init_weights)
    check_params(params, model, init_weights)
    return params


def _record_data(dataset: Dataset, workdir: Path, flat: dict[str, Any]) -> None:
    """Records the data of the run in the workdir, and prints notes on them."""
    folder.claim(workdir, flat, dataset.checksum, dataset.intensities)
    if dataset.split_table:
        write_whole(workdir / folder.SPLITS, dataset.split_table.encode())
    for note in dataset.notes:
        print(f"note: {note}", file=sys.stderr)


def _build_run(session: Session, workdir: Path, init_params: Params | None) -> Run:
    optimizer = session.settings.optimizer
    return Run(
        session.task,
        build_optimizer(optimizer),
        session.settings.loop,
        workdir,
        session.devices,
        session.settings.seed,
        session.scorer,
        session.val_images,
        build_schedule(optimizer),
        init_params,
    )


def _batches(session: Session, step: int) -> Any:
    settings, devices = session.settings, session.devices
    return training_batches(
        session.dataset.splits["train"],
        settings.batch_size,
        settings.seed,
        step,
        Share(devices.host, devices.num_hosts),
        settings.data.num_workers,
        session.dataset.crop_sampler,
    )


def _write_augmented(session: Session, workdir: Path) -> None:
    dataset, settings = session.dataset, session.settings
    examples = spread(dataset.splits["train"], summary.AUGMENTED_ROWS)
    if dataset.crop_sampler is not None:
        examples = [cut_example(example, dataset.crop_sampler) for example in examples]
    assert settings.augmentation is not None
    summary.write_augmented(workdir, examples, settings.crop, settings.augmentation)


def _report_stop(outcome: Outcome, settings: Settings, workdir: Path) -> None:
    print(
        f"stopped at step {int(outcome.state.step)} of {settings.loop.num_steps}; the same "
        f"command resumes from there ({workdir})",
        file=sys.stderr,
    )


def _finish(session: Session, run: Run, workdir: Path) -> int:
    """Writes the results and returns the exit code."""
    settings, dataset, params = session.settings, session.dataset, run.best_params()
    if session.devices.is_main:
        # First, because they must be there whatever the scoring finds.
        _write_weights(session, params, workdir)
    split = next(s for s in ("test", "val", "train") if s in dataset.splits)
    images = _crops(settings, dataset, split, session.devices.is_main)
    scored = session.scorer(session.devices.replicate(params), images)
    if session.devices.is_main:
        summary.write_samples(workdir, images, scored)
        print(summary.write_report(workdir, dataset, split, images, scored))
        print(f"weights and figures: {workdir}")
    return 0 if scored.finite.all() else 1


def _write_weights(session: Session, params: PyTree, workdir: Path) -> None:
    settings, dataset = session.settings, session.dataset
    preprocessing = Preprocessing(
        dataset.intensities,
        settings.crop,
        settings.data.pixel_spacing,
        settings.resized,
        settings.model.num_classes,
        dataset.checksum,
        settings.nan,
    )
    kappa = getattr(settings.loss.objective, "kappa", None)
    prior_range = _prior_range(session, params)
    header = preprocessing.to_header()
    summary.write_summary(workdir, params, settings.model, header, kappa, prior_range)


def _prior_range(session: Session, params: PyTree) -> PriorRange | None:
    """Measures the prior on the validation split; None without that split."""
    dataset, settings = session.dataset, session.settings
    if "val" not in dataset.splits:
        return None
    source = dataset.splits["val"]
    positions = spread_positions(source, MOST_PRIOR_IMAGES)

    def batches() -> Iterator[np.ndarray]:
        # All of one size, so that one program serves them.
        for start in range(0, len(positions), UNIT):
            unit = np.resize(positions[start : start + UNIT], UNIT)
            examples = [source[int(position)] for position in unit]
            crop, intensities = settings.crop, dataset.intensities
            yield crop_examples(examples, crop, intensities, dataset.crop_sampler).image

    measured = measure_prior(session.model, params, batches(), len(positions))
    if measured.left_out:
        names = [full_name(source[int(positions[index])]) for index in measured.left_out]
        print(
            f"note: the prior on {len(names)} of {len(positions)} validation images lies apart "
            f"from that on the others, and its range, which the weights file keeps, is that of "
            f"the others: {first_names(names)}",
            file=sys.stderr,
        )
    return measured.prior_range
