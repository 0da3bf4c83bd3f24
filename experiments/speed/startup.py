"""Measures the time from the train command to its first step, with cold and warm caches."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from experiments.speed.host import ROOT, configuration

POLL_SECONDS = 0.02
# Much longer than a first step takes.
MOST_SECONDS = 900
NEVER = 1_000_000


def first_steps(folder: Path, batch_size: int) -> dict[str, float]:
    """Measures seconds until the log contains the first step, with cold and warm caches.

    Args:
        folder: Folder with the files of `inputs.make` and the prepared data set.
        batch_size: Images per step.
    """
    runs = ("cold_s", "warm_s")
    return {name: first_step(folder, batch_size, folder / name) for name in runs}


def first_step(folder: Path, batch_size: int, workdir: Path) -> float:
    """Measures seconds from the start of the command until its log contains a step."""
    words = [sys.executable, "-m", "hpunet.train", "--config=lidc", f"--workdir={workdir}"]
    keys = {**configuration(folder), "batch_size": batch_size, "num_steps": NEVER}
    keys |= {"log_every": 1, "checkpoint_every": NEVER, "evaluate_every": 0}
    words += [f"--config.{name}={value}" for name, value in keys.items()]
    start = time.perf_counter()
    with open(folder / f"{workdir.name}.log", "wb") as log:
        process = subprocess.Popen(words, cwd=ROOT, env=environment(folder), stdout=log, stderr=log)
        try:
            wait_for_line(workdir / "metrics.jsonl", process, start + MOST_SECONDS)
            return time.perf_counter() - start
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def environment(folder: Path) -> dict[str, str]:
    """Returns the user's environment variables, with a cache in `folder`."""
    ignored = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")
    ours = {k: v for k, v in os.environ.items() if k not in ignored}
    return ours | {"HPUNET_CACHE": str(folder / "cache")}


def wait_for_line(path: Path, process: subprocess.Popen, until: float) -> None:
    """Waits until a file has a complete line.

    Raises:
        RuntimeError: If the process ends first, or the time is over.
    """
    while not (path.exists() and b"\n" in path.read_bytes()):
        if process.poll() is not None:
            raise RuntimeError(f"the train command ended with exit code {process.returncode}")
        if time.perf_counter() > until:
            raise RuntimeError(f"no step within {MOST_SECONDS} s")
        time.sleep(POLL_SECONDS)
