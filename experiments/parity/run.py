"""Compares everything with the reference's values: `python experiments/parity/run.py`.

Writes `results.json` and the tables `summary.md` and `table.md` to this folder. Without TensorFlow,
the comparisons that need it are skipped, and the results list them.
"""

import datetime
import importlib.metadata
import importlib.util
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE)]

import tables  # noqa: E402

from hpunet.evaluation.provenance import provenance  # noqa: E402
from tests import golden_reference  # noqa: E402
from tests.parity import conversion, network, training  # noqa: E402
from tests.parity.comparison import Comparison  # noqa: E402

WITHOUT_TENSORFLOW = (
    "left out, because TensorFlow is not installed: a checkpoint of the LIDC network written by "
    "TensorFlow, and checkpoints written back"
)


def main() -> int:
    """Compares and writes the results; the exit code is 0 if all differences are allowed."""
    start = time.monotonic()
    comparisons = []
    for comparison in compare_all():
        comparisons.append(comparison)
        if not comparison.passes:
            print(f"NOT ALLOWED: {comparison}", file=sys.stderr)
    text = tables.as_json(describe(comparisons, time.monotonic() - start))
    # The tables use the rounded values of the file.
    results = json.loads(text)
    write("results.json", text)
    write("summary.md", tables.summary(results))
    write("table.md", tables.table(results))
    print(tables.summary(results))
    return 0 if all(c.passes for c in comparisons) else 1


def compare_all() -> Iterator[Comparison]:
    """Runs all comparisons, with progress on stderr."""
    for name in golden_reference.NAMES:
        print(f"{name}: network, losses, training", file=sys.stderr)
        golden = golden_reference.load(name)
        yield from network.samples(golden)
        yield from network.posterior_pass(golden)
        yield from network.public_interface(golden)
        for variant, masked in itertools.product(network.VARIANTS, (False, True)):
            yield from network.cross_entropies(golden, variant, masked)
        yield from network.regularisation(golden)
        yield from training.training(golden)
    with tempfile.TemporaryDirectory() as scratch:
        print("small: checkpoint", file=sys.stderr)
        small = golden_reference.load("small")
        yield from conversion.conversion(small, conversion.CHECKPOINT, Path(scratch) / "small")
        if has_tensorflow():
            yield from compare_with_tensorflow(Path(scratch))


def compare_with_tensorflow(scratch: Path) -> Iterator[Comparison]:
    """Compares checkpoints that TensorFlow writes and reads."""
    print("lidc: checkpoint; both written back for TensorFlow", file=sys.stderr)
    lidc = golden_reference.load("lidc")
    checkpoint = conversion.write_with_tensorflow(lidc, scratch / "tensorflow" / "lidc.ckpt")
    yield from conversion.conversion(lidc, checkpoint, scratch / "lidc")
    for golden in (golden_reference.load("small"), lidc):
        yield from conversion.back_to_tensorflow(golden, scratch / golden.name)


def has_tensorflow() -> bool:
    """Returns whether TensorFlow is installed."""
    return importlib.util.find_spec("tensorflow") is not None


def describe(comparisons: list[Comparison], seconds: float) -> dict[str, Any]:
    """Adds machine and versions to the comparisons."""
    made_with = provenance()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": made_with["commit"],
        "code": made_with["code"],
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "platform": platform.platform()},
        "python": made_with["python"],
        "packages": made_with["packages"] | {"tensorflow": tensorflow_version()},
        "minutes": round(seconds / 60, 1),
        "left_out": [] if has_tensorflow() else [WITHOUT_TENSORFLOW],
        "comparisons": [c._asdict() for c in comparisons],
    }


def cpu() -> str:
    """Returns the processor's name on Linux, otherwise its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def tensorflow_version() -> str | None:
    """Returns the version of TensorFlow if it is installed."""
    return importlib.metadata.version("tensorflow") if has_tensorflow() else None


def write(name: str, text: str) -> None:
    """Writes a complete file to this folder."""
    part = HERE / f".{name}.part"
    part.write_text(text, encoding="utf-8")
    part.replace(HERE / name)


if __name__ == "__main__":
    sys.exit(main())
