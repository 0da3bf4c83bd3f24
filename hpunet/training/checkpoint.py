"""Checkpoints on disk: the last ones, for resuming, and the best one."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from hpunet.io.errors import UserError
from hpunet.training.state import TrainState
from hpunet.training.workdir import BEST, LAST, NEW_RUN, saved_steps

NUM_LAST = 2
# Two, because resuming from the last checkpoint removes a later best one.
NUM_BEST = 2
# Raised by Orbax for folders that are incomplete, truncated or contain something else.
UNREADABLE = (OSError, LookupError, ValueError, TypeError, AttributeError)


class LoopState(NamedTuple):
    """The state of the loop, in addition to the train state.

    Attributes:
        best_ged: Lowest validation GED^2 so far, or None.
        best_step: Step of the lowest GED^2, or None.
        low_kl_steps: Number of consecutive steps, up to the current one, with almost no KL.
        best_not_scored: Number of validation images that could not be scored at the best step.
    """

    best_ged: float | None = None
    best_step: int | None = None
    low_kl_steps: int = 0
    best_not_scored: int = 0

    def is_improved_by(self, ged: float, not_scored: int) -> bool:
        """Returns whether a validation is better than the best one so far.

        More scored images are better, because a mean over fewer images is not comparable. Of equal
        numbers, the lower GED^2 is better.

        Args:
            ged: Mean GED^2 of the scored images; NaN if there is none.
            not_scored: Number of images that could not be scored.
        """
        if math.isnan(ged) or self.best_ged is None:
            return not math.isnan(ged)
        return (not_scored, ged) < (self.best_not_scored, self.best_ged)


class Checkpoints:
    """Writes checkpoints in the background; each is complete or absent."""

    def __init__(self, folder: Path) -> None:
        """Opens `folder/last` and `folder/best`, and creates missing folders.

        Raises:
            UserError: If the folders cannot be created or read.
        """
        self._last = _manager(folder / LAST, NUM_LAST)
        self._best = _manager(folder / BEST, NUM_BEST)

    @property
    def last_step(self) -> int | None:
        """Step of the newest checkpoint, or None."""
        return self._last.latest_step()

    def save(self, state: TrainState, progress: LoopState) -> None:
        """Starts writing a checkpoint for resuming, after an earlier one is complete.

        Args:
            state: One host's copy of the train state.
            progress: The state of the loop.

        Raises:
            RuntimeError: If a checkpoint of this or a later step exists.
        """
        _save(self._last, state, progress)

    def save_best(self, state: TrainState, progress: LoopState) -> None:
        """Writes the best checkpoint and returns when it is on disk.

        A later `save` may then refer to it. The method first waits for an earlier `save`: until
        that is complete, a killed run resumes from the checkpoint before it, which may refer to the
        best checkpoint that is replaced here.
        """
        self._last.wait_until_finished()
        self.forget_after(int(state.step) - 1)
        _save(self._best, state, progress)
        self._best.wait_until_finished()

    def restore(self, like: TrainState, step: int | None = None) -> tuple[TrainState, LoopState]:
        """Reads a checkpoint.

        Args:
            like: A train state with the expected shapes.
            step: Step of the checkpoint; None for the newest.

        Raises:
            UserError: If the checkpoint cannot be read. The message names the other step from which
                the run can resume.
        """
        step = self.last_step if step is None else step
        others = [s for s in self._last.all_steps() if s != step]
        advice = f"resume from step {max(others)}" if others else "start from the beginning"
        return _restore(self._last, step, like, f"remove it to {advice}")

    def restore_best(self, like: TrainState, step: int) -> TrainState:
        """Reads the best checkpoint.

        Raises:
            UserError: If the checkpoint cannot be read.
        """
        return _restore(self._best, step, like, f"use {NEW_RUN}")[0]

    def forget_after(self, step: int) -> None:
        """Removes best checkpoints of steps after `step`, which the run will repeat.

        Orbax would keep them, and would not save checkpoints of earlier steps.
        """
        for later in [s for s in self._best.all_steps() if s > step]:
            self._best.delete(later)

    def close(self) -> None:
        """Waits until all checkpoints are written."""
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
    """Raises ValueError for arrays of unexpected shapes, which Orbax accepts."""
    for (path, value), like in zip(
        jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(expected), strict=True
    ):
        if value.shape != like.shape or value.dtype != like.dtype:
            raise ValueError(
                f"{jax.tree_util.keystr(path)} is {value.dtype} {value.shape}, expected "
                f"{like.dtype} {like.shape}"
            )


def to_numpy(state: TrainState) -> TrainState:
    """Converts a state to NumPy arrays, and its key to key data."""
    if jax.numpy.issubdtype(state.key.dtype, jax.dtypes.prng_key):
        state = state._replace(key=jax.random.key_data(state.key))
    return jax.tree.map(np.asarray, state)


def all_finite(tree: PyTree) -> bool:
    """Returns whether all floating-point numbers of a NumPy tree are finite."""
    leaves: list[Any] = jax.tree.leaves(tree)
    return all(bool(np.isfinite(leaf).all()) for leaf in leaves if leaf.dtype.kind == "f")


def read_params(folder: Path, which: str) -> tuple[int, PyTree]:
    """Reads the weights of a checkpoint, without writing; the run may still be training.

    Args:
        folder: The folder of `Checkpoints`.
        which: `best`, `last` or a step.

    Returns:
        The step, and Haiku's tree of NumPy arrays.

    Raises:
        UserError: If the checkpoint does not exist or cannot be read.
    """
    steps = {name: saved_steps(folder / name) for name in (BEST, LAST)}
    step = int(which) if which.isdecimal() else max(steps[which], default=None)
    home = next((folder / name for name in (BEST, LAST) if step in steps[name]), None)
    if step is None or home is None:
        listed = ", ".join(map(str, sorted({*steps[BEST], *steps[LAST]}))) or "none"
        raise UserError(f"--checkpoint={which}: {folder} has no such checkpoint, only: {listed}")
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            state = checkpointer.restore(home.resolve() / str(step) / "state")
        return step, jax.tree.map(np.asarray, state["params"])
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{home / str(step)}: cannot be read ({reason})") from error
