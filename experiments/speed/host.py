"""Measures work of the host: imports, initial weights, reading, scores.

    python -m experiments.speed.host FOLDER NAME

prints the results as JSON.
"""

import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.speed import inputs
from experiments.speed.program import NUM_SAMPLES

ROOT = Path(__file__).resolve().parents[2]
MEASURED_SECONDS = 2.0
REPEATS = 3
NUM_IMAGES = 8
NUM_ANNOTATORS = 4
WORKERS = (0, 1, 2)
IMPORTS = ("import hpunet", "import hpunet; hpunet.build_model", "import hpunet.train")


def configuration(folder: Path) -> dict[str, Any]:
    """Returns the keys of a short training on a few synthetic images."""
    settings = inputs.read_settings(folder)
    size, shape = settings["size"], settings["model"].items()
    return {
        "data.name": "synthetic",
        "data.prepared_dir": str(folder / "data"),
        "data.crop": size,
        # Smaller ones are not drawn.
        "data.synthetic.image_size": max(32, size),
        "data.synthetic.num_train": 64,
        "data.synthetic.num_val": 8,
        "data.synthetic.num_test": 8,
        **{f"model.{k}": tuple(v) if isinstance(v, list) else v for k, v in shape},
    }


def prepare(folder: Path) -> None:
    """Prepares the data set in advance."""
    training_split(folder)


def training_split(folder: Path) -> Any:
    """Opens the training split, after preparing it if necessary."""
    from hpunet.config.settings import default_config, settings_of
    from hpunet.data.open import open_data

    config = default_config()
    config.update_from_flattened_dict(configuration(folder))
    return open_data(settings_of(config)).splits["train"]


def pipeline(folder: Path) -> dict[str, Any]:
    """Measures images read per second by the number of reading processes; 0 is a thread."""
    from absl import flags

    from hpunet.data.pipeline import training_batches

    # Grain reads them.
    flags.FLAGS.mark_as_parsed()
    source = training_split(folder)
    found = {}
    for workers in WORKERS:
        batches = training_batches(source, NUM_IMAGES, inputs.SEED, num_workers=workers)
        rate = images_a_second(functools.partial(next, batches), NUM_IMAGES, warm_up=10)
        found[str(workers)] = {"images_a_second": rate, "a_worker": rate / max(1, workers)}
    return found


def scores(folder: Path) -> dict[str, Any]:
    """Measures images scored per second on one core."""
    from hpunet.metrics import ged, hungarian_iou

    size = inputs.read_settings(folder)["size"]
    _, labels = inputs.images(NUM_IMAGES * (NUM_SAMPLES + NUM_ANNOTATORS), size)
    sets = labels.reshape(-1, NUM_IMAGES, size, size)
    samples, annotations = sets[:NUM_SAMPLES], sets[NUM_SAMPLES:]
    one_by_one = {
        score.__name__: images_a_second(functools.partial(score, samples, annotations), NUM_IMAGES)
        for score in (ged, hungarian_iou)
    }
    both = 1 / sum(1 / rate for rate in one_by_one.values())
    return {**one_by_one, "both": both, "samples": NUM_SAMPLES, "annotators": NUM_ANNOTATORS}


def images_a_second(step: Callable[[], Any], images: int, warm_up: int = 1) -> float:
    """Computes images per second from the time of a step."""
    for _ in range(warm_up):
        step()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < MEASURED_SECONDS:
        step()
        steps += 1
    return steps * images / (time.perf_counter() - start)


def imports(folder: Path) -> dict[str, float]:
    """Measures seconds of imports in a new interpreter, without its start."""
    del folder
    program = "import time; start = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"
    found = {}
    for statement in IMPORTS:
        words = [sys.executable, "-c", program.format(statement)]
        found[statement] = statistics.median(float(output_of(words)) for _ in range(REPEATS))
    return found


def output_of(
    words: Sequence[str], variables: dict[str, str] | None = None, whole: bool = False
) -> str:
    """Runs a process and returns its last line or its whole output.

    Args:
        words: The command, run in the root of the repository.
        variables: Additional environment variables.
        whole: Whether to return the whole output.
    """
    environment = os.environ | (variables or {})
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout if whole else (done.stdout.splitlines() or [""])[-1]


def initialisation(folder: Path) -> dict[str, float]:
    """Measures seconds to draw initial weights, after importing hpunet."""
    import jax

    from hpunet.models.hierarchical.config import HierarchicalConfig
    from hpunet.models.model import build_model

    settings = inputs.read_settings(folder)
    size, config = settings["size"], HierarchicalConfig(**settings["model"])
    image = np.zeros((1, size, size, 1), np.float32)
    segmentation = np.zeros((1, size, size, config.num_classes), np.float32)
    found = {}
    for name in ("first", "again"):
        start = time.perf_counter()
        jax.block_until_ready(build_model(config).init(jax.random.key(0), image, segmentation))
        found[f"{name}_s"] = time.perf_counter() - start
    return found


MEASUREMENTS: dict[str, Callable[[Path], Any]] = {
    "prepare": prepare,
    "pipeline": pipeline,
    "scores": scores,
    "imports": imports,
    "initialisation": initialisation,
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[2]](Path(sys.argv[1]))))
