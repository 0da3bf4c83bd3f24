"""Whether training in bfloat16 ends with float32's scores, on the synthetic data set.

`python -m experiments.speed.precision` trains the quick start's network, shortened, in both
precisions from several seeds and writes `precision.json`. All runs take about 15 minutes on two CPU
cores; one that was broken off goes on.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from experiments.speed.command_line import positive
from hpunet.evaluation.provenance import provenance
from hpunet.models.base import PRECISIONS
from hpunet.training.metrics_log import read_metrics

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
SCORES = ("val/ged", "val/hungarian_iou", "val/reconstruction_iou")
# Shorter than the quick start; the rate falls to its end all the same.
NUM_STEPS = 1500


def main() -> None:
    """Trains, compares and writes the result."""
    flags, changes = parse_flags()
    rows = [
        train(flags.workdir, precision, seed, flags.num_steps, changes)
        for seed in range(flags.num_seeds)
        for precision in PRECISIONS
    ]
    result = {
        "num_steps": flags.num_steps,
        "changes": changes,
        **provenance(),
        "scores": {name: compare(rows, name) for name in SCORES},
        "runs": rows,
    }
    flags.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result["scores"], indent=2))


def parse_flags() -> tuple[argparse.Namespace, list[str]]:
    """This script's flags, and the words for the train command."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--num_seeds", type=positive, default=3, help="runs of each precision")
    parser.add_argument("--num_steps", type=positive, default=NUM_STEPS, help="steps of a run")
    parser.add_argument("--workdir", type=Path, default=ROOT / "runs" / "precision")
    parser.add_argument("--out", type=Path, default=FOLDER / "precision.json")
    return parser.parse_known_args()


def train(
    folder: Path, precision: str, seed: int, num_steps: int, changes: list[str]
) -> dict[str, Any]:
    """One run of the train command: its precision, seed, scores at the end and duration."""
    workdir = folder / f"{precision}_{seed}"
    words = [sys.executable, "-m", "hpunet.train", "--config=synthetic", f"--workdir={workdir}"]
    keys = {
        "precision": precision,
        "seed": seed,
        "num_steps": num_steps,
        "optimizer.decay_steps": num_steps,
        "evaluate_every": num_steps,
    }
    words += [f"--config.{name}={value}" for name, value in keys.items()]
    start = time.monotonic()
    done = subprocess.run([*words, *changes], cwd=ROOT, check=False)
    if done.returncode:
        # The command has said why.
        sys.exit(done.returncode)
    minutes = round((time.monotonic() - start) / 60, 2)
    scored = [line for line in read_metrics(workdir / "metrics.jsonl") if SCORES[0] in line][-1]
    scores = {name: scored[name] for name in SCORES}
    return {"precision": precision, "seed": seed, **scores, "minutes": minutes}


def compare(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Means of a score in both precisions beside its spread over float32's seeds.

    Args:
        rows: All runs.
        name: The score.

    Returns:
        Means, `difference` of bfloat16's from float32's, and `spread`, the difference of float32's
        largest and smallest value, which `within_spread` compares it to.
    """
    values = {p: [row[name] for row in rows if row["precision"] == p] for p in PRECISIONS}
    means = {precision: statistics.fmean(found) for precision, found in values.items()}
    difference = means["bfloat16"] - means["float32"]
    spread = max(values["float32"]) - min(values["float32"])
    return {
        **means,
        "difference": difference,
        "spread": spread,
        "within_spread": abs(difference) <= spread,
    }


if __name__ == "__main__":
    main()
