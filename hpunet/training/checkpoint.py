"""Checkpoints on disk: the last ones, to go on from, and the best one."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from hpunet.training.state import TrainState

NUM_LAST = 2
# Two, because the newest best may be later than the last checkpoint and is then undone.
NUM_BEST = 2


class Progress(NamedTuple):
    """What the loop, and not the step, carries.

    Attributes:
        best_ged: Lowest validation GED^2 so far, or None.
        best_step: The step it was reached at, or None.
        low_kl_steps: Steps in a row, up to now, with hardly any KL.
    """

    best_ged: float | None = None
    best_step: int | None = None
    low_kl_steps: int = 0


class Checkpoints:
    """Writes states in the background; each appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Opens `folder/last` and `folder/best`, making them if they are missing."""
        self._last = _manager(folder / "last", NUM_LAST)
        self._best = _manager(folder / "best", NUM_BEST)

    @property
    def last_step(self) -> int | None:
        """Step of the newest checkpoint, or None."""
        return self._last.latest_step()

    def save(self, state: TrainState, progress: Progress) -> None:
        """Starts to write a checkpoint to go on from, once an earlier one is written.

        Args:
            state: One host's copy.
            progress: The loop's.
        """
        self._last.save(int(state.step), args=_arguments(state, progress))

    def save_best(self, state: TrainState, progress: Progress) -> None:
        """Writes the best checkpoint; returns when it is on disk.

        A later `save` may then rely on it. An earlier `save` is finished first: until then the one
        before it is what a killed run goes on from, and that may need the best one replaced here.
        """
        self._last.wait_until_finished()
        if int(state.step) not in self._best.all_steps():
            self._best.save(int(state.step), args=_arguments(state, progress))
        self._best.wait_until_finished()

    def restore(self, like: TrainState, step: int | None = None) -> tuple[TrainState, Progress]:
        """Reads a checkpoint.

        Args:
            like: A state of the shapes that are expected.
            step: Which; None for the newest.
        """
        return _restore(self._last, self.last_step if step is None else step, like)

    def restore_best(self, like: TrainState, step: int) -> TrainState:
        """Reads the best checkpoint."""
        return _restore(self._best, step, like)[0]

    def forget_after(self, step: int) -> None:
        """Removes best checkpoints of steps that are to be done again."""
        for later in [s for s in self._best.all_steps() if s > step]:
            self._best.delete(later)

    def close(self) -> None:
        """Waits until all is written."""
        self._last.close()
        self._best.close()


def _manager(folder: Path, num_kept: int) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        max_to_keep=num_kept,
        cleanup_tmp_directories=True,
        enable_async_checkpointing=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    return ocp.CheckpointManager(folder.resolve(), options=options)


def _arguments(state: TrainState, progress: Progress) -> ocp.args.Composite:
    return ocp.args.Composite(
        state=ocp.args.StandardSave(to_numpy(state)._asdict()),
        progress=ocp.args.JsonSave(progress._asdict()),
    )


def _restore(
    manager: ocp.CheckpointManager, step: int | None, like: TrainState
) -> tuple[TrainState, Progress]:
    arguments = ocp.args.Composite(
        state=ocp.args.StandardRestore(to_numpy(like)._asdict()),
        progress=ocp.args.JsonRestore(),
    )
    restored = manager.restore(step, args=arguments)
    key = jax.random.wrap_key_data(restored["state"].pop("key"))
    return TrainState(**restored["state"], key=key), Progress(**restored["progress"])


def to_numpy(state: TrainState) -> TrainState:
    """The state in NumPy arrays, its key as key data."""
    if jax.numpy.issubdtype(state.key.dtype, jax.dtypes.prng_key):
        state = state._replace(key=jax.random.key_data(state.key))
    return jax.tree.map(np.asarray, state)


def all_finite(tree: PyTree) -> bool:
    """Whether every number of a NumPy tree is finite."""
    leaves: list[Any] = jax.tree.leaves(tree)
    return all(bool(np.isfinite(leaf).all()) for leaf in leaves if leaf.dtype.kind == "f")
