"""Runs one variant in its own process; requests and answers are lines of JSON.

    python -m experiments.speed.worker VARIANT PRECISION FOLDER

`{"do": "check", "out": FILE}` writes logits, loss and gradient norm. `{"do": "prepare", "name":
"train", "batch_size": 4}` builds a program and runs it twice; `{"do": "run", ..., "repeats": 2}`
times it; `{"do": "forget"}` drops all programs. The answer to a failed request is `error`.
"""

import gc
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.speed.program import Program
from hpunet.runtime import memory as host_memory

VARIANTS = ("hpunet", "plain", "torch_eager", "torch_compile")


def build_variant(variant: str, precision: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    """Builds a variant; returns it with its device and versions."""
    if variant.startswith("torch"):
        module = importlib.import_module("experiments.speed.torch_variants")
        built = module.TorchVariant(folder, precision, variant == "torch_compile")
    else:
        if variant == "hpunet":
            # As in the commands of hpunet.
            host_memory.keep_freed()
        module = importlib.import_module("experiments.speed.jax_variants")
        built = (module.Plain if variant == "plain" else module.JaxVariant)(folder, precision)
    return built, module.device_facts()


class Worker:
    """Holds the programs of a variant and answers requests."""

    def __init__(self, variant: Any) -> None:
        """Starts without programs."""
        self._variant = variant
        self._programs: dict[tuple[str, int], Program] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answers a request."""
        action = getattr(self, f"_{request['do']}")
        return action(**{k: v for k, v in request.items() if k != "do"})

    def _check(self, out: str) -> dict[str, Any]:
        np.savez(out, **self._variant.check())
        return {}

    def _prepare(self, name: str, batch_size: int) -> dict[str, Any]:
        build = getattr(self._variant, name)
        start = time.perf_counter()
        program = build(batch_size)
        program.run(1)
        first = time.perf_counter() - start
        self._programs[name, batch_size] = program
        once = self._run(name, batch_size, 1)["seconds"]
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"first_call_s": first, "once_s": once, "peak_rss_bytes": rss, **program.facts()}

    def _run(self, name: str, batch_size: int, repeats: int) -> dict[str, Any]:
        start = time.perf_counter()
        self._programs[name, batch_size].run(repeats)
        return {"seconds": (time.perf_counter() - start) / repeats}

    def _forget(self) -> dict[str, Any]:
        self._programs.clear()
        gc.collect()
        return {}


def serve(variant: str, precision: str, folder: Path) -> None:
    """Answers requests from standard input until it ends."""
    # Output of libraries must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    built, facts = build_variant(variant, precision, folder)
    worker = Worker(built)
    answers.write(json.dumps(facts) + "\n")
    answers.flush()
    finished = time.process_time()
    for line in sys.stdin:
        idle_cpu = time.process_time() - finished
        try:
            reply = worker.answer(json.loads(line))
        except Exception as error:
            first_line = (str(error).splitlines() or [""])[0]
            reply = {"error": f"{type(error).__name__}: {first_line}"}
        answers.write(json.dumps({**reply, "idle_cpu_s": idle_cpu}) + "\n")
        answers.flush()
        finished = time.process_time()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
