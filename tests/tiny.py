"""A network, data and runs so small that a test of training takes seconds."""

from typing import NamedTuple

import numpy as np

from hpunet.config.training import GecoConfig, LossConfig, TopK
from hpunet.data.pipeline import Batch
from hpunet.inference.preprocessing import crop_examples
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.model import build_model
from hpunet.training.task import Task, build_task

SIZE = 8
CONFIG = HierarchicalConfig(
    latent_dims=(1, 1), channels_per_block=(4, 4, 4), convs_per_block=1, blocks_per_level=1
)
# A tenth of 4 * 64 pixels is no whole number, and few enough pixels are kept for draws to matter.
TOP_K = TopK(0.1)


class Source:
    """Examples in memory: bright squares that two annotators outline, one of them tightly."""

    def __init__(self, num_examples: int = 12, size: int = SIZE) -> None:
        rng = np.random.default_rng(1)
        self._examples = [self._draw(rng, size, i) for i in range(num_examples)]

    def _draw(self, rng, size, i):
        image = rng.integers(0, 100, (size, size, 1), dtype=np.uint8)
        annotations = np.zeros((2, size, size), np.uint8)
        row, column = rng.integers(0, size - 4, 2)
        annotations[0, row : row + 2, column : column + 2] = 1
        annotations[1, row : row + 4, column : column + 4] = 1
        image[annotations[1] > 0] += 100
        return {"image": image, "annotations": annotations, "patient": f"p{i}", "name": f"e{i}"}

    def __len__(self):
        return len(self._examples)

    def __getitem__(self, index):
        return self._examples[index]


class Parts(NamedTuple):
    task: Task
    images: object


def task(objective=None, top_k=TOP_K, l2: float = 1e-4) -> Task:
    loss = LossConfig(
        objective or GecoConfig(),
        None if top_k is None else top_k.fraction,
        top_k is not None and top_k.deterministic,
        l2,
    )
    return build_task(build_model(CONFIG), loss, (SIZE, SIZE), 1, None)


def validation_images(num_images: int = 5):
    source = Source()
    return crop_examples([source[i] for i in range(num_images)], (SIZE, SIZE))


def batch(step: int = 0, batch_size: int = 4) -> Batch:
    rng = np.random.default_rng(step)
    examples = [Source()[i] for i in rng.integers(0, 12, batch_size)]
    return Batch(
        np.stack([e["image"] for e in examples]),
        np.stack([e["annotations"][0] for e in examples]),
        np.arange(batch_size, dtype=np.int32),
    )
