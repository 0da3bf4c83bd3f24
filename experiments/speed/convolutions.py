"""Times forms of a 3x3 convolution, and of the gradient of its kernel, on a CPU.

`python -m experiments.speed.convolutions` writes `convolutions.json` and `convolutions.md`. Each
form is first checked against XLA's. All forms are timed in turn over several rounds.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from experiments.speed.command_line import positive
from hpunet.evaluation.provenance import provenance
from hpunet.models import convolution
from hpunet.runtime.memory import keep_freed

FOLDER = Path(__file__).parent
NUMBERS = ("NHWC", "HWIO", "NHWC")
# Height and width, input and output channels of inner convolutions of the LIDC network.
SHAPES = [(128, 24, 12), (128, 12, 12), (64, 48, 24), (64, 24, 24), (32, 48, 48), (16, 96, 96)]
# Sums of 65,536 products in a different order.
TOLERANCE = 1e-4

Form = Callable[[Array, Array], Array]


def own(x: Array, kernel: Array) -> Array:
    """XLA's own."""
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NUMBERS)


def columns(number: int) -> Form:
    """Computes several neighbouring columns at once."""

    def form(x: Array, kernel: Array) -> Array:
        padded = [
            jnp.pad(kernel, ((0, 0), (i, number - 1 - i), (0, 0), (0, 0))) for i in range(number)
        ]
        wide = jnp.concatenate(padded, axis=3)
        ones = ((1, 1), (1, 1))
        y = lax.conv_general_dilated(x, wide, (1, number), ones, dimension_numbers=NUMBERS)
        return y.reshape(*x.shape[:3], -1)

    return form


def shifts(x: Array) -> list[Array]:
    """Returns the nine shifts of an image that a kernel combines."""
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]


def patches(x: Array, kernel: Array) -> Array:
    """Computes one matrix product of all nine shifts as channels (im2col)."""
    joined = jnp.concatenate(shifts(x), axis=3)
    y = joined.reshape(-1, joined.shape[3]) @ kernel.reshape(-1, kernel.shape[3])
    return y.reshape(*x.shape[:3], -1)


def taps(x: Array, kernel: Array) -> Array:
    """Computes one matrix product for all nine weights, then sums nine shifts (kn2row)."""
    channels, outputs = kernel.shape[2:]
    products = x.reshape(-1, channels) @ kernel.transpose(2, 0, 1, 3).reshape(channels, -1)
    views = shifts(products.reshape(*x.shape[:3], -1))
    parts = [v[..., i * outputs : (i + 1) * outputs] for i, v in enumerate(views)]
    return jnp.stack(parts).sum(axis=0)


def own_gradient(x: Array, gradient: Array) -> Array:
    """XLA's own."""
    kernel = jnp.zeros((3, 3, x.shape[3], gradient.shape[3]))
    return jax.linear_transpose(lambda k: own(x, k), kernel)(gradient)[0]


def by_rows(x: Array, gradient: Array) -> Array:
    """Correlates whole rows, as hpunet does."""
    kernel = jnp.zeros((3, 3, x.shape[3], gradient.shape[3]))
    return jax.vjp(lambda k: convolution.convolve(x, k), kernel)[1](gradient)[0]


def product(a: Array, b: Array) -> Array:
    """Sums the products of two arrays' channels over all pixels."""
    return a.reshape(-1, a.shape[3]).T @ b.reshape(-1, b.shape[3])


def gradient_by_taps(x: Array, gradient: Array) -> Array:
    """Computes nine matrix products."""
    products = [product(view, gradient) for view in shifts(x)]
    return jnp.stack(products).reshape(3, 3, x.shape[3], -1)


def gradient_by_patches(x: Array, gradient: Array) -> Array:
    """Computes one matrix product of all nine shifts as channels."""
    joined = product(jnp.concatenate(shifts(x), axis=3), gradient)
    return joined.reshape(3, 3, x.shape[3], -1)


def gradient_image_by_image(x: Array, gradient: Array) -> Array:
    """Computes one matrix product per image, so that the shifts stay in the caches."""

    def add(total: Array, pair: tuple[Array, Array]) -> tuple[Array, None]:
        return total + gradient_by_patches(pair[0][None], pair[1][None]), None

    start = jnp.zeros((3, 3, x.shape[3], gradient.shape[3]))
    return lax.scan(add, start, (x, gradient))[0]


FORWARD = {
    "XLA's own": own,
    "hpunet": convolution.convolve,
    "2 columns": columns(2),
    "4 columns": columns(4),
    "patches": patches,
    "taps": taps,
}
KERNEL_GRADIENT = {
    "XLA's own": own_gradient,
    "hpunet": by_rows,
    "taps": gradient_by_taps,
    "patches": gradient_by_patches,
    "patches, image by image": gradient_image_by_image,
}


def milliseconds(
    forms: Mapping[str, Form], arguments: tuple[Array, Array], rounds: int
) -> dict[str, float]:
    """Checks the values of each form, then measures the median time in ms over all rounds."""
    compiled = {name: jax.jit(form) for name, form in forms.items()}
    right = compiled["XLA's own"](*arguments)
    for name, form in compiled.items():
        error = float(jnp.abs(form(*arguments) - right).max() / jnp.abs(right).max())
        assert error < TOLERANCE, f"{name}: differs by {error:.1e}"
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, form in compiled.items():
            start = time.perf_counter()
            for _ in range(5):
                jax.block_until_ready(form(*arguments))
            times[name].append((time.perf_counter() - start) / 5 * 1e3)
    return {name: round(statistics.median(t), 2) for name, t in times.items()}


def table(title: str, rows: dict[str, dict[str, float]]) -> str:
    """Formats the milliseconds of every form, with one row per shape."""
    names = list(next(iter(rows.values())))
    lines = [f"| {title}, ms | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {shape} | {' | '.join(str(t[n]) for n in names)} |" for shape, t in rows.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Times every form at every shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch_size", type=positive, default=4)
    parser.add_argument("--rounds", type=positive, default=9)
    parser.add_argument("--out", type=Path, default=FOLDER)
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    keep_freed()
    found: dict[str, dict[str, dict[str, float]]] = {"forward": {}, "kernel's gradient": {}}
    draw = np.random.default_rng(0).standard_normal
    for side, channels, outputs in SHAPES:
        x = jnp.asarray(draw((flags.batch_size, side, side, channels)), jnp.float32)
        kernel = jnp.asarray(draw((3, 3, channels, outputs)), jnp.float32)
        gradient = jnp.asarray(draw((flags.batch_size, side, side, outputs)), jnp.float32)
        shape = f"{side} x {side}, {channels} to {outputs}"
        found["forward"][shape] = milliseconds(FORWARD, (x, kernel), flags.rounds)
        found["kernel's gradient"][shape] = milliseconds(
            KERNEL_GRADIENT, (x, gradient), flags.rounds
        )
        print(shape, *(found[what][shape] for what in found), flush=True)
    result = {"batch_size": flags.batch_size, **provenance(), "milliseconds": found}
    text = json.dumps(result, indent=1)
    (flags.out / "convolutions.json").write_text(text + "\n", encoding="utf-8")
    tables = "\n".join(table(what, rows) for what, rows in found.items())
    (flags.out / "convolutions.md").write_text(tables, encoding="utf-8")


if __name__ == "__main__":
    main()
