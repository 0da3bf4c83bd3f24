"""Writes checkpoints with TensorFlow for the reference's own code."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpunet.io.errors import UserError, reason
from hpunet.weights.tensorflow.checkpoint_files import STATE_FILE, files_of
from hpunet.weights.tensorflow.tensor_bundle import read_bundle


def write_checkpoint(prefix: Path, values: Mapping[str, np.ndarray]) -> None:
    """Writes variables as a TensorFlow checkpoint (format V2) and reads it back to verify it.

    The folder's file `checkpoint`, which TensorFlow reads to find the newest checkpoint, then names
    it. An existing checkpoint with this prefix is replaced.

    Args:
        prefix: Prefix of the names of its files.
        values: The variables by name.

    Raises:
        UserError: If TensorFlow is missing or the files cannot be written. The folder is then
            unchanged.
    """
    tensorflow = _import_tensorflow()
    # Always the same name, so that the next attempt removes the files of a killed one.
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
        text = getattr(error, "message", None) or reason(error)
        raise UserError(f"{prefix}: cannot be written: {text}") from error
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
    """Replaces a checkpoint by another one; an error restores the old one.

    The index is moved last: without it the other files are no checkpoint.
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
