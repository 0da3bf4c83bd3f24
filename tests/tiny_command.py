"""The train command on a tiny network, as a process of its own or in this one."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import orbax.checkpoint as ocp

from hpunet import train
from hpunet.training.metrics_log import read_metrics
from tests.commands import ROOT, TIME_LIMIT, Done, run_here

SETTINGS = {
    "num_steps": 12,
    "batch_size": 4,
    "log_every": 1,
    "checkpoint_every": 1,
    "evaluate_every": 4,
    "data.synthetic.num_train": 16,
    "data.synthetic.num_val": 4,
    "data.synthetic.num_test": 4,
    "model.latent_dims": (1, 1),
    "model.channels_per_block": (4, 4, 4),
    "model.convs_per_block": 1,
    "objective.name": "geco",
    "objective.top_k_fraction": 0.02,
    "evaluation.num_images": 3,
    "evaluation.num_samples": 2,
}


def words_of(workdir, prepared_dir, *flags, **changed):
    settings = SETTINGS | {name.replace("__", "."): value for name, value in changed.items()}
    return [
        *("--config=synthetic", f"--workdir={workdir}"),
        f"--config.data.prepared_dir={prepared_dir}",
        *(f"--config.{name}={value}" for name, value in settings.items()),
        *flags,
    ]


def run(workdir, prepared_dir, *flags, **changed):
    """Runs the command in this process, on all its devices."""
    return run_here(train, *words_of(workdir, prepared_dir, *flags, **changed))


def start(workdir, prepared_dir, *flags, num_devices=None, **changed):
    """Starts the command with as many devices as this process has, unless told how many."""
    environment = dict(os.environ)
    count = jax.local_device_count() if num_devices is None else num_devices
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={count}"
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "hpunet.train"),
            *words_of(workdir, prepared_dir, *flags, **changed),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    )


def finish(process) -> Done:
    try:
        stdout, stderr = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"the command did not end: {stderr}") from None
    return Done(process.returncode, stdout, stderr)


def last_checkpoint(workdir):
    """Number and arrays of the last checkpoint, as they lie on disk, and what else it holds."""
    manager = ocp.CheckpointManager(Path(workdir).resolve() / "checkpoints" / "last")
    items = ocp.args.Composite(state=ocp.args.StandardRestore(), progress=ocp.args.JsonRestore())
    restored = manager.restore(manager.latest_step(), args=items)
    return manager.latest_step(), restored["state"], restored["progress"]


def lines(workdir):
    return [{**line, "images_per_second": None} for line in read_metrics(workdir / "metrics.jsonl")]
