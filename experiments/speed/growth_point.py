"""Measures one point of `growth.py` in its own process, which separates the memory of points.

    python -m experiments.speed.growth_point '{"kind": "train", "batch_size": 4, ...}'

Prints the results as one line of JSON.
"""

import json
import math
import os
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from configs import lidc
from experiments.speed import inputs
from experiments.speed.planned import planned_memory
from hpunet.config import settings as config
from hpunet.data.pipeline import Batch
from hpunet.inference.preprocessing import preprocess
from hpunet.models.hierarchical.config import LIDC_CHANNELS, HierarchicalConfig
from hpunet.models.hierarchical.network import build_network
from hpunet.models.model import Model, build_model
from hpunet.runtime import memory as host_memory
from hpunet.training.devices import Devices
from hpunet.training.optimizer import build_optimizer
from hpunet.training.state import build_step, init_state
from hpunet.training.task import build_task

NUM_SCALES = 4
LEAST_REPEATS, MOST_REPEATS = 2, 20
# Names before a backend combines or splits collectives, and in the text of the CPU compiler.
ASKED_FOR = re.compile(r"stablehlo\.(?:all_\w+|reduce_scatter|collective_\w+)")
KINDS = r"all-reduce|all-gather|all-to-all|reduce-scatter|collective-\w+"
COMPILED = re.compile(rf"^ *(?:ROOT )?%?\S+ = (.*?) ({KINDS})\(", re.M)
ARRAY = re.compile(r"[a-z]+(\d+)\[([\d,]*)\]")


class Point(NamedTuple):
    """The settings of a point.

    Attributes:
        kind: `train`, `sample`, `devices` (collectives of the compiled step) or `asked`
            (collectives of the step before compilation).
        batch_size: Images over all devices.
        size: Height and width in pixels.
        num_levels: Levels of the network.
        num_samples: Samples per image.
        num_devices: Number of devices that share the batch.
        network: `lidc`, or `tiny` for tests.
        precision: Number format of features.
        remat: Whether training recomputes levels in the backward pass.
        budget_s: Approximate duration of the repeats, in seconds.
    """

    kind: str
    batch_size: int = 1
    size: int = 128
    num_levels: int = 8
    num_samples: int = 1
    num_devices: int = 1
    network: str = "lidc"
    precision: str = "float32"
    remat: bool = False
    budget_s: float = 4.0


def measure(point: Point) -> dict[str, Any]:
    """Measures a point: bytes, seconds and counts."""
    figures: dict[str, Callable[[Point], dict[str, Any]]] = {
        "train": measure_training,
        "sample": measure_sampling,
        "devices": count_collectives,
        "asked": count_asked_for,
    }
    return figures[point.kind](point) | {"device": jax.local_devices()[0].device_kind}


def model_of(point: Point) -> Model:
    """Builds the first levels of the LIDC network, with as many of its four scales as fit."""
    latents = (1,) * min(NUM_SCALES, point.num_levels - 1)
    if point.network == "tiny":
        small = HierarchicalConfig(
            latents, (2,) * point.num_levels, convs_per_block=1, blocks_per_level=1
        )
        return build_model(small, point.precision)
    return build_model(
        HierarchicalConfig(latents, LIDC_CHANNELS[: point.num_levels]), point.precision
    )


def weights(model: Model) -> dict[str, dict[str, np.ndarray]]:
    """Returns constant weights; their values do not affect time and memory."""
    generator = np.random.default_rng(0)
    params: dict[str, dict[str, np.ndarray]] = {}
    for parameter in model.list_parameters(1):
        values = generator.normal(0, 0.03, parameter.shape).astype(np.float32)
        params.setdefault(parameter.module, {})[parameter.name] = values
    return params


def lower(point: Point, abstract: bool) -> tuple[Any, Any, Any]:
    """Lowers the step as the train command does; returns it with state and batch.

    Args:
        point: The settings of the point.
        abstract: Whether the state consists only of shapes, for steps that never run.
    """
    model, settings = model_of(point), config.settings_of(lidc.get_config())
    crop, optimizer = (point.size, point.size), build_optimizer(settings.optimizer)
    network = build_network(model.config, point.precision, point.remat)
    task = build_task(model, settings.loss, crop, 1, None, network)
    devices = Devices(jax.local_devices()[: point.num_devices])
    image, labels = inputs.images(point.batch_size, point.size)
    batch = devices.split(Batch(image, labels, np.arange(point.batch_size, dtype=np.int32)))
    if abstract:
        shapes = jax.eval_shape(lambda: init_state(task, optimizer, 0))
        shape = (point.num_devices,)
        state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(shape + x.shape, x.dtype), shapes)
    else:
        state = devices.replicate(init_state(task, optimizer, 0, weights(model)))
    step: Any = devices.pmap(build_step(task, optimizer, devices.collectives()))
    return step.lower(state, batch), state, batch


