"""Compares the speed of hpunet with alternatives: `python experiments/speed/run.py`.

Writes `results_DEVICE.json`, `table_DEVICE.md` and `profile_DEVICE.md`.
"""

import argparse
import functools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from experiments.speed import contest, inputs, startup, tables  # noqa: E402
from experiments.speed.command_line import one_of, positive, several  # noqa: E402
from experiments.speed.host import output_of  # noqa: E402
from experiments.speed.program import NUM_SAMPLES  # noqa: E402
from experiments.speed.worker import VARIANTS  # noqa: E402
from hpunet.io.atomic import written_whole  # noqa: E402
from hpunet.models.fields import PRECISIONS  # noqa: E402

ON_HOST = ("imports", "initialisation", "pipeline", "scores")
MEASUREMENTS = (*ON_HOST, "startup", *contest.PROGRAMS, "profile")
# Batch sizes of training, and of sampling and encoding.
BATCH_SIZES_CPU, BATCH_SIZES_GPU = (1, 4, 8), (8, 32, 64)
SAMPLE_BATCH_SIZES_CPU, SAMPLE_BATCH_SIZES_GPU = (1, 4), (1, 32)
# An idle worker that uses more of a core disturbs the others.
MOST_IDLE_CPU = 0.02
PROVENANCE = (
    "import json; from hpunet.evaluation.provenance import provenance; "
    "print(json.dumps(provenance()))"
)


def main() -> int:
    """Measures; the exit code is 1 if the values of a variant differ."""
    flags = parse_flags()
    with tempfile.TemporaryDirectory(prefix="hpunet-speed-") as scratch:
        return Measuring(flags, Path(scratch)).run()


