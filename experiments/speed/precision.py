"""Compares the scores of training in bfloat16 and float32 on the synthetic data set.

`python -m experiments.speed.precision` trains the network of the quick start with fewer steps, in
both precisions and from several seeds, and writes `precision.json`. All runs take about 15 minutes
on two CPU cores. Interrupted runs are resumed.
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
from hpunet.models.fields import PRECISIONS
from hpunet.training.metrics_log import read_metrics

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
SCORES = ("val/ged", "val/hungarian_iou", "val/reconstruction_iou")
# Shorter than the quick start, with a learning rate that falls to its final value.
NUM_STEPS = 1500


def main() -> None:
    """Trains, compares and writes the results."""
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
    """Parses the flags of this script, and returns the other arguments for the train command."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--num_seeds", type=positive, default=3, help="runs of each precision")
    parser.add_argument("--num_steps", type=positive, default=NUM_STEPS, help="steps of a run")
    parser.add_argument("--workdir", type=Path, default=ROOT / "runs" / "precision")
    parser.add_argument("--out", type=Path, default=FOLDER / "precision.json")
    return parser.parse_known_args()


def train(
    folder: Path, precision: str, seed: int, num_steps: int, changes: list[str]
) -> dict[str, Any]:
    """Runs the train command; returns precision, seed, final scores and duration."""
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
        # The command has printed the reason.
        sys.exit(done.returncode)
    minutes = round((time.monotonic() - start) / 60, 2)
    scored = [line for line in read_metrics(workdir / "metrics.jsonl") if SCORES[0] in line][-1]
    scores = {name: scored[name] for name in SCORES}
    return {"precision": precision, "seed": seed, **scores, "minutes": minutes}


def compare(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Compares the means of a score in both precisions to its spread over the seeds in float32.

    Args:
        rows: All runs.
        name: Name of the score.

    Returns:
        Means; `difference` of bfloat16 from float32; `spread`, the range of the values in float32;
        and `within_spread`, whether the difference is within the spread.
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
