"""Measures the overhead of the training loop: `python -m experiments.speed.loop_cost`.

`Run.train` alternates with the bare step on a fixed batch. Writes `loop_cost.json`.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags as absl_flags

from experiments.speed import inputs
from experiments.speed.command_line import positive, several, whole
from hpunet.config import settings as config
from hpunet.config.files import find_config, load_config, override
from hpunet.config.training import LoopConfig
from hpunet.data.dataset import ExampleSource
from hpunet.data.open import open_data
from hpunet.data.pipeline import PREFETCHED_BATCHES, Batch, training_batches
from hpunet.evaluation.provenance import provenance
from hpunet.models.model import build_model
from hpunet.runtime import compilation_cache
from hpunet.runtime import memory as host_memory
from hpunet.training.checkpoint import Checkpoints, LoopState, all_finite
from hpunet.training.devices import Devices, first
from hpunet.training.loop import Run
from hpunet.training.metrics_log import MetricsLog
from hpunet.training.optimizer import build_optimizer, build_schedule
from hpunet.training.state import TrainState, build_step, init_state
from hpunet.training.task import build_task
from hpunet.training.validation import Scorer

FOLDER = Path(__file__).resolve().parent
NUM_IMAGES = 64
# LIDC's images of 180 pixels, from which 128 are cropped, rounded to a multiple of 8.
IMAGE_SIZE = 184
LOG_LINES = 50
# Entries of a log line of the LIDC network.
NUM_SCALARS = 14


class Laps:
    """Batches for a loop, with the times of its laps, which alternate with bare steps.

    Attributes:
        seconds: Time of each lap, by the number of reading processes, and of the `bare` steps.
    """

    def __init__(
        self, streams: dict[int, Iterator[Batch]], bare: Callable[[int], None], steps: int
    ) -> None:
        """Sets up the measurement.

        Args:
            streams: Batches by the number of reading processes.
            bare: Runs a number of steps without the loop.
            steps: Steps per lap; the loop must wait for the last one.
        """
        self._streams, self._bare, self._steps = streams, bare, steps
        self.seconds: dict[str, list[float]] = {"bare": [], **{str(n): [] for n in streams}}

    def batches(self, rounds: int) -> Iterator[Batch]:
        """Yields the batches of `num_steps(rounds)` steps; the first lap compiles the step."""
        some = next(iter(self._streams.values()))
        yield from itertools.islice(some, self._steps)
        self._bare(1)
        for _ in range(rounds):
            start = time.perf_counter()
            self._bare(self._steps)
            self.seconds["bare"].append(time.perf_counter() - start)
            for workers, stream in self._streams.items():
                read_away(stream, PREFETCHED_BATCHES * (1 + workers))
                start = time.perf_counter()
                yield from itertools.islice(stream, self._steps)
                # The loop requests the next batch after the lap's last step is done and logged.
                self.seconds[str(workers)].append(time.perf_counter() - start)
        yield next(some)

    def num_steps(self, rounds: int) -> int:
        """Returns the number of steps that the loop needs to complete the last lap."""
        return self._steps * (1 + rounds * len(self._streams)) + 1


def read_away(stream: Iterator[Batch], count: int) -> None:
    """Discards batches that were read in advance, which would favour the loop."""
    for _ in range(count):
        next(stream)


def main() -> None:
    """Measures every batch size and writes the results."""
    flags = parse_flags()
    # Required by the reading processes.
    absl_flags.FLAGS.mark_as_parsed()
    compilation_cache.use()
    host_memory.keep_freed()
    results = {"made_with": provenance(), "cpus": os.cpu_count(), **vars(flags)}
    results["out"] = flags.out.name
    with tempfile.TemporaryDirectory(prefix="hpunet-loop-") as scratch:
        settings = settings_of(flags.network, Path(scratch))
        source = open_data(settings).splits["train"]
        results["results"] = [
            measure(settings, source, Path(scratch, str(size)), size, flags)
            for size in flags.batch_sizes
        ]
    flags.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results["results"], indent=1))


def parse_flags() -> argparse.Namespace:
    """Parses the flags of this command."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--network", choices=inputs.MODELS, default="lidc")
    parser.add_argument("--batch_sizes", type=several(positive), default=(4, 8))
    parser.add_argument("--num_workers", type=several(whole), default=(0, 1, 2))
    parser.add_argument("--steps", type=positive, default=5, help="steps per lap")
    parser.add_argument("--rounds", type=positive, default=4, help="laps of each kind")
    parser.add_argument("--out", type=Path, default=FOLDER / "loop_cost.json")
    return parser.parse_args()


