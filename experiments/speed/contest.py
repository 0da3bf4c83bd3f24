"""Variants side by side: each in its own process, asked in turn, round after round."""

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
# A turn repeats what it times until it takes so long.
TURN_SECONDS = 0.5
# float32 does not hold more of networks this deep, and orders of summation differ.
TOLERANCES = {"logits": 1e-5, "loss": 1e-5, "gradient_norm": 1e-4}
# The programs of each measurement; a variant without one does not take part in it.
PROGRAMS = {
    "train": ("train",),
    "sample": ("sample", "sample_encoded_once"),
    "encode": ("encode",),
}
ENCODES_ONCE = ("torch_eager", "torch_compile")


class WorkerError(Exception):
    """What a worker could not do, in a line."""


class Contestant(NamedTuple):
    """A program of a variant."""

    variant: str
    program: str

    @property
    def label(self) -> str:
        """Its name in the results."""
        once = self.program == "sample_encoded_once"
        return f"{self.variant}_encoded_once" if once else self.variant


class Client:
    """The other end of a worker's pipes."""

    def __init__(self, variant: str, precision: str, folder: Path, log: Any) -> None:
        """Starts the worker; what its libraries print goes to `log`."""
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
            WorkerError: If the worker could not do it, or is gone.
        """
        assert self._process.stdin is not None
        self._idle_s += time.monotonic() - self._answered
        # Of a worker that is gone, `_read` tells how it ended.
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
        """Share of a core that the worker used while nothing was asked of it."""
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
    """Variables of a worker: nothing compiled before, and a GPU that several can share."""
    fresh = tempfile.mkdtemp(prefix="inductor-", dir=folder)
    ours = {
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "TORCHINDUCTOR_CACHE_DIR": fresh,
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    return os.environ | ours


@contextlib.contextmanager
def clients(variants: Sequence[str], precision: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Starts a worker a variant; one that does not start stands there as its `WorkerError`."""
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
    """Leaves out whoever computes elsewhere than the first that started, a GPU or a CPU."""
    platforms = {v: w.facts["platform"] for v, w in started.items() if isinstance(w, Client)}
    first = next(iter(platforms.values()), None)
    others = {
        variant: WorkerError(f"it would run on a {platform}, the others on a {first}")
        for variant, platform in platforms.items()
        if platform != first
    }
    return started | others


def last_line(path: Path) -> str:
    """The last line of a log."""
    return (path.read_text(encoding="utf-8", errors="replace").splitlines() or [""])[-1]


def compare(workers: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Differences of each variant's logits, loss and gradient norm from hpunet's, relative."""
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
    """The largest difference over the largest value."""
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def too_far(found: dict[str, Any]) -> list[str]:
    """Which of `compare`'s differences are not allowed, in words; what failed has none."""
    return [
        f"{variant}: {name} differs by {found[variant][name]:.1e}, allowed is {most:.0e}"
        for variant in found
        for name, most in TOLERANCES.items()
        # Written so that NaN is too far.
        if "error" not in found[variant] and not found[variant][name] <= most
    ]


def measure(
    workers: dict[str, Any], measurement: str, batch_size: int, rounds: int
) -> dict[str, Any]:
    """Times a measurement's programs in turn.

    Args:
        workers: What `clients` gives.
        measurement: A key of `PROGRAMS`.
        batch_size: Images.
        rounds: How often everyone has a turn.

    Returns:
        For each contestant its median in seconds, those of all rounds, and what is known of it; or
        `error`. Besides, how many times hpunet's time each took, round by round.
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
        # What a dead worker cannot do was noted at its turn.
        with contextlib.suppress(WorkerError):
            if isinstance(worker, Client):
                worker.ask(do="forget")
    heading = {"measurement": measurement, "batch_size": batch_size}
    return {**heading, "contestants": results, "ratios": ratios(results)}


def take_turn(
    worker: Client, contestant: Contestant, batch_size: int, result: dict[str, Any]
) -> None:
    """Times a program once more and notes it in its result."""
    repeats = max(1, math.ceil(TURN_SECONDS / result["once_s"]))
    turn = {"name": contestant.program, "batch_size": batch_size, "repeats": repeats}
    try:
        result["rounds_s"].append(worker.ask(do="run", **turn)["seconds"])
    except WorkerError as error:
        result["error"] = str(error)


def contestants(workers: dict[str, Any], measurement: str) -> list[Contestant]:
    """Who takes part, in the order of their turns."""
    return [
        Contestant(variant, program)
        for variant in workers
        for program in PROGRAMS[measurement]
        if program != "sample_encoded_once" or variant in ENCODES_ONCE
    ]


def prepare(worker: Any, contestant: Contestant, batch_size: int) -> dict[str, Any]:
    """Builds a program and warms it up; gives what is known of it, or `error`."""
    try:
        if isinstance(worker, WorkerError):
            raise worker
        facts = worker.ask(do="prepare", name=contestant.program, batch_size=batch_size)
        return {**facts, "rounds_s": []}
    except WorkerError as error:
        return {"error": str(error)}


def ratios(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """How many times as long as hpunet the others took: median, least and most of the rounds."""
    reference = results.get(REFERENCE, {})
    ours = reference["rounds_s"] if "seconds" in reference else None
    found = {}
    for label, result in results.items():
        if ours and label != REFERENCE and "seconds" in result:
            times = [a / b for a, b in zip(result["rounds_s"], ours, strict=True)]
            median = statistics.median(times)
            found[label] = {"median": median, "least": min(times), "most": max(times)}
    return found
