"""First weights, drawn on the host.

Compiled, the draws of 352 kernels in dozens of shapes take more than a minute; NumPy and SciPy need
a few seconds.
"""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Key
from scipy import special

Params = dict[str, dict[str, Array]]
Initializer = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

BIAS_STDDEV = 0.001


def orthogonal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel `[..., C]` whose matrix, all other axes as one, has orthonormal columns or rows.

    Columns where there are no more of them than rows, else rows; uniform over all such matrices.

    Reference: Saxe et al. 2014; `tf.orthogonal_initializer` with gain 1.
    """
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    normal = generator.standard_normal((max(rows, columns), min(rows, columns)))
    # Twice, because once leaves an error of the squared condition number times float64's.
    q = _orthonormal_columns(_orthonormal_columns(normal))
    return (q if rows >= columns else q.T).reshape(shape)


def _orthonormal_columns(matrix: np.ndarray) -> np.ndarray:
    # The Q of a QR decomposition with positive diagonal of R, much faster than LAPACK's for these.
    return matrix @ np.linalg.inv(np.linalg.cholesky(matrix.T @ matrix)).T


def truncated_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Biases of deviation 0.001 before what lies beyond two deviations is cut away.

    Reference: `tf.truncated_normal_initializer(stddev=0.001)`.
    """
    # By the inverse of the distribution function; scipy.stats takes most of a second to import.
    probability = generator.uniform(special.ndtr(-2.0), special.ndtr(2.0), shape)
    return BIAS_STDDEV * special.ndtri(probability)


class Parameter(NamedTuple):
    """A weight of a network before it has a value."""

    module: str
    name: str
    shape: tuple[int, ...]
    initializer: Initializer


def list_parameters(network: Callable[..., Any], *inputs: Any) -> list[Parameter]:
    """The parameters of a Haiku function in the order in which the network makes them.

    Args:
        network: A function that builds and calls Haiku modules.
        *inputs: What it is called with; shapes and dtypes are enough.
    """
    parameters: list[Parameter] = []

    def record(next_creator, shape, dtype, init, context):
        del next_creator
        parameters.append(Parameter(context.module_name, context.name, tuple(shape), init))
        return jnp.zeros(shape, dtype)

    def recorded(*args: Any) -> Any:
        with hk.custom_creator(record):
            return network(*args)

    jax.eval_shape(hk.transform(recorded).init, None, *inputs)
    return parameters


def draw_parameters(key: Key[Array, ""], parameters: list[Parameter]) -> Params:
    """Draws every parameter with its own initialiser.

    Args:
        key: Seeds, with a checksum of the parameter's name, a generator for each parameter, so
            that its first value does not depend on which others there are.
        parameters: What to draw.
    """

    def draw(seed: ArrayLike) -> list[np.ndarray]:
        entropy = [int(word) for word in np.ravel(seed)]
        values = []
        for parameter in parameters:
            name = zlib.crc32(f"{parameter.module}/{parameter.name}".encode())
            generator = np.random.default_rng([*entropy, name])
            values.append(parameter.initializer(generator, parameter.shape).astype(np.float32))
        return values

    shapes = [jax.ShapeDtypeStruct(p.shape, jnp.float32) for p in parameters]
    values = jax.pure_callback(draw, shapes, jax.random.key_data(key))
    params: Params = {}
    for parameter, value in zip(parameters, values, strict=True):
        params.setdefault(parameter.module, {})[parameter.name] = value
    return params
