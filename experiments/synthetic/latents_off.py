"""Scores the network of the quick start with all latents at the prior's mean.

Run it as `python latents_off.py WORKDIR`, after the quick start.
"""

import json
import sys
from pathlib import Path

import numpy as np

import hpunet
from hpunet.config.data import SyntheticConfig
from hpunet.data.synthetic.builder import open_dataset
from hpunet.evaluation.truth import compare_with_truth

NUM_SAMPLES = 16


def main(workdir: Path) -> None:
    """Prints the truth report of the network without its latents."""
    config = json.loads((workdir / "config.json").read_text())
    prefix = "data.synthetic."
    settings = {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}
    dataset = open_dataset(SyntheticConfig(**settings), config["data.prepared_dir"])
    test = dataset.splits["test"]
    examples = [test[i] for i in range(len(test))]
    images = np.stack([e["image"] for e in examples]).astype(np.float32) / 255
    annotations = np.stack([e["annotations"] for e in examples], axis=1)

    model, params = hpunet.load(workdir / "weights.safetensors")
    logits = model.sample(params, None, images, mean=True)
    mean = np.asarray(logits.argmax(-1), np.uint8)
    samples = np.repeat(mean, NUM_SAMPLES, axis=0)
    report = compare_with_truth(
        dataset.truth,
        samples,
        annotations,
        np.stack([e["modes"] for e in examples]),
        hpunet.metrics.ged(samples, annotations),
    )
    print(report.as_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