def parse_flags() -> argparse.Namespace:
    """Parses the flags of this command."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    sizes = several(positive)
    parser.add_argument("--batch_sizes", type=sizes, help="of training; 1,4,8, on a GPU 8,32,64")
    parser.add_argument("--sample_batch_sizes", type=sizes, help="of sampling; 1,4, on a GPU 1,32")
    parser.add_argument("--rounds", type=positive, default=7, help="turns per variant")
    for name, allowed in (
        ("variants", VARIANTS),
        ("precisions", PRECISIONS),
        ("only", MEASUREMENTS),
    ):
        text = f"of {','.join(allowed)}"
        parser.add_argument(f"--{name}", type=several(one_of(allowed)), default=allowed, help=text)
    parser.add_argument("--model", choices=inputs.MODELS, default="lidc")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    flags = parser.parse_args()
    if contest.REFERENCE not in flags.variants:
        parser.error(f"--variants: {contest.REFERENCE} must be among them, ratios are to it")
    return flags


class Measuring:
    """One run of this command; results are written after every measurement."""

    def __init__(self, flags: argparse.Namespace, scratch: Path) -> None:
        """Creates the inputs and determines the device."""
        self._flags, self._scratch = flags, scratch
        self._say("inputs")
        module(["inputs", str(scratch), flags.model], {"JAX_PLATFORMS": "cpu"})
        made_with = json.loads(output_of([sys.executable, "-c", PROVENANCE]))
        self._kind = re.sub(r"\W+", "_", made_with["device"].lower())
        on_cpu = self._kind == "cpu"
        self._sizes = flags.batch_sizes or (BATCH_SIZES_CPU if on_cpu else BATCH_SIZES_GPU)
        default = SAMPLE_BATCH_SIZES_CPU if on_cpu else SAMPLE_BATCH_SIZES_GPU
        self._sample_sizes = flags.sample_batch_sizes or default
        self._results: dict[str, Any] = {**made_with, "machine": machine(), "model": flags.model}
        self._results |= {"rounds": flags.rounds, "startup_batch_size": self._middle_size()}
        self._results |= dict.fromkeys((*ON_HOST, "startup", "profile"))
        self._results |= {"left_out": {}, "checks": {}, "idle_cpu_share": {}, "timings": []}

    def run(self) -> int:
        """Runs all selected measurements."""
        failures: list[str] = []
        for name in ON_HOST:
            self._attempt(name, functools.partial(self._host, name))
        self._attempt("startup", self._startup)
        for precision in self._flags.precisions:
            failures += self._contests(precision)
        self._attempt("profile", self._profile)
        self._write()
        print(tables.table(self._results))
        self._say(f"results and tables: {self._flags.out}")
        for failure in failures:
            print(f"NOT THE SAME: {failure}", file=sys.stderr)
        return 1 if failures else 0

    def _attempt(self, name: str, measure: Callable[[], Any]) -> None:
        """Runs a measurement, or records the reason for its failure."""
        if name not in self._flags.only:
            self._results["left_out"][name] = "not asked for"
            return
        self._say(name)
        try:
            self._results[name] = measure()
        except (RuntimeError, subprocess.CalledProcessError) as error:
            self._results["left_out"][name] = reason(error)
            self._say(f"{name} failed: {reason(error)}")
        self._write()

    def _host(self, name: str) -> Any:
        return json.loads(module(["host", str(self._scratch), name], {"JAX_PLATFORMS": "cpu"}))

    def _startup(self) -> dict[str, float]:
        module(["host", str(self._scratch), "prepare"], {"JAX_PLATFORMS": "cpu"})
        return startup.first_steps(self._scratch, self._middle_size())

    def _profile(self) -> list[dict[str, Any]]:
        entries = []
        for precision in self._flags.precisions:
            size = self._middle_size()
            text = module(["parts", str(self._scratch), precision, str(size)], {}, whole=True)
            lines = [json.loads(line) for line in text.splitlines()]
            entries.append({"precision": precision, "batch_size": size, "parts": lines})
        return entries

    def _middle_size(self) -> int:
        return self._sizes[len(self._sizes) // 2]

    def _contests(self, precision: str) -> list[str]:
        """Checks all variants, then times them in turn."""
        names = [name for name in contest.PROGRAMS if name in self._flags.only]
        if not names:
            return []
        with contest.clients(self._flags.variants, precision, self._scratch) as workers:
            self._say(f"check, {precision}")
            found = contest.compare(workers, self._scratch)
            self._results["checks"][precision] = found
            for name in names:
                for size in self._sizes if name == "train" else self._sample_sizes:
                    self._say(f"{name}, {size} images, {precision}")
                    timing = contest.measure(workers, name, size, self._flags.rounds)
                    add_rates(timing)
                    self._results["timings"].append({"precision": precision, **timing})
                    self._write()
            self._note_workers(workers, precision)
        # Variants round differently in bfloat16, so the differences are only recorded.
        return contest.too_far(found) if precision == "float32" else []

    def _note_workers(self, workers: dict[str, Any], precision: str) -> None:
        """Records versions, and processor time of idle workers."""
        alive = {k: w for k, w in workers.items() if isinstance(w, contest.Client)}
        for variant, worker in alive.items():
            self._results["packages"] |= {k: v for k, v in worker.facts.items() if k == "torch"}
            self._results["idle_cpu_share"][f"{variant} {precision}"] = worker.idle_cpu_share()
            if worker.idle_cpu_share() > MOST_IDLE_CPU:
                self._say(f"{variant} used {worker.idle_cpu_share():.0%} of a core while idle")

    def _write(self) -> None:
        out, results = self._flags.out, rounded(self._results)
        out.mkdir(parents=True, exist_ok=True)
        files = {
            f"results_{self._kind}.json": json.dumps(results, indent=1) + "\n",
            f"table_{self._kind}.md": tables.table(results),
        }
        if results["profile"]:
            files[f"profile_{self._kind}.md"] = tables.profiles(results["profile"])
        for name, text in files.items():
            with written_whole(out / name) as file:
                file.write(text.encode())

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def add_rates(timing: dict[str, Any]) -> None:
    """Adds images and samples per second, and FLOP/s by XLA's count of the plain step."""
    contestants, images = timing["contestants"], timing["batch_size"]
    flops = contestants.get("plain", {}).get("program", {}).get("flops")
    timing["flops"] = flops
    for result in contestants.values():
        if "seconds" not in result:
            continue
        if timing["measurement"] == "sample":
            result["samples_a_second"] = NUM_SAMPLES * images / result["seconds"]
        else:
            result["images_a_second"] = images / result["seconds"]
        if flops:
            result["gflop_a_second"] = flops / result["seconds"] / 1e9


def module(words: Sequence[str], variables: dict[str, str], whole: bool = False) -> str:
    """Runs a module of this folder and returns its last line or its whole output."""
    return output_of(
        [sys.executable, "-m", f"experiments.speed.{words[0]}", *words[1:]], variables, whole
    )


def reason(error: Exception) -> str:
    """Returns the reason for a failure of a process in one line."""
    stderr = getattr(error, "stderr", None)
    return stderr.strip().splitlines()[-1] if stderr else str(error)


def machine() -> dict[str, Any]:
    """Returns processor, cores and memory."""
    names = [platform.processor() or platform.machine()]
    if Path("/proc/cpuinfo").exists():
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        names = re.findall(r"model name\s*: (.*)", text) or names
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": names[0], "cores": os.cpu_count(), "memory_gib": round(memory)}


def rounded(value: Any) -> Any:
    """Rounds the floats of a tree to five digits."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
