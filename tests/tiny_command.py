"""The train command on a tiny network, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import orbax.checkpoint as ocp

from hpunet.training.metrics_log import read_metrics

TIME_LIMIT = 240
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


class Done(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def start(workdir, prepared_dir, *flags, num_devices=1, **changed):
    settings = SETTINGS | {name.replace("__", "."): value for name, value in changed.items()}
    environment = dict(os.environ)
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={num_devices}"
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "hpunet.train", "--config=synthetic", f"--workdir={workdir}"),
            f"--config.data.prepared_dir={prepared_dir}",
            *(f"--config.{name}={value}" for name, value in settings.items()),
            *flags,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[1],
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
