"""The number formats that a network may compute in; its weights are float32 in all of them."""

from typing import TypeVar

import jax
import jax.numpy as jnp

PRECISIONS = ("float32", "bfloat16")

Tree = TypeVar("Tree")


def cast(tree: Tree, precision: str) -> Tree:
    """A tree of arrays in a number format; what has it already stays as it is.

    Args:
        tree: Floating-point arrays.
        precision: One of `PRECISIONS`.
    """
    return jax.tree.map(lambda x: jnp.asarray(x, precision), tree)