def settings_of(network: str, scratch: Path) -> config.Settings:
    """Returns `configs/lidc.py` for synthetic images of LIDC's size."""
    changed = {
        "data.name": "synthetic",
        "data.prepared_dir": str(scratch),
        "data.crop": str(inputs.SIZES[network]),
        "data.synthetic.image_size": str(IMAGE_SIZE),
        "data.synthetic.num_train": str(NUM_IMAGES),
        "data.synthetic.num_val": "1",
        "data.synthetic.num_test": "1",
    }
    changed |= {f"model.{name}": str(value) for name, value in inputs.MODELS[network].items()}
    return config.settings_of(override(load_config(find_config("lidc")), changed))


def measure(
    settings: config.Settings, source: ExampleSource, workdir: Path, batch_size: int, flags: Any
) -> dict[str, Any]:
    """Measures seconds of a step with and without the loop, and the loop's share."""
    crop = (settings.crop, settings.crop)
    model = build_model(settings.model)
    task = build_task(model, settings.loss, crop, 1, settings.augmentation)
    optimizer, devices = build_optimizer(settings.optimizer), Devices(jax.local_devices()[:1])
    state = init_state(task, optimizer, settings.seed)
    streams = {
        workers: training_batches(source, batch_size, settings.seed, num_workers=workers)
        for workers in flags.num_workers
    }
    step = devices.pmap(build_step(task, optimizer, devices.collectives()))
    bare = bare_steps(
        step, devices.replicate(state), devices.split(next(streams[flags.num_workers[0]]))
    )
    laps = Laps(streams, bare, flags.steps)
    loop = LoopConfig(laps.num_steps(flags.rounds), flags.steps, sys.maxsize, 0)
    scorer = Scorer(task, 1, settings.seed, devices)
    schedule = build_schedule(settings.optimizer)
    run = Run(
        task, optimizer, loop, workdir, devices, settings.seed, scorer, None, schedule, state.params
    )
    run.train(laps.batches(flags.rounds))
    extra = {"log_line": seconds_of_log_line(workdir / "log")}
    extra |= seconds_of_checkpoint(workdir / "checkpoint", devices.replicate(state))
    return {"batch_size": batch_size, **extra, **shares(laps.seconds, extra, flags.steps)}


def bare_steps(step: Callable[..., Any], state: TrainState, batch: Batch) -> Callable[[int], None]:
    """Builds a function that runs a number of steps and waits for the last."""

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, scalars = step(state, batch)
        jax.block_until_ready(scalars)

    return run


def seconds_of_log_line(folder: Path) -> float:
    """Measures seconds per line of `metrics.jsonl` and TensorBoard, including flushing."""
    folder.mkdir(parents=True)
    log = MetricsLog(folder, 0)
    values = {f"kl_{i}": float(i) for i in range(NUM_SCALARS)}
    start = time.perf_counter()
    for step in range(LOG_LINES):
        log.write(step, values)
    log.close()
    return (time.perf_counter() - start) / LOG_LINES


def seconds_of_checkpoint(folder: Path, replicated: TrainState) -> dict[str, float]:
    """Measures seconds until training continues, and until the checkpoint is on disk."""
    checkpoints = Checkpoints(folder)
    start = time.perf_counter()
    state = first(replicated._replace(key=jax.random.key_data(replicated.key)))
    assert all_finite(state)
    checkpoints.save(state, LoopState())
    waited = time.perf_counter() - start
    checkpoints.close()
    return {"checkpoint_waited_for": waited, "checkpoint": time.perf_counter() - start}


def shares(seconds: dict[str, list[float]], extra: dict[str, float], steps: int) -> dict[str, Any]:
    """Computes the loop's share of the time of a step.

    The costs of logs and checkpoints are distributed over the steps between them. A checkpoint
    counts until it is on disk, as if no step ran meanwhile.
    """
    defaults = config.flatten(config.default_config())
    now_and_then = extra["checkpoint"] / defaults["checkpoint_every"]
    # Each lap includes a log line; in a run, log lines are less frequent.
    now_and_then -= extra["log_line"] * (1 / steps - 1 / defaults["log_every"])
    bare = np.array(seconds["bare"]) / steps
    workers = {}
    for name in (name for name in seconds if name != "bare"):
        share = (np.array(seconds[name]) / steps + now_and_then) / bare - 1
        workers[name] = {
            "seconds": float(np.median(seconds[name])) / steps,
            "share": float(np.median(share)),
            "share_least": float(share.min()),
            "share_most": float(share.max()),
        }
    return {"bare_step": float(np.median(bare)), "by_num_workers": workers}


if __name__ == "__main__":
    main()
