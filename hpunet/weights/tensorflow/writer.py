"""Checkpoints written by TensorFlow, for who uses the reference's own code."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpunet.io.errors import UserError
from hpunet.weights.tensorflow.checkpoint_files import files_of
from hpunet.weights.tensorflow.checkpoint_prefix import STATE_FILE
from hpunet.weights.tensorflow.tensor_bundle import read_bundle


def write_checkpoint(prefix: Path, values: Mapping[str, np.ndarray]) -> None:
    """Writes variables as a TensorFlow checkpoint (format V2), read back before it appears.

    The folder's file `checkpoint`, by which TensorFlow finds the newest, then names it. What was
    there under this prefix is replaced.

    Args:
        prefix: What the names of its files are to begin with.
        values: By the names of the variables.

    Raises:
        UserError: If TensorFlow is missing or the files cannot be written; then all is as it was.
    """
    tensorflow = _import_tensorflow()
    # One name for all attempts: the next one clears away what a killed one left.
    work = prefix.with_name(f".{prefix.name}.part")
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        _save(tensorflow, work / prefix.name, values)
        name = f'"{prefix.name}"'
        state = f"model_checkpoint_path: {name}\nall_model_checkpoint_paths: {name}\n"
        (work / STATE_FILE).write_text(state, encoding="utf-8")
        _move(work / prefix.name, prefix)
    except (OSError, tensorflow.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", error)
        raise UserError(f"{prefix}: cannot be written: {reason}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _import_tensorflow() -> Any:
    try:
        import tensorflow
    except ImportError as error:
        raise UserError(
            "writing TensorFlow's checkpoints needs TensorFlow: pip install 'hpunet[convert]'"
        ) from error
    return tensorflow


def _save(tensorflow: Any, prefix: Path, values: Mapping[str, np.ndarray]) -> None:
    with tensorflow.device("CPU"):
        tensorflow.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=list(values),
            shape_and_slices=[""] * len(values),
            tensors=[tensorflow.constant(value) for value in values.values()],
        )
    written = read_bundle(prefix)
    assert written.keys() == values.keys()
    assert all(written[name].tobytes() == value.tobytes() for name, value in values.items())


def _move(source: Path, prefix: Path) -> None:
    """Puts a checkpoint in the place of an old one, which is back where it was if that fails.

    The index comes last: without it the rest is no checkpoint.
    """
    aside = source.parent / "old"
    aside.mkdir()
    old = [path for path in [*files_of(prefix), prefix.with_name(STATE_FILE)] if path.exists()]
    index, *data = files_of(source)
    new = [*data, index, source.with_name(STATE_FILE)]
    moves = [(path, aside / path.name) for path in old]
    moves += [(path, prefix.with_name(path.name)) for path in new]
    done: list[tuple[Path, Path]] = []
    try:
        for place, target in moves:
            done.append((place, target))
            place.replace(target)
    except BaseException:
        for place, target in reversed(done):
            if target.exists():
                target.replace(place)
        raise
