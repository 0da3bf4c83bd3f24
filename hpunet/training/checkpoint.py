"""Checkpoints on disk: the last ones, to resume from, and the best one."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from hpunet.io.errors import UserError
from hpunet.training.state import TrainState
from hpunet.training.workdir import BEST, LAST, saved_steps

NUM_LAST = 2
# Two, because the newest best may be later than the last checkpoint and is then undone.
NUM_BEST = 2
# What Orbax raises at folders that lack parts, were cut short or hold something else.
UNREADABLE = (OSError, LookupError, ValueError, TypeError, AttributeError)


class LoopState(NamedTuple):
    """What the loop carries beside the train state.

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
        """Opens `folder/last` and `folder/best`, making them if they are missing.

        Raises:
            UserError: If they cannot be made or read.
        """
        self._last = _manager(folder / LAST, NUM_LAST)
        self._best = _manager(folder / BEST, NUM_BEST)

    @property
    def last_step(self) -> int | None:
        """Step of the newest checkpoint, or None."""
        return self._last.latest_step()

    def save(self, state: TrainState, progress: LoopState) -> None:
        """Starts to write a checkpoint to resume from, once an earlier one is written.

        Args:
            state: One host's copy.
            progress: The loop's.

        Raises:
            RuntimeError: If there is one of this or a later step.
        """
        _save(self._last, state, progress)

    def save_best(self, state: TrainState, progress: LoopState) -> None:
        """Writes the best checkpoint; returns when it is on disk.

        A later `save` may then rely on it. An earlier `save` is finished first: until then the one
        before it is what a killed run resumes from, and that may need the best one replaced here.
        """
        self._last.wait_until_finished()
        self.forget_after(int(state.step) - 1)
        _save(self._best, state, progress)
        self._best.wait_until_finished()

    def restore(self, like: TrainState, step: int | None = None) -> tuple[TrainState, LoopState]:
        """Reads a checkpoint.

        Args:
            like: A state of the shapes that are expected.
            step: Which; None for the newest.

        Raises:
            UserError: If it cannot be read, saying from which other step the run can resume.
        """
        step = self.last_step if step is None else step
        others = [s for s in self._last.all_steps() if s != step]
        advice = f"resume from step {max(others)}" if others else "start anew"
        return _restore(self._last, step, like, f"remove it to {advice}")

    def restore_best(self, like: TrainState, step: int) -> TrainState:
        """Reads the best checkpoint.

        Raises:
            UserError: If it cannot be read.
        """
        return _restore(self._best, step, like, "another --workdir starts anew")[0]

    def forget_after(self, step: int) -> None:
        """Removes best checkpoints of steps that are to be done again, after `step`.

        Orbax would keep them, and refuse to save any of an earlier step.
        """
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ocp.CheckpointManager(folder.resolve(), options=options)
    except OSError as error:
        raise UserError(f"{folder}: cannot be used ({error.strerror or error})") from error


def _arguments(state: TrainState, progress: LoopState) -> ocp.args.Composite:
    return ocp.args.Composite(
        state=ocp.args.StandardSave(to_numpy(state)._asdict()),
        progress=ocp.args.JsonSave(progress._asdict()),
    )


def _save(manager: ocp.CheckpointManager, state: TrainState, progress: LoopState) -> None:
    step = int(state.step)
    if not manager.save(step, args=_arguments(state, progress)):
        raise RuntimeError(
            f"{manager.directory / str(step)} was not saved: the latest is of step "
            f"{manager.latest_step()}"
        )


def _restore(
    manager: ocp.CheckpointManager, step: int | None, like: TrainState, advice: str
) -> tuple[TrainState, LoopState]:
    expected = to_numpy(like)._asdict()
    arguments = ocp.args.Composite(
        state=ocp.args.StandardRestore(expected), progress=ocp.args.JsonRestore()
    )
    try:
        restored = manager.restore(step, args=arguments)
        _check_shapes(restored["state"], expected)
        key = jax.random.wrap_key_data(restored["state"].pop("key"))
        return TrainState(**restored["state"], key=key), LoopState(**restored["progress"])
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{manager.directory / str(step)}: the checkpoint cannot be read ({reason}); {advice}"
        ) from error


def _check_shapes(state: PyTree, expected: PyTree) -> None:
    """Refuses what Orbax lets pass: arrays of other shapes than are expected."""
    for (path, value), like in zip(
        jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(expected), strict=True
    ):
        if value.shape != like.shape or value.dtype != like.dtype:
            raise ValueError(
                f"{jax.tree_util.keystr(path)} is {value.dtype} {value.shape}, expected is "
                f"{like.dtype} {like.shape}"
            )


def to_numpy(state: TrainState) -> TrainState:
    """The state in NumPy arrays, its key as key data."""
    if jax.numpy.issubdtype(state.key.dtype, jax.dtypes.prng_key):
        state = state._replace(key=jax.random.key_data(state.key))
    return jax.tree.map(np.asarray, state)


def all_finite(tree: PyTree) -> bool:
    """Whether every number of a NumPy tree is finite."""
    leaves: list[Any] = jax.tree.leaves(tree)
    return all(bool(np.isfinite(leaf).all()) for leaf in leaves if leaf.dtype.kind == "f")


def read_params(folder: Path, which: str) -> tuple[int, PyTree]:
    """The weights of a checkpoint; nothing is written, so the run may be training.

    Args:
        folder: As for `Checkpoints`.
        which: `best`, `last` or the number of a step.

    Returns:
        The step, and Haiku's tree of NumPy arrays.

    Raises:
        UserError: If there is no such checkpoint, or it cannot be read.
    """
    steps = {name: saved_steps(folder / name) for name in (BEST, LAST)}
    wanted = int(which) if which.isdecimal() else max(steps[which], default=None)
    home = next((folder / name for name in (BEST, LAST) if wanted in steps[name]), None)
    if wanted is None or home is None:
        listed = ", ".join(map(str, sorted({*steps[BEST], *steps[LAST]}))) or "none"
        raise UserError(f"--checkpoint={which}: {folder} has no such checkpoint, only: {listed}")
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            state = checkpointer.restore(home.resolve() / str(wanted) / "state")
        return wanted, jax.tree.map(np.asarray, state["params"])
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{home / str(wanted)}: it cannot be read ({reason})") from error
