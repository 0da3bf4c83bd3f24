"""Devices and collective operations; no other module depends on the number of devices."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hpunet.io.errors import UserError
from hpunet.objectives.terms import SINGLE_DEVICE, Collectives

Tree = TypeVar("Tree")
AXIS = "devices"


class Devices:
    """The devices of all hosts, which share each batch.

    Attributes:
        local: Devices of this host.
        num_devices: Number of devices of all hosts.
        host: Index of this host.
        num_hosts: Number of hosts.
    """

    def __init__(self, local: Sequence[jax.Device] | None = None) -> None:
        """Uses all devices, or the given devices of a single host."""
        self.local = list(jax.local_devices() if local is None else local)
        self.num_devices = jax.device_count() if local is None else len(self.local)
        self.host = jax.process_index()
        self.num_hosts = jax.process_count()

    @property
    def is_main(self) -> bool:
        """Whether this host writes the files of the run."""
        return self.host == 0

    def check_batch_size(self, batch_size: int) -> None:
        """Raises UserError unless the devices can share the batch equally."""
        if batch_size % self.num_devices:
            below = batch_size // self.num_devices * self.num_devices
            near = f"{below} or " if below else ""
            raise UserError(
                f"batch_size={batch_size}: {self.num_devices} devices share a batch, allowed are "
                f"multiples of {self.num_devices} such as {near}{below + self.num_devices}"
            )

    def collectives(self) -> Collectives:
        """Returns gather and sum over all devices, for use inside `pmap`; no-ops on one device."""
        if self.num_devices == 1:
            return SINGLE_DEVICE
        return Collectives(gather=_gather, sum=_sum, num_devices=self.num_devices)

    def pmap(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Compiles `(state, batch) -> (state, scalars)` for all devices.

        The state is donated, except on CPUs. The scalars are equal on all devices and are returned
        without an axis of devices.
        """
        return jax.pmap(
            step,
            axis_name=AXIS,
            devices=self._explicit(),
            # A CPU copies donated arrays before it writes to them, so donation only costs time.
            donate_argnums=() if self.local[0].platform == "cpu" else 0,
            out_axes=(0, None),
        )

    def pmap_examples(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compiles a function of a replicated tree and of examples that `split` has distributed."""
        return jax.pmap(function, devices=self.local)

    def _explicit(self) -> list[jax.Device] | None:
        return None if self.num_hosts > 1 else self.local

    def replicate(self, tree: Tree) -> Tree:
        """Copies a tree to each device of this host."""
        copies = jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * len(self.local)), tree)
        if self.num_hosts > 1:
            return copies
        # The sharding of a step's result. With any other, the second step would compile again.
        return jax.device_put(copies, NamedSharding(Mesh(self.local, (AXIS,)), PartitionSpec(AXIS)))

    def split(self, tree: Tree) -> Tree:
        """Distributes this host's examples over its devices, in order."""
        return jax.tree.map(lambda x: x.reshape(len(self.local), -1, *x.shape[1:]), tree)

    def merge(self, tree: Tree) -> Tree:
        """Concatenates the examples of this host's devices as NumPy arrays; inverts `split`."""
        return jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), tree)

    def gather_hosts(self, tree: Tree) -> Tree:
        """Stacks the arrays of all hosts along a new first axis, as NumPy arrays on every host."""
        if self.num_hosts == 1:
            return jax.tree.map(lambda x: np.asarray(x)[None], tree)
        # Viewed as 32-bit words, because JAX would convert wider dtypes to 32 bits.
        words = jax.tree.map(lambda x: np.array(x, order="C")[None].view(_word(x)), tree)
        gathered = multihost_utils.process_allgather(words)
        return jax.tree.map(lambda x, w: np.asarray(w).view(x.dtype)[:, 0], tree, gathered)

    def largest(self, number: int) -> int:
        """Returns the maximum over all hosts; every host must call this at the same step."""
        return int(np.max(self.gather_hosts(np.asarray(number, np.int32))))


def _sum(tree: Tree) -> Tree:
    # A single vector, because XLA combines only a limited number of arrays and bytes by itself.
    flat, unravel = ravel_pytree(tree)
    return unravel(lax.psum(flat, AXIS))


def _gather(tree: Tree) -> Tree:
    # A single array of 32-bit words, with one row per example.
    leaves, structure = jax.tree.flatten(tree)
    words = [lax.bitcast_convert_type(x, jnp.uint32).reshape(len(x), -1) for x in leaves]
    words_of_all = lax.all_gather(jnp.concatenate(words, axis=1), AXIS, tiled=True)
    parts = jnp.split(words_of_all, np.cumsum([w.shape[1] for w in words[:-1]]), axis=1)
    gathered = [
        lax.bitcast_convert_type(part.reshape(-1, *x.shape[1:]), x.dtype)
        for part, x in zip(parts, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, gathered)


def _word(array: np.ndarray) -> np.dtype:
    return np.dtype(np.uint32) if array.dtype.itemsize == 8 else array.dtype


def first(tree: Tree) -> Tree:
    """Returns the copy on this host's first device, as NumPy arrays."""
    return jax.tree.map(lambda x: np.asarray(x.addressable_shards[0].data)[0], tree)
