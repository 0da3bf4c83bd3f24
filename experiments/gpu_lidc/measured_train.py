"""The train command; leaves device and peak memory in the file that MEASURED names."""

import atexit
import json
import os
from pathlib import Path

import jax

from hpunet import train
from hpunet.cli import command


def write_report() -> None:
    """Writes what the first device tells of itself; a CPU tells no memory."""
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
