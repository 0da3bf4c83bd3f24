"""One point of `growth.py` in a process of its own, so that its memory is its own.

    python -m experiments.speed.growth_point '{"kind": "train", "batch_size": 4, ...}'

Writes what was measured as one line of JSON.
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
# As lowered, before a backend joins or splits any, and as a CPU's compiler writes them.
ASKED_FOR = re.compile(r"stablehlo\.(?:all_\w+|reduce_scatter|collective_\w+)")
KINDS = r"all-reduce|all-gather|all-to-all|reduce-scatter|collective-\w+"
COMPILED = re.compile(rf"^ *(?:ROOT )?%?\S+ = (.*?) ({KINDS})\(", re.M)
ARRAY = re.compile(r"[a-z]+(\d+)\[([\d,]*)\]")


class Point(NamedTuple):
    """What is measured.

    Attributes:
        kind: `train`, `sample`, `devices` (collectives of the compiled step) or `asked` (those
            that it asks the compiler for).
        batch_size: Images over all devices.
        size: Height and width in pixels.
        num_levels: Levels of the network.
        num_samples: Samples an image.
        num_devices: Devices that share the batch.
        network: `lidc`, or `tiny` for tests.
        precision: What features are computed in.
        remat: Whether training computes its levels once more instead of keeping them.
        budget_s: Seconds for which it is repeated, within bounds.
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
    """Figures of a point; bytes, seconds, and counts."""
    figures: dict[str, Callable[[Point], dict[str, Any]]] = {
        "train": measure_training,
        "sample": measure_sampling,
        "devices": count_collectives,
        "asked": count_asked_for,
    }
    return figures[point.kind](point) | {"device": jax.local_devices()[0].device_kind}


def model_of(point: Point) -> Model:
    """The LIDC network's first levels, with as many of its four scales as fit."""
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
    """Weights that take no time to draw: what they are does not matter to time and memory."""
    generator = np.random.default_rng(0)
    params: dict[str, dict[str, np.ndarray]] = {}
    for parameter in model.list_parameters(1):
        values = generator.normal(0, 0.03, parameter.shape).astype(np.float32)
        params.setdefault(parameter.module, {})[parameter.name] = values
    return params


def lower(point: Point, abstract: bool) -> tuple[Any, Any, Any]:
    """The step as the train command compiles it, its state and its batch.

    Args:
        point: What is measured.
        abstract: Whether the state has shapes alone, for what is never run.
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
    """Time of a step, and the memory that it needs."""
    lowered, state, batch = lower(point, abstract=False)
    compiled, compilation = compile_timed(lowered)

    def step() -> None:
        nonlocal state
        state, scalars = compiled(state, batch)
        jax.block_until_ready((state, scalars))

    figures = times(step, point.budget_s, compiled)
    return figures | {"compilation_s": compilation, "parameters": num_parameters(point)}


def num_parameters(point: Point) -> int:
    """How many numbers the network's weights are."""
    return sum(math.prod(p.shape) for p in model_of(point).list_parameters(1))


def measure_sampling(point: Point) -> dict[str, Any]:
    """Time of all samples of the images, and the memory that they need."""
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
    """The compiled program, and the seconds that compiling took."""
    start = time.perf_counter()
    compiled = lowered.compile()
    return compiled, time.perf_counter() - start


def times(run: Callable[[], None], seconds: float, compiled: Any) -> dict[str, Any]:
    """Median, shortest and longest time of a run, after one that does not count, and its memory."""
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
    """Why a program is better not run on this computer, if so."""
    if jax.default_backend() != "cpu":
        return None
    planned = planned_memory(compiled)
    # The arguments are there already.
    needed, free = planned["total"] - planned["argument"], available_memory()
    return f"needs {needed} bytes of {free} that are free" if needed > free else None


def available_memory() -> int:
    """Bytes that programs may still take, among them those of files that are only cached."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    lines = dict(line.split(":") for line in meminfo.read_text(encoding="utf-8").splitlines())
    return 1024 * int(lines["MemAvailable"].split()[0])


def memory(compiled: Any) -> dict[str, Any]:
    """Bytes as XLA plans them, and the most that the process or its device ever held."""
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
    """The collectives of the compiled step with the bytes of each one's result."""
    lowered, _, _ = lower(point, abstract=True)
    found = collectives_of(lowered.compile().as_text())
    return {"collectives": found, "result_bytes": sum(c["bytes"] for c in found)}


def count_asked_for(point: Point) -> dict[str, Any]:
    """How many collectives the step asks the compiler for."""
    lowered, _, _ = lower(point, abstract=True)
    return {"asked_for": len(ASKED_FOR.findall(lowered.as_text()))}


def collectives_of(program: str) -> list[dict[str, Any]]:
    """Kind and bytes of the result of every collective of a compiled program's text."""
    return [
        {"kind": kind, "bytes": sum(bytes_of(*array) for array in ARRAY.findall(result))}
        for result, kind in COMPILED.findall(program)
    ]


def bytes_of(bits: str, sides: str) -> int:
    """Bytes of an array such as `f32[8,128]`, of which 32 and `8,128` are given."""
    return int(bits) // 8 * math.prod(int(side) for side in sides.split(",") if side)


if __name__ == "__main__":
    host_memory.keep_freed()
    print(json.dumps(measure(Point(**json.loads(sys.argv[1])))))
