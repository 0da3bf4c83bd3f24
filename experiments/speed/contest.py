"""Compares variants, each in its own process, by timing them in turn over several rounds."""

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = "hpunet"
# Minimum duration of a turn, which repeats the program.
TURN_SECONDS = 0.5
# Limits for float32 with networks of this depth and different orders of summation.
TOLERANCES = {"logits": 1e-5, "loss": 1e-5, "gradient_norm": 1e-4}
# The programs of each measurement; variants without a program do not take part.
PROGRAMS = {
    "train": ("train",),
    "sample": ("sample", "sample_encoded_once"),
    "encode": ("encode",),
}
ENCODES_ONCE = ("torch_eager", "torch_compile")


class WorkerError(Exception):
    """A request to a worker has failed; the message has one line."""


class Contestant(NamedTuple):
    """A program of a variant."""

    variant: str
    program: str

    @property
    def label(self) -> str:
        """Name of the contestant in the results."""
        once = self.program == "sample_encoded_once"
        return f"{self.variant}_encoded_once" if once else self.variant


class Client:
    """Connection to a worker process."""

    def __init__(self, variant: str, precision: str, folder: Path, log: Any) -> None:
        """Starts the worker; output of its libraries goes to `log`."""
        words = [sys.executable, "-m", "experiments.speed.worker", variant, precision, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
        self._process = subprocess.Popen(words, cwd=ROOT, env=environment(folder), **pipes)
        self._idle_cpu_s = self._idle_s = 0.0
        try:
            self.facts = self._read()
        except WorkerError:
            self.close()
            raise
        self._answered = time.monotonic()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request and waits for the answer.

        Raises:
            WorkerError: If the request fails, or the worker has ended.
        """
        assert self._process.stdin is not None
        self._idle_s += time.monotonic() - self._answered
        # If the worker has ended, `_read` reports how.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        reply = self._read()
        self._answered = time.monotonic()
        self._idle_cpu_s += reply.pop("idle_cpu_s")
        if "error" in reply:
            raise WorkerError(reply["error"])
        return reply

    def idle_cpu_share(self) -> float:
        """Returns the share of a core that the worker used while it was idle."""
        return self._idle_cpu_s / max(self._idle_s, 1e-9)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"the process ended with exit code {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """Ends the worker."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of a worker: no compilation cache, and a GPU that workers share."""
    fresh = tempfile.mkdtemp(prefix="inductor-", dir=folder)
    ours = {
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "TORCHINDUCTOR_CACHE_DIR": fresh,
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    return os.environ | ours


@contextlib.contextmanager
def clients(variants: Sequence[str], precision: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Starts one worker per variant; a failed start is represented by its `WorkerError`."""
    with contextlib.ExitStack() as stack:
        started: dict[str, Any] = {}
        for variant in variants:
            log = stack.enter_context(open(folder / f"{variant}_{precision}.log", "wb"))
            try:
                started[variant] = Client(variant, precision, folder, log)
                stack.callback(started[variant].close)
            except WorkerError as error:
                started[variant] = WorkerError(f"{error}: {last_line(Path(log.name))}")
        yield on_one_platform(started)


def on_one_platform(started: dict[str, Any]) -> dict[str, Any]:
    """Removes workers on another platform than the first one."""
    platforms = {v: w.facts["platform"] for v, w in started.items() if isinstance(w, Client)}
    first = next(iter(platforms.values()), None)
    others = {
        variant: WorkerError(f"it would run on a {platform}, the others on a {first}")
        for variant, platform in platforms.items()
        if platform != first
    }
    return started | others


def last_line(path: Path) -> str:
    """Returns the last line of a log."""
    return (path.read_text(encoding="utf-8", errors="replace").splitlines() or [""])[-1]


def compare(workers: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Computes relative differences of logits, loss and gradient norm from those of hpunet."""
    found: dict[str, Any] = {}
    values = {}
    for variant, worker in workers.items():
        out = folder / f"check_{variant}.npz"
        try:
            if isinstance(worker, WorkerError):
                raise worker
            worker.ask(do="check", out=str(out))
        except WorkerError as error:
            found[variant] = {"error": str(error)}
            continue
        with np.load(out) as arrays:
            values[variant] = dict(arrays)
    expected = values.pop(REFERENCE, None)
    for variant, computed in values.items():
        found[variant] = (
            {"error": f"nothing of {REFERENCE} to compare with"}
            if expected is None
            else {name: relative(computed[name], expected[name]) for name in TOLERANCES}
        )
    return found


def relative(values: np.ndarray, expected: np.ndarray) -> float:
    """Computes the largest difference divided by the largest value."""
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def too_far(found: dict[str, Any]) -> list[str]:
    """Describes the differences of `compare` that exceed the limits."""
    return [
        f"{variant}: {name} differs by {found[variant][name]:.1e}, allowed is {most:.0e}"
        for variant in found
        for name, most in TOLERANCES.items()
        # Negated so that NaN exceeds the limit.
        if "error" not in found[variant] and not found[variant][name] <= most
    ]


def measure(
    workers: dict[str, Any], measurement: str, batch_size: int, rounds: int
) -> dict[str, Any]:
    """Times the programs of a measurement in turn.

    Args:
        workers: Result of `clients`.
        measurement: A key of `PROGRAMS`.
        batch_size: Number of images.
        rounds: Number of turns per program.

    Returns:
        For each contestant, the median time in seconds, the times of all rounds and facts on the
        program, or `error`; and the ratios of the times to hpunet's, by round.
    """
    everyone = contestants(workers, measurement)
    results = {c.label: prepare(workers[c.variant], c, batch_size) for c in everyone}
    for _ in range(rounds):
        for contestant in everyone:
            result = results[contestant.label]
            if "error" not in result:
                take_turn(workers[contestant.variant], contestant, batch_size, result)
    for contestant in everyone:
        result = results[contestant.label]
        if "error" not in result:
            result["seconds"] = statistics.median(result["rounds_s"])
    for worker in workers.values():
        # A dead worker's failure is recorded at its turn.
        with contextlib.suppress(WorkerError):
            if isinstance(worker, Client):
                worker.ask(do="forget")
    heading = {"measurement": measurement, "batch_size": batch_size}
    return {**heading, "contestants": results, "ratios": ratios(results)}


def take_turn(
    worker: Client, contestant: Contestant, batch_size: int, result: dict[str, Any]
) -> None:
    """Times a program once and records the time in its result."""
    repeats = max(1, math.ceil(TURN_SECONDS / result["once_s"]))
    turn = {"name": contestant.program, "batch_size": batch_size, "repeats": repeats}
    try:
        result["rounds_s"].append(worker.ask(do="run", **turn)["seconds"])
    except WorkerError as error:
        result["error"] = str(error)


def contestants(workers: dict[str, Any], measurement: str) -> list[Contestant]:
    """Lists the contestants in the order of their turns."""
    return [
        Contestant(variant, program)
        for variant in workers
        for program in PROGRAMS[measurement]
        if program != "sample_encoded_once" or variant in ENCODES_ONCE
    ]


def prepare(worker: Any, contestant: Contestant, batch_size: int) -> dict[str, Any]:
    """Builds a program and runs it once; returns facts on it, or `error`."""
    try:
        if isinstance(worker, WorkerError):
            raise worker
        facts = worker.ask(do="prepare", name=contestant.program, batch_size=batch_size)
        return {**facts, "rounds_s": []}
    except WorkerError as error:
        return {"error": str(error)}


def ratios(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Computes ratios of times to hpunet's: median, minimum and maximum over the rounds."""
    reference = results.get(REFERENCE, {})
    ours = reference["rounds_s"] if "seconds" in reference else None
    found = {}
    for label, result in results.items():
        if ours and label != REFERENCE and "seconds" in result:
            times = [a / b for a, b in zip(result["rounds_s"], ours, strict=True)]
            median = statistics.median(times)
            found[label] = {"median": median, "least": min(times), "most": max(times)}
    return found
