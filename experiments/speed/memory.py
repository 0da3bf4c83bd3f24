"""Computes the device memory of a training step of the LIDC network, in GiB.

`python -m experiments.speed.memory` compiles the step in each precision, with and without `remat`,
and writes `memory.json`. It runs no step. `kept` is the memory of activations for the backward
pass; the other values are what XLA plans for this machine's device.

The state is donated, as on a GPU. On a CPU, training does not donate it and needs the size of the
state in addition. For a CPU, XLA converts bfloat16 convolutions to float32, so the values for
bfloat16 are upper bounds. Before jax 0.12 it also merges the computations of `remat`, which cancels
the effect.
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from experiments.speed.command_line import positive
from experiments.speed.planned import planned_memory
from hpunet.config.files import find_config, load_config
from hpunet.config.settings import Settings, settings_of
from hpunet.data.pipeline import Batch
from hpunet.evaluation.provenance import provenance
from hpunet.io.errors import UserError
from hpunet.models.fields import PRECISIONS
from hpunet.models.hierarchical.network import build_network
from hpunet.models.model import build_model
from hpunet.objectives.terms import SINGLE_DEVICE
from hpunet.training.optimizer import build_optimizer
from hpunet.training.state import TrainState, build_step, init_state
from hpunet.training.task import Task, build_task

GIB = 2**30


class Step(NamedTuple):
    """A training step and the shapes of its arguments."""

    task: Task
    optimizer: optax.GradientTransformation
    state: TrainState
    batch: Batch


def build(settings: Settings, batch_size: int, size: int, precision: str, remat: bool) -> Step:
    """Builds the step of the LIDC configuration, without augmentation."""
    model = build_model(settings.model)
    network = build_network(settings.model, precision, remat)
    task = build_task(model, settings.loss, (size, size), 1, None, network)
    optimizer = build_optimizer(settings.optimizer)
    batch = Batch(
        np.zeros((batch_size, size, size, 1), np.uint8),
        np.zeros((batch_size, size, size), np.uint8),
        np.arange(batch_size, dtype=np.int32),
    )
    state = jax.eval_shape(lambda: init_state(task, optimizer, 0))
    return Step(task, optimizer, state, batch)


def kept(step: Step) -> int:
    """Computes the bytes of activations for the backward pass, on any device."""

    def backward(params: Any, state: TrainState, batch: Batch) -> Any:
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(state.key, batch.position)

        def loss(weights: Any) -> Any:
            rest = (state.variables, state.objective, batch, keys, SINGLE_DEVICE)
            return step.task.loss(weights, *rest).share

        return jax.vjp(loss, params)[1]

    leaves = jax.tree.leaves(jax.eval_shape(backward, step.state.params, step.state, step.batch))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def compiled(step: Step) -> dict[str, float]:
    """Returns the memory that XLA plans for the step on this machine's device, in GiB."""
    function = jax.jit(build_step(step.task, step.optimizer, SINGLE_DEVICE), donate_argnums=0)
    planned = planned_memory(function.lower(step.state, step.batch).compile())
    return {
        "state_and_batch": (planned["total"] - planned["temp"]) / GIB,
        "temporary": planned["temp"] / GIB,
        "total": planned["total"] / GIB,
    }


def main() -> None:
    """Writes `memory.json` to the folder of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch_size", type=positive, default=32)
    parser.add_argument("--image_size", type=positive, default=128)
    parser.add_argument("--config", default="lidc")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "memory.json")
    flags = parser.parse_args()
    try:
        settings = settings_of(load_config(find_config(flags.config)))
        settings.model.check_size(flags.image_size, flags.image_size)
    except (UserError, ValueError) as error:
        parser.error(str(error))
    rows = []
    for precision in PRECISIONS:
        for remat in (False, True):
            step = build(settings, flags.batch_size, flags.image_size, precision, remat)
            sizes = {"kept": kept(step) / GIB, **compiled(step)}
            rows.append({"precision": precision, "remat": remat, **sizes})
            print(json.dumps(rows[-1]), flush=True)
    asked = {"batch_size": flags.batch_size, "image_size": flags.image_size}
    result = {**asked, **provenance(), "rows": rows}
    flags.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
