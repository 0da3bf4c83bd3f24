"""Convolutions in two forms: fast on the current platform, or plain operations for export.

`experiments/speed/convolutions.py` compares the speed of the fast form with alternatives.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# On a CPU, kernels with at most this many channels leave half of the vector units idle.
NARROW = 16


@jax.jit
def convolve(
    inputs: Float[Array, "B H W C"], kernel: Float[Array, "k k C D"]
) -> Float[Array, "B H W D"]:
    """Computes a convolution with SAME padding and a kernel of 1x1 or 3x3 pixels."""
    if kernel.shape[:2] == (1, 1):
        # A single matrix product: XLA's CPU code for the gradient of other shapes is slow.
        outputs = inputs.reshape(-1, inputs.shape[-1]) @ kernel[0, 0]
        return outputs.reshape(*inputs.shape[:3], kernel.shape[3])
    return _convolve(inputs, kernel, 1)


@jax.jit
def convolve_doubled(
    inputs: Float[Array, "B h w C"], kernel: Float[Array, "3 3 C D"]
) -> Float[Array, "B H W D"]:
    """Computes `convolve(double(inputs), kernel)` with 16 products per input pixel instead of 36.

    Several of the nine pixels under the kernel are copies of the same input pixel, so their weights
    can be added first. The four outputs per input pixel are then four 2x2 convolutions of the
    smaller grid.
    """
    batch, height, width, _ = inputs.shape
    kernels = [columns for rows in _fold(kernel, 0) for columns in _fold(rows, 1)]
    corners = _convolve(inputs, jnp.concatenate(kernels, axis=3), 1)
    corners = corners.reshape(batch, height + 1, width + 1, 2, 2, -1)
    quarters = [[corners[:, a : a + height, b : b + width, a, b] for b in (0, 1)] for a in (0, 1)]
    outputs = jnp.stack([jnp.stack(row, axis=3) for row in quarters], axis=2)
    return outputs.reshape(batch, 2 * height, 2 * width, -1)


def _fold(kernel: Array, axis: int) -> tuple[Array, Array]:
    # Two of three neighbours on the doubled grid are copies of the same pixel.
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
    """Computes two neighbouring columns at once, as twice the channels of a zero-padded kernel."""
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
    """Computes the kernel's gradient by correlating whole rows.

    This reads memory in long runs, whereas XLA's own form reads runs as short as a batch. The
    columns of the kernel become channels of the output gradient. That gradient is then a
    one-dimensional kernel as high as the image, whose channels are the pixels of a row of all
    images.
    """
    if (gradient.shape[1], gradient.shape[3]) > (inputs.shape[1], inputs.shape[3]):
        # Kernels higher than their image have no fast code, and narrow ones are cheaper to shift.
        swapped = _kernel_gradient_by_rows(gradient, inputs, side, side - 1 - padding)
        return swapped[::-1, ::-1].swapaxes(2, 3)
    batch, height, width, channels = inputs.shape
    margin = side - 1 - padding
    padded = jnp.pad(gradient, ((0, 0), (0, 0), (margin, margin), (0, 0)))
    starts = [side - 1 - j for j in range(side)]
    # Stacking instead of concatenating the channels lets XLA generate simpler loops.
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
        convolve_doubled: Convolution with SAME padding after every pixel is repeated 2x2 times.
    """

    convolve: Callable[[Array, Array], Array]
    convolve_doubled: Callable[[Array, Array], Array]


# The fast form may depend on the platform and defines its own derivatives. The portable form is a
# plain graph.
FORMS = {
    "fast": Form(convolve, convolve_doubled),
    "portable": Form(_portable, _portable_doubled),
}