def measure_training(point: Point) -> dict[str, Any]:
    """Measures time and memory of a step."""
    lowered, state, batch = lower(point, abstract=False)
    compiled, compilation = compile_timed(lowered)

    def step() -> None:
        nonlocal state
        state, scalars = compiled(state, batch)
        jax.block_until_ready((state, scalars))

    figures = times(step, point.budget_s, compiled)
    return figures | {"compilation_s": compilation, "parameters": num_parameters(point)}


def num_parameters(point: Point) -> int:
    """Counts the weights of the network."""
    return sum(math.prod(p.shape) for p in model_of(point).list_parameters(1))


def measure_sampling(point: Point) -> dict[str, Any]:
    """Measures time and memory of all samples of the images."""
    model = model_of(point)
    params = jax.device_put(weights(model))
    image = preprocess(inputs.images(point.batch_size, point.size)[0])

    @jax.jit
    def draw(params: Any, key: Any, image: Any) -> Any:
        return model.sample(params, key, image, num_samples=point.num_samples)

    compiled, compilation = compile_timed(draw.lower(params, jax.random.key(0), image))

    def sample() -> None:
        jax.block_until_ready(compiled(params, jax.random.key(0), image))

    return times(sample, point.budget_s, compiled) | {"compilation_s": compilation}


def compile_timed(lowered: Any) -> tuple[Any, float]:
    """Compiles a program; returns it with the seconds of compilation."""
    start = time.perf_counter()
    compiled = lowered.compile()
    return compiled, time.perf_counter() - start


def times(run: Callable[[], None], seconds: float, compiled: Any) -> dict[str, Any]:
    """Measures median, minimum and maximum time of a program after a warm-up, and its memory."""
    lacking = memory_lacking(compiled)
    if lacking:
        return {"seconds": None, "reason": lacking, **memory(compiled)}
    run()
    taken: list[float] = []
    while len(taken) < LEAST_REPEATS or (sum(taken) < seconds and len(taken) < MOST_REPEATS):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(taken),
        "shortest_s": min(taken),
        "longest_s": max(taken),
        "repeats": len(taken),
        **memory(compiled),
    }


def memory_lacking(compiled: Any) -> str | None:
    """Returns the reason if this computer lacks memory for a program."""
    if jax.default_backend() != "cpu":
        return None
    planned = planned_memory(compiled)
    # The arguments are allocated already.
    needed, free = planned["total"] - planned["argument"], available_memory()
    return f"needs {needed} bytes of {free} that are free" if needed > free else None


def available_memory() -> int:
    """Returns the available memory in bytes, including the file cache."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    lines = dict(line.split(":") for line in meminfo.read_text(encoding="utf-8").splitlines())
    return 1024 * int(lines["MemAvailable"].split()[0])


def memory(compiled: Any) -> dict[str, Any]:
    """Returns the bytes that XLA plans, and the peak of the process or its device."""
    planned = planned_memory(compiled)
    stats = jax.local_devices()[0].memory_stats() or {}
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "planned_bytes": planned["total"],
        "planned": planned,
        "peak_rss_bytes": 1024 * kibibytes,
        "peak_device_bytes": stats.get("peak_bytes_in_use"),
    }


def count_collectives(point: Point) -> dict[str, Any]:
    """Counts the collectives of the compiled step and the bytes of their results."""
    lowered, _, _ = lower(point, abstract=True)
    found = collectives_of(lowered.compile().as_text())
    return {"collectives": found, "result_bytes": sum(c["bytes"] for c in found)}


def count_asked_for(point: Point) -> dict[str, Any]:
    """Counts the collectives of the step before compilation."""
    lowered, _, _ = lower(point, abstract=True)
    return {"asked_for": len(ASKED_FOR.findall(lowered.as_text()))}


def collectives_of(program: str) -> list[dict[str, Any]]:
    """Finds kind and result bytes of every collective in the text of a compiled program."""
    return [
        {"kind": kind, "bytes": sum(bytes_of(*array) for array in ARRAY.findall(result))}
        for result, kind in COMPILED.findall(program)
    ]


def bytes_of(bits: str, sides: str) -> int:
    """Computes the bytes of an array such as `f32[8,128]`, from 32 and `8,128`."""
    return int(bits) // 8 * math.prod(int(side) for side in sides.split(",") if side)


if __name__ == "__main__":
    host_memory.keep_freed()
    print(json.dumps(measure(Point(**json.loads(sys.argv[1])))))
