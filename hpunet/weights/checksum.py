"""What tells weights from others, wherever they lie."""

import hashlib
from collections.abc import Mapping

import numpy as np
from jax.typing import ArrayLike


def checksum(params: Mapping[str, Mapping[str, ArrayLike]]) -> str:
    """SHA-256 over names, shapes and float32 values of all weights, in hexadecimal digits.

    Args:
        params: Haiku's tree, of JAX or NumPy arrays.
    """
    digest = hashlib.sha256()
    for module in sorted(params):
        for name in sorted(params[module]):
            value = np.ascontiguousarray(params[module][name], "<f4")
            digest.update(f"{module}/{name} {value.shape}\n".encode())
            digest.update(value.data)
    return digest.hexdigest()
