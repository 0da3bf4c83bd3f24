"""Which checkpoint a path means."""

import re
from pathlib import Path

from hpunet.io.errors import UserError
from hpunet.weights.tensorflow.index_table import FOOTER_BYTES, is_table

STATE_FILE = "checkpoint"
_SUFFIX = re.compile(r"(.+)\.(index|meta|data-\d{5}-of-\d{5})")


def index_of(prefix: Path) -> Path:
    """The index of the checkpoint of that prefix."""
    return prefix.with_name(prefix.name + ".index")


def find_prefix(path: str | Path) -> Path:
    """What the names of a checkpoint's files begin with.

    Args:
        path: The prefix itself; a file of the checkpoint; or a folder with TensorFlow's file
            `checkpoint`, which names one, or with exactly one index.

    Raises:
        UserError: If there is no checkpoint, more than one, or one of the format V1.
    """
    try:
        return _find(Path(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def _find(path: Path) -> Path:
    suffix = _SUFFIX.fullmatch(path.name)
    if _is_prefix(path):
        return path
    if path.is_dir():
        return _prefix_in(path)
    if path.name == STATE_FILE and path.is_file():
        return _prefix_in(path.parent)
    if suffix is not None and path.is_file():
        prefix = path.with_name(suffix[1])
        if _is_prefix(prefix):
            return prefix
        raise UserError(f"{index_of(prefix)}: the checkpoint's index is missing beside {path}")
    if path.is_file() and _ends_like_table(path):
        raise UserError(
            f"{path}: a checkpoint in one file, TensorFlow's format V1; allowed is V2, which "
            "TensorFlow's Saver has written since 1.0"
        )
    what = "no TensorFlow checkpoint" if path.exists() else "no such checkpoint"
    raise UserError(f"{path}: {what}; allowed are PREFIX of PREFIX.index and the folder around it")


def _is_prefix(path: Path) -> bool:
    return bool(path.name) and index_of(path).is_file()


def _ends_like_table(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - FOOTER_BYTES))
        return is_table(file.read())


def _prefix_in(folder: Path) -> Path:
    named = _named_by_state(folder)
    if named is not None:
        return named
    found = sorted(folder.glob("*.index"))
    if len(found) == 1:
        return found[0].with_suffix("")
    if not found:
        raise UserError(f"{folder}: it holds no checkpoint; allowed is a folder with *.index")
    names = ", ".join(path.stem for path in found)
    raise UserError(f"{folder}: it holds {len(found)} checkpoints; allowed is one of {names}")


def _named_by_state(folder: Path) -> Path | None:
    """The newest checkpoint by the folder's file `checkpoint`, if it names one that exists."""
    try:
        text = (folder / STATE_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    name = re.search(r'^\s*model_checkpoint_path:\s*"([^"]+)"', text, re.M)
    # A folder that was moved still names its old place.
    places = [folder / name[1], folder / Path(name[1]).name] if name else []
    return next((place for place in places if _is_prefix(place)), None)
