"""The training loop, for all models."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import PyTree

from hpunet.config.training import LoopConfig
from hpunet.data.pipeline import READER_KILLED, Batch
from hpunet.inference.predictor import LOGITS_NOT_FINITE
from hpunet.inference.preprocessing import CroppedImages
from hpunet.io.errors import first_names
from hpunet.io.progress import Progress
from hpunet.training.checkpoint import Checkpoints, LoopState, all_finite
from hpunet.training.devices import Devices, first
from hpunet.training.failures import (
    COLLAPSED_STEPS,
    TrainingDivergedError,
    check_finite,
    collapse_report,
    count_low_kl,
)
from hpunet.training.interrupt import Interrupt
from hpunet.training.metrics_log import MetricsLog, Throughput, as_text
from hpunet.training.state import TrainState, build_step, init_state
from hpunet.training.task import Task
from hpunet.training.validation import Scorer, sample_figure
from hpunet.training.workdir import CHECKPOINTS

# Steps between checks of several hosts whether one of them has received a signal.
SIGNAL_EVERY = 10


class Outcome(NamedTuple):
    """The result of training.

    Attributes:
        state: One host's copy of the last train state, as NumPy arrays.
        progress: The state of the loop, with the best score and its step.
        signal: Number of the signal that stopped training early, or None.
    """

    state: TrainState
    progress: LoopState
    signal: int | None


class Run:
    """A training run in a workdir."""

    def __init__(
        self,
        task: Task,
        optimizer: optax.GradientTransformation,
        config: LoopConfig,
        workdir: Path,
        devices: Devices,
        seed: int,
        scorer: Scorer,
        val_images: CroppedImages | None,
        schedule: optax.Schedule,
        init_params: PyTree | None = None,
    ) -> None:
        """Restores the last checkpoint in the workdir, or initialises a new run.

        Args:
            task: The model and its loss.
            optimizer: Computes updates of weights and objective variables.
            config: Length of training and its intervals.
            workdir: Folder of the run; the same on all hosts.
            devices: The devices to train on.
            seed: Seed of initial weights and steps.
            scorer: Scores the weights.
            val_images: Images to score; None for no validation.
            schedule: The learning rate of each step, for the log.
            init_params: Weights to start from; None draws them.
        """
        self._config = config
        self._devices = devices
        self._scorer = scorer
        self._val_images = val_images
        self._schedule = schedule
        self._checkpoints = Checkpoints(workdir / CHECKPOINTS)
        state = init_state(task, optimizer, seed, init_params)
        self._progress = LoopState()
        if self._checkpoints.last_step is not None:
            state, self._progress = self._checkpoints.restore(state)
        self._step = int(state.step)
        self._checkpoints.forget_after(self._step)
        self._last_saved = self._checkpoints.last_step
        self._state = devices.replicate(state)
        self._pmapped_step = devices.pmap(build_step(task, optimizer, devices.collectives()))
        self._log = MetricsLog(workdir, self._step) if devices.is_main else None
        self._bar = _progress_bar(config.num_steps, self._step, silent=not devices.is_main)
        self._reported_collapse = False
        self._unread: list[tuple[int, Any]] = []
        self._signal: int | None = None

    @property
    def step(self) -> int:
        """Number of completed steps."""
        return self._step

    def train(self, batches: Iterator[Batch]) -> Outcome:
        """Trains to the last step or until a signal, and saves a checkpoint.

        Args:
            batches: This host's share of the batches, starting at `step`.

        Raises:
            TrainingDivergedError: If a loss or a weight is not finite.
        """
        with Interrupt() as interrupt:
            try:
                self._steps(batches, interrupt)
                if self._last_saved != self._step:
                    self._save()
            finally:
                self._checkpoints.close()
                self._bar.close()
                if self._log is not None:
                    self._log.close()
        if self._devices.num_hosts == 1 and interrupt.signal is not None:
            self._signal = int(interrupt.signal)
        return Outcome(self._host_state(), self._progress, self._signal)

    def best_params(self) -> PyTree:
        """Returns the weights with the best validation score; without validation, the last ones."""
        state = self._host_state()
        if self._progress.best_step is None:
            return state.params
        return self._checkpoints.restore_best(state, self._progress.best_step).params

    def _steps(self, batches: Iterator[Batch], interrupt: Interrupt) -> None:
        # The first step includes compilation, so it is not part of the throughput.
        speed: Throughput | None = None
        while self._step < self._config.num_steps:
            batch = self._next(batches, interrupt)
            if batch is None:
                break
            self._state, scalars = self._pmapped_step(self._state, self._devices.split(batch))
            self._step += 1
            self._bar()
            self._unread.append((self._step, scalars))
            wait = self._must_read_all(interrupt)
            values = self._read(leave=0 if wait else 1)
            if speed is not None:
                speed.count(len(batch.position) * self._devices.num_hosts)
            if self._due(self._config.log_every):
                values["learning_rate"] = float(self._schedule(self._step - 1))
                self._write(values | (speed.scalars() if speed is not None else {}))
            if wait and self._after_step(interrupt):
                break
            if wait or speed is None:
                speed = Throughput()

    def _next(self, batches: Iterator[Batch], interrupt: Interrupt) -> Batch | None:
        try:
            return next(batches)
        # A signal to the process group may also kill the reading processes; save the state anyway.
        except READER_KILLED:
            if interrupt.signal is None or self._devices.num_hosts > 1:
                raise
            return None

    def _must_read_all(self, interrupt: Interrupt) -> bool:
        config = self._config
        every = [config.log_every, config.checkpoint_every, config.evaluate_every]
        if self._devices.num_hosts > 1:
            every.append(SIGNAL_EVERY)
        return interrupt.signal is not None or any(self._due(e) for e in every)

    def _read(self, leave: int) -> dict[str, float]:
        """Reads and checks the scalars of all steps except the newest `leave` ones.

        Reading the scalars of a step waits for the step. Leaving one step unread lets the device
        compute meanwhile.

        Returns:
            The scalars of the last step that was read.
        """
        values: dict[str, float] = {}
        while len(self._unread) > leave:
            step, scalars = self._unread.pop(0)
            values = {name: float(v) for name, v in jax.device_get(scalars).items()}
            self._check_scalars(step, values)
        return values

    def _after_step(self, interrupt: Interrupt) -> bool:
        evaluated = self._val_images is not None and self._due(self._config.evaluate_every)
        if evaluated:
            self._evaluate()
        stop = self._must_stop(interrupt)
        if evaluated or stop or self._due(self._config.checkpoint_every):
            self._save()
        return stop

    def _due(self, every: int) -> bool:
        return bool(every) and (self._step % every == 0 or self._step == self._config.num_steps)

    def _must_stop(self, interrupt: Interrupt) -> bool:
        number = int(interrupt.signal or 0)
        if self._devices.num_hosts > 1:
            # Hosts must agree on step and signal, and each exchange takes time.
            number = self._devices.largest(number) if self._due(SIGNAL_EVERY) else 0
        self._signal = number or None
        return self._signal is not None

    def _check_scalars(self, step: int, values: Mapping[str, float]) -> None:
        check_finite(step, values, self._last_saved)
        low = count_low_kl(values, self._progress.low_kl_steps)
        self._progress = self._progress._replace(low_kl_steps=low)
        if low >= COLLAPSED_STEPS and not self._reported_collapse:
            self._reported_collapse = True
            self._bar.say(f"warning: {collapse_report(step)}")

    def _host_state(self) -> TrainState:
        state = self._state
        return first(state._replace(key=jax.random.key_data(state.key)))

    def _good_state(self) -> TrainState:
        state = self._host_state()
        if not all_finite(state):
            what = f"weights are not finite after step {self._step}"
            raise TrainingDivergedError(what, self._last_saved)
        return state

    def _save(self) -> None:
        self._checkpoints.save(self._good_state(), self._progress)
        self._last_saved = self._step

    def _evaluate(self) -> None:
        assert self._val_images is not None
        state = self._good_state()
        scored = self._scorer(self._state.params, self._val_images)
        means, not_scored = scored.means(), scored.not_scored(self._val_images)
        scores = {f"val/{name}": score for name, score in means.items()}
        if not_scored:
            scores["val/not_scored"] = float(len(not_scored))
            listed = first_names(not_scored)
            self._bar.say(f"step {self._step}: not scored, {LOGITS_NOT_FINITE}: {listed}")
        self._write(scores)
        if self._log is not None and scored.finite.any():
            figure = sample_figure(self._val_images, scored, title=f"step {self._step}")
            self._log.write_figure(self._step, "val/samples", figure)
        if self._progress.is_improved_by(means["ged"], len(not_scored)):
            self._progress = self._progress._replace(
                best_ged=means["ged"], best_step=self._step, best_not_scored=len(not_scored)
            )
            self._checkpoints.save_best(state, self._progress)

    def _write(self, values: dict[str, float]) -> None:
        if self._log is not None:
            self._log.write(self._step, values)
        if "loss" in values:
            text = as_text(values)
            self._bar.show(text, f"step {self._step}/{self._config.num_steps}: {text}")
        else:
            scores = ", ".join(f"{name} {_number(value)}" for name, value in values.items())
            self._bar.say(f"step {self._step}: {scores}")


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "none"


def _progress_bar(num_steps: int, step: int, silent: bool) -> Progress:
    return Progress("", num_steps, "steps", initial=step, lines=False, silent=silent)
