"""Averages the metrics of a run over every hundred steps: `python summarise.py WORKDIR`."""

import json
import sys
from pathlib import Path

from hpunet import figures
from hpunet.training.metrics_log import read_metrics

WINDOW = 100
KAPPA = 0.05
QUANTITIES = ("rec_loss_mean", "kl_sum", "kl_0", "kl_1", "kl_2", "kl_3", "lagrange_multiplier")


def main(workdir: Path) -> None:
    """Writes `results.json` and `course.png` to the folder of this script."""
    lines = read_metrics(workdir / "metrics.jsonl")
    steps = [line for line in lines if "loss" in line]
    windows = []
    for start in range(0, len(steps), WINDOW):
        window = steps[start : start + WINDOW]
        means = {q: sum(line[q] for line in window) / len(window) for q in QUANTITIES}
        windows.append({"steps": [window[0]["step"], window[-1]["step"]], **means})
    scores = {name: v for line in lines for name, v in line.items() if name.startswith("val/")}
    here = Path(__file__).parent
    result = {"windows": windows, "validation": scores}
    (here / "results.json").write_text(json.dumps(result, indent=2) + "\n")
    figures.save(figures.training_curves(lines, kappa=KAPPA), here / "course.png")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
