"""Measures the growth of time and memory of steps and samples.

`python -m experiments.speed.growth` measures each point in its own process, one after the other.
It writes `growth.json`, `growth_table.md` and `growth.png`; `GROWTH.md` explains them.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments.speed import growth_figure, growth_table
from experiments.speed.command_line import one_of, positive, several
from experiments.speed.growth_point import Point
from hpunet.evaluation.provenance import provenance
from hpunet.figures.saving import save
from hpunet.models.fields import PRECISIONS
from hpunet.models.hierarchical.config import LIDC_CHANNELS

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PARTS = ("batch", "size", "levels", "samples", "devices")
SIZES = {"lidc": 128, "tiny": 16}
# One level fewer than the LIDC network: 64 pixels cannot be halved seven times.
LEVELS_OF_SIZES = {"lidc": 7, "tiny": 3}
LEVELS = {"lidc": 8, "tiny": 4}
LEVELS_BATCH = 4


def main() -> None:
    """Measures the points that the flags select and writes the results."""
    flags = parse_flags()
    results: dict[str, Any] = {"points": []}
    for part, point in list_points(flags):
        print(f"{part}: {point}", file=sys.stderr, flush=True)
        results["points"].append({"part": part, **point._asdict(), **measure_apart(point)})
    # Imported late: it occupies the device, which the points need.
    results = {"made_with": provenance(), "cpus": os.cpu_count(), **results}
    flags.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1) + "\n"
    (flags.out / "growth.json").write_text(text, encoding="utf-8")
    table = growth_table.table(results["points"])
    (flags.out / "growth_table.md").write_text(table, encoding="utf-8")
    save(growth_figure.draw(results["points"]), flags.out / "growth.png")
    print(table)


def parse_flags() -> argparse.Namespace:
    """Parses the flags of this command."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    numbers = several(positive)
    parser.add_argument(
        "--parts", type=several(one_of(PARTS)), default=PARTS, help=", ".join(PARTS)
    )
    parser.add_argument("--network", choices=LEVELS, default="lidc", help="tiny is for tests")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument(
        "--remat", action="store_true", help="recompute levels in the backward pass"
    )
    parser.add_argument("--batch_sizes", type=numbers, default=(1, 4, 16, 64))
    parser.add_argument("--sizes", type=numbers, default=(64, 128, 256, 512))
    parser.add_argument("--levels", type=numbers, default=(3, 4, 5, 6, 7, 8))
    parser.add_argument("--samples", type=numbers, default=(1, 4, 16, 64))
    parser.add_argument("--devices", type=numbers, default=(1, 2, 4, 8))
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="duration of the repeats per point"
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the results")
    flags = parser.parse_args()
    most = len(LIDC_CHANNELS)
    if not set(flags.levels) <= set(range(2, most + 1)):
        parser.error(f"--levels: allowed are 2 to {most}")
    return flags


def list_points(flags: argparse.Namespace) -> list[tuple[str, Point]]:
    """Lists the points with their parts."""
    base = Point(
        kind="train",
        size=SIZES[flags.network],
        num_levels=LEVELS[flags.network],
        network=flags.network,
        precision=flags.precision,
        remat=flags.remat,
        budget_s=flags.seconds,
    )
    flat = base._replace(num_levels=LEVELS_OF_SIZES[flags.network])
    deep = base._replace(batch_size=LEVELS_BATCH)
    shared = base._replace(batch_size=max(flags.devices))
    talking = shared._replace(kind="asked", num_devices=max(flags.devices))
    parts = {
        "batch": [base._replace(batch_size=n) for n in flags.batch_sizes],
        "size": [flat._replace(size=n) for n in flags.sizes],
        "levels": [deep._replace(num_levels=n) for n in flags.levels],
        "samples": [base._replace(kind="sample", num_samples=n) for n in flags.samples],
        "devices": [
            *(shared._replace(kind="devices", num_devices=n) for n in flags.devices),
            *(talking._replace(num_levels=n) for n in (min(flags.levels), max(flags.levels))),
        ],
    }
    return [(part, point) for part in flags.parts for point in parts[part]]


# The LIDC network with all levels is also a point of the batch sizes.
@functools.cache
def measure_apart(point: Point) -> dict[str, Any]:
    """Measures a point in its own process; returns the results or the reason of a failure."""
    environment = dict(os.environ)
    if point.kind in ("devices", "asked"):
        # Only a CPU can simulate any number of devices; the collectives are the same.
        given = environment.get("XLA_FLAGS", "")
        count = f"--xla_force_host_platform_device_count={point.num_devices}"
        environment |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": f"{given} {count}"}
        # Code that never runs need not be fast.
        environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
    command = [sys.executable, "-m", "experiments.speed.growth_point", json.dumps(point._asdict())]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return {"reason": f"ended with {done.returncode}: {last[:300]}"}
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
