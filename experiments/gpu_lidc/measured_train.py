"""Runs the train command, and writes device and peak memory to the file named by MEASURED."""

import atexit
import json
import os
from pathlib import Path

import jax

from hpunet import train
from hpunet.cli import command


def write_report() -> None:
    """Writes properties of the first device; the memory of a CPU is unknown."""
    device = jax.local_devices()[0]
    memory = device.memory_stats() or {}
    report = {
        "device": device.device_kind,
        "num_devices": jax.device_count(),
        "peak_bytes": memory.get("peak_bytes_in_use"),
        "limit_bytes": memory.get("bytes_limit"),
        "jax": jax.__version__,
    }
    Path(os.environ["MEASURED"]).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    atexit.register(write_report)
    command.run(train.main)
