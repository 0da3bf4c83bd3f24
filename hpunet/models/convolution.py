"""Convolutions in two forms: fast on the platform at hand, or plain operations for export.

`experiments/speed/convolutions.py` times the fast form against others.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# On a CPU, kernels no wider than this leave half of the vector units idle.
NARROW = 16


@jax.jit
def convolve(
    inputs: Float[Array, "B H W C"], kernel: Float[Array, "k k C D"]
) -> Float[Array, "B H W D"]:
    """Convolution with SAME padding and a kernel of 1x1 or 3x3 pixels."""
    if kernel.shape[:2] == (1, 1):
        # As one product of matrices: XLA's CPU code is slow for the gradient of any other shape.
        outputs = inputs.reshape(-1, inputs.shape[-1]) @ kernel[0, 0]
        return outputs.reshape(*inputs.shape[:3], kernel.shape[3])
    return _convolve(inputs, kernel, 1)


@jax.jit
def convolve_doubled(
    inputs: Float[Array, "B h w C"], kernel: Float[Array, "3 3 C D"]
) -> Float[Array, "B H W D"]:
    """`convolve(double(inputs), kernel)` with 16 products an input pixel instead of 36.

    Of the nine pixels under the kernel several are copies of one, and their weights add up: the
    four outputs of an input pixel are four 2x2 convolutions of the small grid.
    """
    batch, height, width, _ = inputs.shape
    kernels = [columns for rows in _fold(kernel, 0) for columns in _fold(rows, 1)]
    corners = _convolve(inputs, jnp.concatenate(kernels, axis=3), 1)
    corners = corners.reshape(batch, height + 1, width + 1, 2, 2, -1)
    quarters = [[corners[:, a : a + height, b : b + width, a, b] for b in (0, 1)] for a in (0, 1)]
    outputs = jnp.stack([jnp.stack(row, axis=3) for row in quarters], axis=2)
    return outputs.reshape(batch, 2 * height, 2 * width, -1)


def _fold(kernel: Array, axis: int) -> tuple[Array, Array]:
    # Of three neighbours on the doubled grid, two are copies of one pixel.
    first, middle, last = jnp.split(kernel, 3, axis)
    even = jnp.concatenate([first, middle + last], axis)
    return even, jnp.concatenate([first + middle, last], axis)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(
    inputs: Float[Array, "B H W C"], kernel: Float[Array, "k k C D"], padding: int
) -> Float[Array, "B h w D"]:
    side, _, channels, outputs = kernel.shape
    narrow = max(channels, outputs) <= NARROW
    if not narrow or (side, padding) != (3, 1) or inputs.shape[2] % 2:
        return _plain(inputs, kernel, padding)
    return lax.platform_dependent(
        inputs, kernel, cpu=_by_pairs, default=functools.partial(_plain, padding=padding)
    )


def _forward(inputs: Array, kernel: Array, padding: int) -> tuple[Array, tuple[Array, Array]]:
    return _convolve(inputs, kernel, padding), (inputs, kernel)


def _backward(padding: int, saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    inputs, kernel = saved
    side = kernel.shape[0]
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    of_inputs = _convolve(gradient, flipped, side - 1 - padding)
    of_kernel = lax.platform_dependent(
        inputs,
        gradient,
        cpu=functools.partial(_kernel_gradient_by_rows, side=side, padding=padding),
        default=functools.partial(_kernel_gradient, side=side, padding=padding),
    )
    return of_inputs, of_kernel


_convolve.defvjp(_forward, _backward)


def _plain(inputs: Array, kernel: Array, padding: int) -> Array:
    return lax.conv_general_dilated(
        inputs,
        kernel,
        (1, 1),
        ((padding, padding), (padding, padding)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _by_pairs(inputs: Array, kernel: Array) -> Array:
    """Two neighbouring columns at once, as twice as many channels, with zeros in between."""
    pairs = [jnp.pad(kernel, ((0, 0), (i, 1 - i), (0, 0), (0, 0))) for i in (0, 1)]
    outputs = lax.conv_general_dilated(
        inputs,
        jnp.concatenate(pairs, axis=3),
        (1, 2),
        ((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return outputs.reshape(*inputs.shape[:3], kernel.shape[3])


def _kernel_gradient(inputs: Array, gradient: Array, side: int, padding: int) -> Array:
    kernel = jnp.zeros((side, side, inputs.shape[3], gradient.shape[3]), inputs.dtype)
    transposed = jax.linear_transpose(lambda k: _plain(inputs, k, padding), kernel)
    return transposed(gradient)[0]


def _kernel_gradient_by_rows(inputs: Array, gradient: Array, side: int, padding: int) -> Array:
    """Correlates whole rows: long runs of memory where XLA's own form has runs of a batch.

    The kernel's columns become channels of the gradient, which is then a one-dimensional kernel as
    high as the image, with the pixels of a row and the images as its channels.
    """
    if (gradient.shape[1], gradient.shape[3]) > (inputs.shape[1], inputs.shape[3]):
        # A kernel higher than its image has no fast code, and a narrow one is cheaper to shift.
        swapped = _kernel_gradient_by_rows(gradient, inputs, side, side - 1 - padding)
        return swapped[::-1, ::-1].swapaxes(2, 3)
    batch, height, width, channels = inputs.shape
    margin = side - 1 - padding
    padded = jnp.pad(gradient, ((0, 0), (0, 0), (margin, margin), (0, 0)))
    starts = [side - 1 - j for j in range(side)]
    # Stacked, not joined along the channels: simpler loops in what XLA makes of it.
    rows = jnp.stack([padded[:, :, i : i + width].swapaxes(0, 1) for i in starts], axis=3)
    result = lax.conv_general_dilated(
        inputs.transpose(3, 1, 0, 2).reshape(channels, height, batch * width),
        rows.reshape(gradient.shape[1], batch * width, -1),
        (1,),
        [(padding, padding)],
        dimension_numbers=("NHC", "HIO", "NHC"),
    )
    return result.reshape(channels, side, side, -1).transpose(1, 2, 0, 3)


def _portable(
    inputs: Float[Array, "B H W C"], kernel: Float[Array, "k k C D"]
) -> Float[Array, "B H W D"]:
    return _plain(inputs, kernel, kernel.shape[0] // 2)


def _portable_doubled(
    inputs: Float[Array, "B h w C"], kernel: Float[Array, "3 3 C D"]
) -> Float[Array, "B H W D"]:
    return _portable(inputs.repeat(2, axis=1).repeat(2, axis=2), kernel)


class Form(NamedTuple):
    """How a network computes its convolutions.

    Attributes:
        convolve: Convolution with SAME padding.
        convolve_doubled: The same of inputs whose pixels are repeated 2x2 times.
    """

    convolve: Callable[[Array, Array], Array]
    convolve_doubled: Callable[[Array, Array], Array]


# The fast form may differ from platform to platform and has derivatives of its own; the portable
# one is a plain graph.
FORMS = {
    "fast": Form(convolve, convolve_doubled),
    "portable": Form(_portable, _portable_doubled),
}
