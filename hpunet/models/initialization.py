"""Initial weights, drawn on the host.

Compiling the draws of 352 kernels in dozens of shapes takes more than a minute. NumPy and SciPy
draw them in a few seconds.
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
    """Draws a kernel `[..., C]` that is orthogonal as a matrix.

    All axes but the last form the rows of the matrix. Its columns are orthonormal if there are no
    more columns than rows, otherwise its rows are. The draw is uniform over all such matrices.

    Reference: Saxe et al. 2014; `tf.orthogonal_initializer` with gain 1.
    """
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    normal = generator.standard_normal((max(rows, columns), min(rows, columns)))
    # Applied twice: once leaves an error of float64's epsilon times the squared condition number.
    q = _orthonormal_columns(_orthonormal_columns(normal))
    return (q if rows >= columns else q.T).reshape(shape)


def _orthonormal_columns(matrix: np.ndarray) -> np.ndarray:
    # Q of the QR decomposition with a positive diagonal of R; much faster here than LAPACK's.
    return matrix @ np.linalg.inv(np.linalg.cholesky(matrix.T @ matrix)).T


def truncated_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws biases from a normal distribution, stddev 0.001, truncated at two standard deviations.

    Reference: `tf.truncated_normal_initializer(stddev=0.001)`.
    """
    # Inverts the distribution function, because importing scipy.stats takes most of a second.
    probability = generator.uniform(special.ndtr(-2.0), special.ndtr(2.0), shape)
    return BIAS_STDDEV * special.ndtri(probability)


class Parameter(NamedTuple):
    """A weight of a network, without its value."""

    module: str
    name: str
    shape: tuple[int, ...]
    initializer: Initializer


def list_parameters(network: Callable[..., Any], *inputs: Any) -> list[Parameter]:
    """Lists the parameters of a Haiku function in the order in which it creates them.

    Args:
        network: A function that builds and calls Haiku modules.
        *inputs: Arguments of the function; shapes and dtypes are enough.
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
        key: Seeds a generator per parameter, together with a checksum of the parameter's name.
            The value of a parameter is therefore independent of the other parameters.
        parameters: The parameters to draw.

    Returns:
        Haiku's tree `{module: {name: array}}`, float32.
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
